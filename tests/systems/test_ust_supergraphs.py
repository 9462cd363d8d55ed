"""Architectures as choices within one network (catalogue 9, C)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, random
from graphc.ir.walk import substitute
from tests.systems.catalogue import CS, S, both, check_gradients, row, run, symbols

WIDE = {"dtype": "float64"}
X = S(0, 4, 3)
OPERATIONS = {
    "identity": lambda stride: lambda x: x,
    "zero": lambda stride: lambda x: 0 * x,
    "dense": lambda stride: nn.Dense(3, 3, gc.tanh, bias=False, seed=stride, **WIDE),
}


def supergraph(nodes=2, **options):
    """Its edges' weights are fixtures."""
    net = nn.Supergraph(1, nodes, OPERATIONS, **WIDE, **options)
    for k, edge in enumerate(net.edges):
        edge["dense"].weight.value = S(k, 3, 3)
    return net


@row("UST-30", "graphc/nn/supergraph.py")
def test_ust_30_one_shot_supergraph():
    """A sub-network is the supergraph under its mask, and under its numbers; chosen statically, its
    graph has the operations of one network; a branch that a number does not choose is not run.
    """
    net, x = supergraph(), gc.constant(X)
    choice = ["dense", None, "dense"]
    mask = gc.placeholder("mask", (3, 3), "float64")
    alone = net.chosen(choice, x)
    masked = net.masked(mask, x)
    feeds = {mask: net.mask(choice)}
    a, b, grads_a, grads_b = both(
        [alone, masked]
        + [gc.grad(gc.sum(y * S(1, 4, 3)), net.edges[2]["dense"].weight) for y in (alone, masked)],
        feeds,
    )
    np.testing.assert_allclose(a, np.tanh(np.tanh(X @ S(0, 3, 3)) @ S(2, 3, 3)), atol=1e-14)
    np.testing.assert_allclose(b, a, atol=1e-14)
    np.testing.assert_allclose(grads_b, grads_a, atol=1e-14)
    products = [n for n in gc.ir.walk.topological([alone]) if "dot" in n.op.name]
    assert len(products) == 2
    table = gc.variable(np.ones((2, 3)), "table")
    rows = gc.placeholder("row", (), "int64")
    chosen = gc.placeholder("chosen", (1,), "int64")
    fails = [lambda y: y, lambda y: y + gc.take(table, rows, axis=0)]
    f = gc.compile([chosen, rows], nn.indexed(chosen)(x, fails, None, 0))
    np.testing.assert_array_equal(f(np.array([0]), 7), X)
    with pytest.raises(gc.IndexRangeError):
        f(np.array([1]), 7)


@row("UST-31", "graphc/nn/supergraph.py")
def test_ust_31_darts():
    """The printed mixture; one-hot weights are the discrete network; the second-order gradient of
    the validation loss is that of a step of training, unrolled, and its own formula; alternating
    updates lower both losses.
    """
    feeds = symbols(x=X, alpha=np.array([1.0, 0, -1]), W=S(1, 3, 3))
    x, alpha, W = feeds
    edge = nn.relaxed(x, [lambda x: x, lambda x: 0 * x, lambda x: gc.tanh(x @ W)], alpha)
    assert CS(both(edge, feeds)) == pytest.approx(0.199323143, abs=6e-10)
    check_gradients(gc.sum(edge * S(2, 4, 3)), feeds, count=3)

    net = supergraph()
    train, valid = (
        nn.mse(net(gc.constant(a)), gc.constant(b))
        for a, b in ((X, S(3, 4, 3)), (S(5, 6, 3), S(8, 6, 3)))
    )
    weights, (logits,) = net.weights(), net.choices()
    slopes, rate = gc.grad(train, weights), 0.1
    ahead = {w: w - rate * g for w, g in zip(weights, slopes, strict=True)}
    (unrolled,) = substitute([valid], ahead)
    at_ahead = substitute(gc.grad(valid, [logits, *weights]), ahead)
    inner = sum(gc.sum(g * gc.stop_gradient(v)) for g, v in zip(slopes, at_ahead[1:], strict=True))
    formula = at_ahead[0] - rate * gc.grad(inner, logits)
    second = gc.grad(unrolled, logits)
    one_hot = gc.constant(1e3 * net.mask(["dense", "zero", "identity"]))
    discrete = [
        net(gc.constant(X), logits=one_hot),
        net.chosen(["dense", None, "identity"], gc.constant(X)),
    ]
    losses = [train, valid]
    step = gc.compile(
        [], [unrolled, second, formula, *discrete, *losses],
        updates=optim.SGD(0.1).updates(train, weights)
        | optim.SGD(0.5).apply({"a": second}, {"a": logits}),
    )  # fmt: skip
    start = net.state_dict()
    first = step()
    np.testing.assert_allclose(first[1], first[2], atol=1e-13)
    np.testing.assert_allclose(first[3], first[4], atol=1e-13)
    for k in range(0, 9, 4):
        sides = []
        for move in (1e-6, -1e-6):
            net.load_state_dict(start)
            logits.value = move * (np.arange(9) == k).reshape(3, 3)
            sides.append(float(step()[0]))
        assert (sides[0] - sides[1]) / 2e-6 == pytest.approx(first[1].flat[k], abs=1e-8)
    net.load_state_dict(start)
    seen = [step()[-2:] for _ in range(40)]
    assert seen[-1][0] < seen[0][0] and seen[-1][1] < 0.9 * seen[0][1]
    assert net.best() == [net.names[k] for k in logits.value.argmax(1)]


@row("UST-32", "graphc/nn/early_stopping.py")
def test_ust_32_robust_darts():
    """The top eigenvalue in the choices, by power iteration on Hessian products, is that of the
    dense Hessian; the search stops when it has grown.
    """
    net = supergraph()
    loss = nn.mse(net(gc.constant(X)), gc.constant(S(3, 4, 3)))
    (logits,) = net.choices()

    def product(v):
        return gc.reshape(gc.hvp(loss, logits, gc.reshape(v, (3, 3))), (9,))

    top, _ = optim.power_iteration(product, gc.constant(S(1, 9)), 300)
    dense = gc.reshape(gc.hessian(loss, logits), (9, 9))
    found, exact = run([top, dense])
    eigenvalues = np.linalg.eigvalsh(exact)
    assert found == pytest.approx(eigenvalues[np.argmax(abs(eigenvalues))], rel=1e-8)
    stop = nn.CurvatureStop(window=2)
    said = [stop(v) for v in (1.0, 1.0, 1.1, 1.0, 1.2, 1.3, 1.6, 2.0)]
    assert said == [False] * 7 + [True]


@row("UST-33", "graphc/nn/supergraph.py")
def test_ust_33_gdas():
    """One operation a draw: the value is its own, the gradient for the logits that of the soft
    weight; draws are as likely as softmax says; training through it needs about the memory
    of one operation, much less than that of all.
    """
    feeds = symbols(x=X, alpha=np.array([0.5, 0, -0.5]), V=S(2, 4, 3))
    x, alpha, V = feeds
    W = gc.constant(S(1, 3, 3))
    operations = [lambda x: x, lambda x: 2 * x, lambda x: gc.tanh(x @ W)]
    keys = random.split(random.key(2), 400)
    key = gc.placeholder("key", (4,), "uint32")
    y = nn.gumbel_path(key, 0.7)(x, operations, alpha, 0)
    noisy = alpha + random.gumbel(random.fold_in(key, 0), (3,), "float64")
    soft = gc.softmax(noisy / 0.7)
    chosen = gc.argmax(noisy)
    outcome = gc.sum(y * V)
    wanted = gc.grad(gc.take(soft, chosen) * gc.stop_gradient(outcome), alpha)
    f = gc.compile([key, *feeds], [y, chosen, gc.grad(outcome, alpha), wanted])
    values = [X, 2 * X, np.tanh(X @ S(1, 3, 3))]
    counts = np.zeros(3)
    for k in run(keys):
        value, which, slope, meant = f(k, *feeds.values())
        counts[which] += 1
        np.testing.assert_allclose(value, values[which], atol=1e-14)
        np.testing.assert_allclose(slope, meant, atol=1e-14)
    p = np.exp([0.5, 0, -0.5]) / np.exp([0.5, 0, -0.5]).sum()
    assert (abs(counts / 400 - p) < 4 * np.sqrt(p * (1 - p) / 400)).all()

    def arena(edge, count):
        """Bytes between kernels of a training step with so many operations."""
        rows = gc.placeholder("rows", (1024, 16), "float64")
        weights = [gc.variable(S(k, 16, 16), f"w{k}") for k in range(count)]
        choices = gc.variable(np.zeros(count), "choices")
        out = edge(rows, [lambda x, w=w: gc.tanh(x @ w) @ w for w in weights], choices, 0)
        updates = optim.SGD(0.1).updates(gc.sum(out**2), [*weights, choices])
        return gc.compile([rows], None, updates=updates).memory.at().arena

    drawn, every, alone = (
        arena(nn.gumbel_path(random.key(0)), 4),
        arena(nn.relaxed, 4),
        arena(nn.relaxed, 1),
    )
    assert drawn < 1.6 * alone and drawn < 0.6 * every


@row("UST-34", "graphc/nn/supergraph.py")
def test_ust_34_pc_darts():
    """With all channels it is DARTS; with half of them the others pass through, and are next in the
    order; edges share what a node reads by a softmax of their own.
    """
    feeds = symbols(x=S(0, 2, 4, 3), alpha=np.array([1.0, 0, -1]))
    x, alpha = feeds
    operations = [lambda x: x, lambda x: 0 * x, lambda x: gc.tanh(2 * x)]
    parts = [nn.partial_channels(k)(x, operations, alpha, 0) for k in (1, 2)]
    whole, one, half = both([nn.relaxed(x, operations, alpha), *parts], feeds)
    np.testing.assert_array_equal(one, whole)
    np.testing.assert_allclose(half[:, 0::2], whole[:, :2], atol=1e-14)
    np.testing.assert_array_equal(half[:, 1::2], S(0, 2, 4, 3)[:, 2:])
    check_gradients(gc.sum(parts[1] ** 2), feeds, count=3)
    with pytest.raises(gc.GraphError, match="4 channels have no part"):
        nn.partial_channels(3)(x, operations, alpha, 0)

    net = supergraph(edge_weights=True)
    net.edge_logits.value = np.array([0.3, 1.0, -0.5])
    share = np.exp([1.0, -0.5]) / np.exp([1.0, -0.5]).sum()
    loss = nn.mse(net(gc.constant(X)), gc.constant(S(3, 4, 3)))
    choice = ["dense", "identity", "dense"]
    hidden = np.tanh(X @ S(0, 3, 3))
    wanted = share[0] * X + share[1] * np.tanh(hidden @ S(2, 3, 3))
    mask = gc.constant(net.mask(choice))
    updates = optim.Adam(0.05).updates(loss, net.parameters())
    step = gc.compile([], [loss, net.masked(mask, gc.constant(X))], updates=updates)
    first, value = step()
    np.testing.assert_allclose(value, wanted, atol=1e-13)
    assert [step()[0] for _ in range(30)][-1] < 0.7 * first


@row("UST-35", "graphc/nn/supergraph.py")
def test_ust_35_proxyless():
    """Of two drawn operations one passes; the gradient for the two logits is that of their shared
    softmax, none for the third; the expected latency has the gradients of differences and pulls
    towards what is cheap.
    """
    feeds = symbols(x=X, alpha=np.array([0.5, 0, -0.5]), V=S(2, 4, 3))
    x, alpha, V = feeds
    operations = [lambda x: x, lambda x: 2 * x, lambda x: gc.tanh(x)]
    key = gc.placeholder("key", (4,), "uint32")
    y = nn.binary_path(key)(x, operations, alpha, 0)
    f = gc.compile([key, *feeds], [y, gc.grad(gc.sum(y * V), alpha)])
    values = [X, 2 * X, np.tanh(X)]
    worth = np.array([np.sum(v * S(2, 4, 3)) for v in values])
    logits = np.array([0.5, 0, -0.5])
    for k in run(random.split(random.key(3), 40)):
        value, slope = f(k, *feeds.values())
        which = [np.allclose(value, v, atol=1e-13) for v in values]
        assert sum(which) == 1
        i, j = two = np.flatnonzero(slope)
        assert which.index(True) in two
        p = np.exp(logits[two]) / np.exp(logits[two]).sum()
        wanted = p[0] * p[1] * (worth[i] - worth[j])
        np.testing.assert_allclose(slope[two], [wanted, -wanted], atol=1e-12)

    costs = np.array([3.0, 1.0, 2.0])
    case = symbols(logits=S(0, 4, 3))
    (a,) = case
    latency = nn.expected_cost(a, costs)
    chances = np.exp(S(0, 4, 3)) / np.exp(S(0, 4, 3)).sum(1, keepdims=True)
    assert both(latency, case) == pytest.approx((chances @ costs).sum())
    (slope,) = check_gradients(latency, case)
    assert (slope[:, 0] > 0).all() and (slope[:, 1] < 0).all()


@row("UST-36", "graphc/nn/supergraph.py")
def test_ust_36_enas():
    """One compiled step trains every sampled network on the shared weights, and those of edges that
    were not drawn stay bit for bit; edges are dropped at a scheduled rate, at rate 0 none; a
    controller learns which of the networks is best.
    """
    net, x = supergraph(), gc.constant(X)
    choices = gc.placeholder("choices", (3,), "int64")
    target = gc.constant(np.tanh(X @ S(0, 3, 3)) + X)
    loss = nn.mse(net(x, edge=nn.indexed(choices)), target)
    step = gc.compile([choices], loss, updates=optim.SGD(0.05).updates(loss, net.weights()))
    before = net.state_dict()
    first = float(step(np.array([2, 1, 0])))
    assert float(step(np.array([2, 1, 0]))) < first
    after = net.state_dict()
    moved = {name for name in before if (before[name] != after[name]).any()}
    assert moved == {"edges.0.dense.weight"}

    rate = gc.placeholder("rate", (), "float64")
    key = gc.placeholder("key", (4,), "uint32")
    schedule = optim.linear(0.0, 0.5, 10)
    kept = nn.dropped(schedule(rate), key)
    f = gc.compile(
        [rate, key],
        [
            net(x, edge=kept),
            net(x),
            gc.sum(kept(x, [lambda x: x], net.logits[0, :1], 0)) / gc.sum(x),
        ],
    )
    keys = run(random.split(random.key(0), 200))
    full, plain, _ = f(0.0, keys[0])
    np.testing.assert_array_equal(full, plain)
    scales = np.array([f(10.0, k)[2] for k in keys])
    assert set(np.round(scales, 12)) == {0.0, 2.0}
    assert abs((scales > 0).mean() - 0.5) < 4 * 0.5 / np.sqrt(200)

    controller = nn.Controller([3, 3, 3], hidden=4, seed=0, **WIDE)
    drawn, log_p = controller.sample(random.Generator(1), 16)
    error = gc.vmap(lambda c: nn.mse(net(x, edge=nn.indexed(c)), target))(drawn)
    surrogate = -nn.score_surrogate(-error, log_p, -gc.mean(error))
    learn = gc.compile(
        [], gc.mean(error), updates=optim.Adam(0.1).updates(surrogate, controller.parameters())
    )
    errors = [float(learn()) for _ in range(60)]
    assert np.mean(errors[-5:]) < 0.5 * np.mean(errors[:5])
