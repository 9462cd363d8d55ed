"""Architectures as choices within one network (catalogue 9, C)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, random
from graphc.ir.walk import substitute
from tests.systems.catalogue import CS, S, both, check_gradients, row, run, symbols
from tests.systems.supergraphs import X, agree, supergraph


@row("UST-31", "graphc/nn/supergraph.py")
def test_ust_31_darts():
    """The printed mixture; one-hot weights are the discrete network; the second-order gradient of
    the validation loss is that of a step of training, unrolled, and its own formula; alternating
    updates lower both losses.
    """
    feeds = symbols(x=X, alpha=np.array([1.0, 0, -1]), W=S(1, 3, 3))
    x, alpha, W = feeds
    edge = nn.relaxed_edge(x, [lambda x: x, lambda x: 0 * x, lambda x: gc.tanh(x @ W)], alpha)
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
    updates = optim.SGD(0.1).updates(train, weights)
    updates |= optim.SGD(0.5).apply({"a": second}, {"a": logits})
    outputs = [unrolled, second, formula, *discrete, *losses]
    step = gc.compile([], outputs, updates=updates)
    start = net.state_dict()
    first = step()
    net.load_state_dict(start)
    agree(first, [], outputs)
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

    top, _ = optim.power_iteration(product, gc.constant(S(1, 9)), 100)
    dense = gc.reshape(gc.hessian(loss, logits), (9, 9))
    found, exact = both([top, dense])
    eigenvalues = np.linalg.eigvalsh(exact)
    assert found == pytest.approx(eigenvalues[np.argmax(abs(eigenvalues))], rel=1e-8)
    stop = nn.CurvatureStop(window=2)
    said = [stop(v) for v in (1.0, 1.0, 1.1, 1.0, 1.2, 1.3, 1.6, 2.0)]
    assert said == [False] * 7 + [True]


@row("UST-33", "graphc/nn/supergraph.py")
def test_ust_33_gdas():
    """One operation a draw: the value is its own, the gradient for the logits that of the soft
    weight; draws are as likely as softmax says; training through it needs about the memory
    of one operation.
    """
    feeds = symbols(x=X, alpha=np.array([0.5, 0, -0.5]), V=S(2, 4, 3))
    x, alpha, V = feeds
    W = gc.constant(S(1, 3, 3))
    operations = [lambda x: x, lambda x: 2 * x, lambda x: gc.tanh(x @ W)]
    keys = random.split(random.key(2), 400)
    key = gc.placeholder("key", (4,), "uint32")
    y = nn.gumbel_edge(key, 0.7)(x, operations, alpha, 0)
    noisy = alpha + random.gumbel(random.fold_in(key, 0), (3,), "float64")
    soft = gc.softmax(noisy / 0.7)
    chosen = gc.argmax(noisy)
    outcome = gc.sum(y * V)
    wanted = gc.grad(gc.take(soft, chosen) * gc.stop_gradient(outcome), alpha)
    outputs = [y, chosen, gc.grad(outcome, alpha), wanted]
    f = gc.compile([key, *feeds], outputs)
    values = [X, 2 * X, np.tanh(X @ S(1, 3, 3))]
    counts = np.zeros(3)
    draws = run(keys)
    agree(f(draws[0], *feeds.values()), [key, *feeds], outputs, draws[0], *feeds.values())
    for k in draws:
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

    assert arena(nn.gumbel_edge(random.key(0)), 4) < 1.6 * arena(nn.relaxed_edge, 1)


@row("UST-34", "graphc/nn/supergraph.py")
def test_ust_34_pc_darts():
    """With all channels it is DARTS; with half of them the others pass through, and are next in the
    order; edges share what a node reads by a softmax of their own.
    """
    feeds = symbols(x=S(0, 2, 4, 3), alpha=np.array([1.0, 0, -1]))
    x, alpha = feeds
    operations = [lambda x: x, lambda x: 0 * x, lambda x: gc.tanh(2 * x)]
    parts = [nn.partial_edge(k)(x, operations, alpha, 0) for k in (1, 2)]
    whole, one, half = both([nn.relaxed_edge(x, operations, alpha), *parts], feeds)
    np.testing.assert_array_equal(one, whole)
    np.testing.assert_allclose(half[:, 0::2], whole[:, :2], atol=1e-14)
    np.testing.assert_array_equal(half[:, 1::2], S(0, 2, 4, 3)[:, 2:])
    check_gradients(gc.sum(parts[1] ** 2), feeds, count=3)
    with pytest.raises(gc.GraphError, match="4 channels have no part"):
        nn.partial_edge(3)(x, operations, alpha, 0)

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
    y = nn.binary_edge(key)(x, operations, alpha, 0)
    outputs = [y, gc.grad(gc.sum(y * V), alpha)]
    f = gc.compile([key, *feeds], outputs)
    values = [X, 2 * X, np.tanh(X)]
    worth = np.array([np.sum(v * S(2, 4, 3)) for v in values])
    logits = np.array([0.5, 0, -0.5])
    draws = run(random.split(random.key(3), 40))
    agree(f(draws[0], *feeds.values()), [key, *feeds], outputs, draws[0], *feeds.values())
    for k in draws:
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
