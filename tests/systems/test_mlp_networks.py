"""Multi-layer perceptrons (catalogue 1, C)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from tests.systems.catalogue import CS, S, both, check_gradients, row, symbols

LABELS = np.array([0, 1, 2, 1, 0])


def network():
    """The 4-6-3 network whose figures the catalogue prints: feeds, logits, mean cross-entropy."""
    feeds = symbols(X=S(0, 5, 4), W1=S(1, 4, 6), b1=S(2, 6), W2=S(3, 6, 3), b2=S(4, 3))
    X, W1, b1, W2, b2 = feeds
    logits = gc.tanh(X @ W1 + b1) @ W2 + b2
    return feeds, logits, nn.cross_entropy(logits, gc.constant(LABELS))


@row("MLP-28", "graphc/nn/layers.py")
def test_mlp_28_mlp_of_any_depth():
    """CS of logits, mean CE and its gradients as printed; gradients by differences; parameter
    counts of two networks.
    """
    feeds, logits, loss = network()
    _, *parameters = feeds
    values = both([logits, loss, *gc.grad(loss, parameters)], feeds)
    printed = [-1.744198056, 1.157523920, 0.606096367, -0.317597653, -0.033876437, -0.289783888]
    np.testing.assert_allclose(
        [CS(values[0]), float(values[1]), *map(CS, values[2:])], printed, atol=1e-9
    )
    check_gradients(loss, feeds)


def trained(loss, parameters, steps, lr=0.1):
    """The loss before and after that many steps of Adam."""
    step = gc.compile([], loss, updates=optim.Adam(lr).updates(loss, parameters))
    seen = [float(step()) for _ in range(steps)]
    return seen[0], seen[-1]


@row("MLP-29", "graphc/ops")
def test_mlp_29_unit_indexed_network():
    """A DAG of single units: all nine partial derivatives in closed form."""
    names = ["w1", "u11", "u21", "u31", "b1", "w2", "u12", "u32", "b2"]
    values = np.sin(np.arange(9) + 0.5)
    feeds = symbols(**dict(zip(names, values, strict=True)), x=np.array([0.3, -0.8, 1.1]))
    w1, u11, u21, u31, b1, w2, u12, u32, b2, x = feeds
    s = gc.sigmoid(u11 * x[0] + u21 * x[1] + u31 * x[2] + b1)
    t = gc.tanh(u12 * x[0] + u32 * x[2] + b2)
    y = w1 * s + w2 * t
    ds, dt = w1 * s * (1 - s), w2 * (1 - t * t)
    expected = [s, ds * x[0], ds * x[1], ds * x[2], ds, t, dt * x[0], dt * x[2], dt]
    found, wanted = both([gc.grad(y, list(feeds)[:9]), expected], feeds)
    np.testing.assert_allclose(found, wanted, atol=1e-14)


@row("MLP-30", "graphc/ops/activations.py")
def test_mlp_30_worked_relu_example():
    """The printed hidden values, outputs, loss, and three weights after one step."""
    feeds = symbols(
        x=np.array([1.0, 2]), W1=np.array([[1, 0.5], [-0.5, 1]]), b1=np.array([-0.5, -0.5]),
        W2=np.array([[0.5, -2], [-1, 0.5]]), b2=np.array([1.0, 1]), t=np.array([2.0, 4]),
    )  # fmt: skip
    x, W1, b1, W2, b2, t = feeds
    h = gc.relu(x @ W1 + b1)
    y = gc.relu(h @ W2 + b2)
    loss = nn.mse(y, t, reduction="sum")
    hidden, out, value, g = both([h, y, loss, gc.grad(loss, W2)], feeds)
    np.testing.assert_allclose(hidden, [0, 2], atol=1e-12)
    np.testing.assert_allclose(out, [0, 2], atol=1e-12)
    assert value == pytest.approx(8) and value / 2 == pytest.approx(4)
    new = np.array([[0.5, -2], [-1, 0.5]]) - 0.01 * g / 2
    assert new[0, 0] == 0.5
    assert new[1, 1] == pytest.approx(0.54)


@row("MLP-31", "graphc/ops/activations.py")
def test_mlp_31_xor():
    """The given ReLU network computes XOR; a trained 2-2-1 network gets below 1e-3 from one of ten
    starts.
    """
    points = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    W, b, w = np.ones((2, 2)), np.array([0.0, -1]), np.array([1.0, -2])
    feeds = symbols(x=points)
    y = gc.relu(next(iter(feeds)) @ gc.constant(W) + gc.constant(b)) @ gc.constant(w)
    np.testing.assert_array_equal(both(y, feeds), [0, 1, 1, 0])
    v = [gc.variable(np.zeros(s)) for s in ((2, 2), (2,), (2, 1), (1,))]
    z = (gc.tanh(gc.constant(points) @ v[0] + v[1]) @ v[2] + v[3])[:, 0]
    loss = nn.binary_cross_entropy(z, gc.constant(np.array([0.0, 1, 1, 0])))
    step = gc.compile(
        [], loss, updates={p: p - 2.0 * g for p, g in zip(v, gc.grad(loss, v), strict=True)}
    )
    for seed in range(10):
        rng = np.random.default_rng(seed)
        for p in v:
            p.value = rng.standard_normal(p.shape)
        last = [step() for _ in range(4000)][-1]
        if last < 1e-3:
            break
    assert last < 1e-3


@row("MLP-32", "graphc/ops/reduction.py")
def test_mlp_32_maxout():
    """The printed checksum; a tie sends the gradient to one argument; abs(x) = max(x, -x)."""
    feeds = symbols(x=S(0, 4, 3), w=S(1, 3, 5, 2), b=S(2, 5, 2))
    x, w, b = feeds
    y = gc.max(gc.einsum("ni,iok->nok", x, w) + b, axis=-1)
    assert CS(both(y, feeds)) == pytest.approx(0.878105799, abs=6e-10)
    check_gradients(gc.sum(y**2), feeds)
    tie = symbols(v=np.array([1.0, 1.0, 0.5]))
    (v,) = tie
    slope = both(gc.grad(gc.max(v), v), tie)
    assert sorted(slope) == [0, 0, 1]
    np.testing.assert_array_equal(both(gc.maximum(v - 0.7, 0.7 - v), tie), np.abs(tie[v] - 0.7))


@row("MLP-33", "graphc/ops/linear/einsum.py")
def test_mlp_33_second_order_units():
    """The printed checksum; one such unit computes XOR."""
    feeds = symbols(x=S(0, 4, 3), w=S(1, 2, 4, 4))
    x, w = feeds
    a = gc.concat([gc.ones((4, 1), dtype="float64"), x], axis=1)
    y = gc.einsum("ijk,nj,nk->ni", w, a, a)
    assert CS(both(y, feeds)) == pytest.approx(0.581481063, abs=6e-10)
    check_gradients(gc.sum(gc.sin(y)), feeds)
    points = np.array([[1.0, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1]])
    xor = np.array([[0.0, 1, 1], [0, 0, -2], [0, 0, 0]])
    p = gc.constant(points)
    np.testing.assert_array_equal(
        both(gc.einsum("jk,nj,nk->n", gc.constant(xor), p, p)), [0, 1, 1, 0]
    )


@row("MLP-34", "graphc/linalg.py")
def test_mlp_34_gmdh():
    """One layer of fitted quadratic units recovers a quadratic exactly."""
    X = np.random.default_rng(0).standard_normal((30, 2))
    y = 1 + 2 * X[:, 0] - X[:, 1] + 0.5 * X[:, 0] ** 2 - X[:, 0] * X[:, 1]
    feeds = symbols(X=X, y=y)
    s, t = feeds
    a, b = s[:, 0], s[:, 1]
    features = gc.stack([gc.ones_like(a), a, b, a * a, b * b, a * b], axis=1)
    weights, fit = both([w := gc.linalg.lstsq(features, t), features @ w], feeds)
    np.testing.assert_allclose(weights, [1, 2, -1, 0.5, 0, -1], atol=1e-10)
    np.testing.assert_allclose(fit, y, atol=1e-10)


@row("MLP-35", "graphc/control.py")
def test_mlp_35_integrate_and_fire():
    """The interval between spikes tends to the closed form; a surrogate slope passes the step."""
    tau, drive, gap, dt = 20.0, 15.0, 10.0, 0.001

    def step(v, _):
        new = v + dt * (drive - v) / tau
        spike = new >= gap
        return gc.where(spike, 0.0, new), spike

    _, spikes = gc.scan(step, gc.constant(0.0, "float64"), length=80_000)
    times = np.nonzero(gc.compile([], spikes)())[0] * dt
    assert np.diff(times) == pytest.approx(21.972245773, abs=5e-3)
    soft = gc.custom_gradient(
        lambda v: gc.astype(v >= gap, "float64"),
        lambda xs, ys, gs: [gs[0] / (1 + gc.abs(xs[0] - gap)) ** 2],
    )
    feeds = symbols(v=np.array([9.0, 12.0]))
    (v,) = feeds
    np.testing.assert_allclose(both(gc.grad(gc.sum(soft(v)), v), feeds), [1 / 4, 1 / 9])


@row("MLP-36", "graphc/control.py")
def test_mlp_36_hebb_and_oja():
    """Oja's rule ends at the top eigenvector, of length 1; the plain rule grows."""
    rng = np.random.default_rng(0)
    data = rng.standard_normal((4000, 3)) * np.array([2.0, 1, 0.5]) @ np.linalg.qr(S(1, 3, 3))[0]
    start = gc.constant(np.array([0.6, 0.5, 0.4]))

    def oja(w, x):
        y = gc.sum(w * x)
        return w + 0.005 * y * (x - y * w), None

    def hebb(w, x):
        return w + 0.001 * gc.sum(w * x) * x, None

    xs = gc.placeholder("xs", ("n", 3), "float64")
    stable, plain = gc.compile([xs], [gc.scan(oja, start, xs)[0], gc.scan(hebb, start, xs)[0]])(
        data
    )
    top = np.linalg.eigh(np.cov(data.T))[1][:, -1]
    assert abs(stable @ top) == pytest.approx(1, abs=0.02)
    assert np.linalg.norm(stable) == pytest.approx(1, abs=0.05)
    assert np.linalg.norm(plain) > 10


@row("MLP-37", "graphc/gradient_rules.py")
def test_mlp_37_feedback_alignment():
    """A backward pass through a fixed random matrix still lowers the loss; through W^T it is back-
    propagation.
    """
    rng = np.random.default_rng(0)
    X, T = rng.standard_normal((32, 5)), rng.standard_normal((32, 2)) * 0.5
    first = [rng.standard_normal((5, 12)) * 0.4, rng.standard_normal((12, 2)) * 0.3]

    def build(back):
        W1, W2 = (gc.variable(w) for w in first)
        product = gc.custom_gradient(
            lambda h, w: h @ w, lambda xs, ys, gs: [gs[0] @ back(W2), xs[0].T @ gs[0]]
        )
        loss = nn.mse(product(gc.tanh(gc.constant(X) @ W1), W2), gc.constant(T))
        return loss, [W1, W2]

    B = gc.constant(rng.standard_normal((2, 12)))
    loss, parameters = build(lambda W: B)
    before, after = trained(loss, parameters, 150, 0.02)
    assert after < 0.7 * before
    loss, (W1, W2) = build(lambda W: W.T)
    plain = nn.mse(gc.tanh(gc.constant(X) @ W1) @ W2, gc.constant(T))
    for a, b in zip(*both([gc.grad(loss, [W1, W2]), gc.grad(plain, [W1, W2])]), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-14)


@row("MLP-38", "graphc/ops/exponential.py")
def test_mlp_38_bump_and_tower():
    """The printed heights of a bump and of a tower inside and outside."""
    feeds = symbols(x=np.array([1.5, 0.5]), p=np.array([[0.5, 0.5], [0.5, 1.5]]))
    x, p = feeds
    k = 50.0

    def bump(v, a, b):
        return gc.sigmoid(k * (v - a)) - gc.sigmoid(k * (v - b))

    tower = gc.sigmoid(k * (bump(p[:, 0], 0.0, 1.0) + bump(p[:, 1], 0.0, 1.0) - 1.5))
    inside, height = both([bump(x, 1.0, 2.0), tower], feeds)
    assert inside[0] == pytest.approx(0.999999999972, abs=1e-12)
    assert inside[1] == pytest.approx(1.4e-11, rel=0.02)
    assert height[0] >= 1 - 2e-11 and height[1] <= 2e-11
    assert int(np.ceil(1 / (np.sqrt(2) * 0.01))) == 71


@row("MLP-39", "graphc/ops/activations.py")
def test_mlp_39_linear_regions():
    """A sawtooth of L layers of n units has exactly n^L pieces."""
    for n, depth in ((2, 6), (3, 3)):
        grid = np.linspace(0, 1, n**depth * 8 + 1)
        x = gc.placeholder("x", ("m",), "float64")
        h = x
        for _ in range(depth):
            units = [gc.relu(n * h)] + [gc.relu(n * h - k) for k in range(1, n)]
            h = units[0] + sum(2 * (-1.0) ** k * u for k, u in enumerate(units[1:], 1))
        slopes = np.diff(gc.compile([x], h)(grid)) / np.diff(grid)
        assert 1 + np.sum(np.abs(np.diff(slopes)) > 1e-3) == n**depth


@row("MLP-40", "graphc/ops")
def test_mlp_40_symmetries():
    """Permuted units, flipped signs, rescaled ReLUs and the tanh form of sigmoid leave outputs
    unchanged.
    """
    feeds = symbols(x=S(0, 5, 3), A=S(1, 3, 4), B=S(2, 4, 2))
    x, A, B = feeds
    order = np.array([2, 0, 3, 1])
    flip = gc.constant(np.array([1.0, -1, 1, -1]))
    scale = gc.constant(np.array([0.5, 2, 3, 1.5]))
    pairs = [
        (gc.tanh(x @ A) @ B, gc.tanh(x @ A[:, order]) @ B[order]),
        (gc.tanh(x @ A) @ B, gc.tanh(x @ (A * flip)) @ (gc.expand_dims(flip, 1) * B)),
        (gc.relu(x @ A) @ B, gc.relu(x @ (A * scale)) @ (B / gc.expand_dims(scale, 1))),
        (gc.sigmoid(x @ A), (gc.tanh(x @ A / 2) + 1) / 2),
    ]
    for a, b in both(pairs, feeds):
        np.testing.assert_allclose(a, b, atol=1e-12)


@row("MLP-41", "graphc/nn/layers.py")
def test_mlp_41_capacity():
    """One wide layer fits 32 random labels below 1e-3; a single linear layer cannot."""
    rng = np.random.default_rng(0)
    X, y = (
        gc.constant(rng.standard_normal((32, 2))),
        gc.constant(rng.integers(0, 2, 32).astype(float)),
    )
    W, b, v = (gc.variable(rng.standard_normal(s)) for s in ((2, 200), (200,), (200,)))
    wide = nn.binary_cross_entropy(gc.relu((X @ W + b) * 2) @ v / 10, y)
    assert trained(wide, [W, b, v], 3000, 0.05)[1] < 1e-3
    w = gc.variable(np.zeros(2))
    assert trained(nn.binary_cross_entropy(X @ w, y), [w], 500, 0.05)[1] > 0.3


@row("MLP-42", "graphc/passes/derivatives/differentiate.py")
def test_mlp_42_multi_task():
    """The trunk's gradient is the weighted sum of the tasks'; masked labels give exactly none;
    tying is 0 at equality.
    """
    feeds = symbols(
        X=S(0, 6, 3), W=S(1, 3, 4), a=S(2, 4), b=S(3, 4), m=np.array([1.0, 1, 0, 1, 0, 1])
    )
    X, W, a, b, m = feeds
    h = gc.tanh(X @ W)
    one, two = gc.mean((h @ a - 1) ** 2), gc.sum(m * (h @ b + 1) ** 2) / gc.sum(m)
    total = gc.grad(0.3 * one + 0.7 * two, W)
    parts = gc.grad(one, W), gc.grad(two, W)
    per_row = gc.grad(two, X)
    norm = gc.norm(a - a)
    values = both([total, *parts, per_row, gc.grad(norm, a)], feeds)
    np.testing.assert_allclose(values[0], 0.3 * values[1] + 0.7 * values[2], atol=1e-14)
    assert not values[3][[2, 4]].any() and values[3][[0, 1, 3, 5]].any()
    np.testing.assert_array_equal(values[4], 0)


@row("MLP-43", "graphc/nn/layers.py")
def test_mlp_43_multi_label_network():
    """A small SELU network; masked labels have no gradient, and the loss falls."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 8)), rng.integers(0, 2, (20, 3)).astype(float)
    known = rng.random((20, 3)) < 0.7
    W, V = (
        gc.variable(rng.standard_normal((8, 16)) / 3),
        gc.variable(rng.standard_normal((16, 3)) / 4),
    )
    z = nn.selu(gc.constant(X) @ W) @ V
    each = nn.binary_cross_entropy(z, gc.constant(Y), reduction="none")
    loss = gc.sum(gc.where(gc.constant(known), each, 0.0)) / known.sum()
    slope = both(gc.grad(loss, z))
    assert not slope[~known].any() and slope[known].all()
    before, after = trained(loss, [W, V], 100, 0.02)
    assert after < 0.5 * before
