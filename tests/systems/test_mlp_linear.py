"""Threshold and linear models (catalogue 1, A)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.linalg import lstsq, pinv, solve
from tests.systems.catalogue import S, both, check_gradients, row, symbols

XOR4 = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
WITH_BIAS = np.hstack([XOR4, np.ones((4, 1))])


def descend(loss, w, steps, lr):
    """Gradient descent from the variable's value."""
    step = gc.compile([], loss, updates={w: w - lr * gc.grad(loss, w)})
    for _ in range(steps):
        step()
    return w.value


@row("MLP-01", "graphc/ops/comparison.py")
def test_mlp_01_mcculloch_pitts():
    """The truth tables of AND, OR and NOT."""
    feeds = symbols(x=XOR4, n=np.array([[0.0], [1.0]]))
    x, n = feeds
    found = both([gc.sum(x, axis=1) >= 2, gc.sum(x, axis=1) >= 1, -gc.sum(n, axis=1) >= 0], feeds)
    for got, expected in zip(found, ([0, 0, 0, 1], [0, 1, 1, 1], [1, 0]), strict=True):
        np.testing.assert_array_equal(got, expected)


@row("MLP-02", "graphc/control.py")
def test_mlp_02_perceptron():
    """The online rule as one compiled loop: weights and mistakes of AND, OR and NAND; XOR never
    stops.
    """
    xs, ys = gc.placeholder("xs", (4, 3), "float64"), gc.placeholder("ys", (4,), "float64")

    def visit(state, example):
        w, mistakes = state
        x, y = example
        wrong = gc.where(gc.sum(w * x) >= 0, 1.0, -1.0) != y
        return (gc.where(wrong, w + y * x, w), mistakes + gc.astype(wrong, "int64")), None

    def epoch(state, _):
        return gc.scan(visit, state, (xs, ys))[0], state[1]

    start = (gc.zeros(3, dtype="float64"), gc.constant(0))
    run = gc.compile([xs, ys], gc.scan(epoch, start, length=10))
    for labels, weights, mistakes, clean in (
        ([0, 0, 0, 1], (2, 1, -3), 11, 6),
        ([0, 1, 1, 1], (1, 1, -1), 5, 4),
        ([1, 1, 1, 0], (-2, -1, 2), 10, 6),
    ):
        (w, total), before = run(WITH_BIAS, 2.0 * np.array(labels) - 1)
        np.testing.assert_array_equal(w, weights)
        assert total == mistakes
        assert before[clean - 1] == total > before[clean - 2]
    (_, total), before = run(WITH_BIAS, np.array([-1.0, 1, 1, -1]))
    assert total > before[-1] > before[-2]


@row("MLP-03", "graphc/linalg.py")
def test_mlp_03_linear_regression():
    """Descent, normal equations and pseudo-inverse agree; the Hessian is X^T X; XOR gives (1/3,
    1/3) and (0, 0, 1/2).
    """
    y = np.array([0.0, 1, 1, 0])
    for X, expected in ((XOR4, [1 / 3, 1 / 3]), (WITH_BIAS, [0, 0, 0.5])):
        w = gc.variable(np.zeros(X.shape[1]))
        loss = 0.5 * gc.sum((gc.constant(y) - gc.constant(X) @ w) ** 2)
        np.testing.assert_allclose(descend(loss, w, 2000, 0.2), expected, atol=1e-10)
        feeds = symbols(X=X, y=y)
        a, b = feeds
        found = both([solve(a.T @ a, a.T @ b), pinv(a) @ b, gc.hessian(loss, w)], feeds)
        np.testing.assert_allclose(found[0], expected, atol=1e-10)
        np.testing.assert_allclose(found[1], expected, atol=1e-10)
        np.testing.assert_allclose(found[2], X.T @ X, atol=1e-12)


@row("MLP-04", "graphc/linalg.py")
def test_mlp_04_multi_output_regression():
    """Each column is a regression of its own; the gradient is X^T (X W - Y)."""
    feeds = symbols(X=S(0, 6, 3), Y=S(1, 6, 2), W=S(2, 3, 2))
    X, Y, W = feeds
    loss = 0.5 * gc.sum((Y - X @ W) ** 2)
    together, first, slope, expected = both(
        [lstsq(X, Y), lstsq(X, Y[:, 0]), gc.grad(loss, W), X.T @ (X @ W - Y)], feeds
    )
    np.testing.assert_allclose(together[:, 0], first, atol=1e-10)
    np.testing.assert_allclose(slope, expected, atol=1e-12)
    check_gradients(loss, feeds)


@row("MLP-05", "graphc/linalg.py")
def test_mlp_05_basis_functions():
    """A polynomial of degree n - 1 goes through n points; sine features are linear in their
    weights.
    """
    x, y = np.linspace(-1, 1, 6), np.array([0.3, -1, 2, 0.5, 0, 1])
    feeds = symbols(x=x, y=y)
    s, t = feeds
    powers = gc.expand_dims(s, 1) ** gc.arange(6, dtype="float64")
    np.testing.assert_allclose(both(powers @ solve(powers, t), feeds), y, atol=1e-11)
    A = gc.constant(np.array([[1.0, 2.0, 3.0]]))
    w = symbols(w=np.array([0.1, 0.2, 0.3]))
    loss = gc.sum((gc.sin(gc.expand_dims(s, 1) @ A) @ next(iter(w)) - t) ** 2)
    check_gradients(loss, feeds | w)


@row("MLP-06", "graphc/linalg.py")
def test_mlp_06_ridge():
    """The closed form is where descent with (a/2) |w|^2 ends; H = diag(2, 10) scales w by (2/3,
    10/11).
    """
    X = np.diag(np.sqrt([2.0, 10.0]))
    y = X @ np.ones(2)
    feeds = symbols(X=X, y=y)
    a, b = feeds
    closed = both(solve(a.T @ a + gc.eye(2, dtype="float64"), a.T @ b), feeds)
    np.testing.assert_allclose(closed, [2 / 3, 10 / 11], rtol=1e-12)
    w = gc.variable(np.zeros(2))
    loss = 0.5 * gc.sum((gc.constant(y) - gc.constant(X) @ w) ** 2) + 0.5 * gc.sum(w * w)
    np.testing.assert_allclose(descend(loss, w, 400, 0.15), closed, atol=1e-10)


@row("MLP-07", "graphc/nn/activations.py")
def test_mlp_07_lasso():
    """For orthonormal X one shrinkage solves it; in general proximal descent meets the KKT
    conditions.
    """
    q = np.linalg.qr(S(0, 6, 3))[0]
    y, lam = S(1, 6), 0.3
    feeds = symbols(X=q, y=y)
    X, t = feeds
    w = both(nn.soft_threshold(X.T @ t, lam), feeds)
    residual = q.T @ (q @ w - y)
    assert np.all(np.abs(residual) <= lam + 1e-12)
    np.testing.assert_allclose(residual[w != 0], -lam * np.sign(w[w != 0]), atol=1e-12)
    A = gc.constant(S(3, 8, 4))
    b = gc.constant(S(5, 8))
    v = gc.variable(np.zeros(4))
    smooth = 0.5 * gc.sum((A @ v - b) ** 2)
    step = gc.compile(
        [], None, updates={v: nn.soft_threshold(v - 0.1 * gc.grad(smooth, v), 0.1 * lam)}
    )
    for _ in range(3000):
        step()
    slope = S(3, 8, 4).T @ (S(3, 8, 4) @ v.value - S(5, 8))
    assert np.all(np.abs(slope) <= lam + 1e-8)
    np.testing.assert_allclose(
        slope[v.value != 0], -lam * np.sign(v.value[v.value != 0]), atol=1e-8
    )


def logistic(X, y):
    feeds = symbols(X=X, y=y, w=np.zeros(X.shape[1]))
    a, t, w = feeds
    z = a @ w
    return feeds, w, gc.sum(gc.softplus(z) - t * z)


@row("MLP-08", "graphc/nn/losses.py")
def test_mlp_08_logistic_regression():
    """Newton's optimum as printed; XOR leaves w = 0 and ln 2; gradient and Hessian in closed form;
    AND, OR, NAND without errors.
    """
    X = np.column_stack([np.arange(4.0), np.ones(4)])
    feeds, w, loss = logistic(X, np.array([0.0, 1, 0, 1]))
    newton = gc.compile([*feeds], [w - solve(gc.hessian(loss, w), gc.grad(loss, w)), loss])
    values = [*feeds.values()]
    for _ in range(12):
        values[2], total = newton(*values)
    np.testing.assert_allclose(values[2], [0.90818426, -1.36227639], atol=6e-9)
    assert total == pytest.approx(2.347486535, abs=6e-10)
    a, t, _ = feeds
    p = gc.sigmoid(a @ w)
    found = both(
        [gc.grad(loss, w), a.T @ (p - t), gc.hessian(loss, w), (a.T * (p * (1 - p))) @ a], feeds
    )
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)
    np.testing.assert_allclose(found[2], found[3], atol=1e-12)
    for y in ([0, 1, 1, 0], [0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0]):
        v = gc.variable(np.zeros(3))
        z = gc.constant(WITH_BIAS) @ v
        mean = nn.binary_cross_entropy(z, gc.constant(np.array(y, float)))
        trained = descend(mean, v, 800, 2.0)
        if y == [0, 1, 1, 0]:
            np.testing.assert_allclose(trained, 0, atol=1e-12)
        else:
            np.testing.assert_array_equal(WITH_BIAS @ trained > 0, np.array(y) == 1)


@row("MLP-09", "graphc/ops/exponential.py")
def test_mlp_09_logistic_with_signs():
    """softplus(-y z): the printed value, and the gradient of the 0/1 form."""
    feeds = symbols(z=np.array(2.0), y=np.array(-1.0))
    z, y = feeds
    signed = gc.softplus(-y * z)
    t = (y + 1) / 2
    value, a, b = both([signed, gc.grad(signed, z), gc.grad(gc.softplus(z) - t * z, z)], feeds)
    assert value == pytest.approx(2.126928011, abs=6e-10)
    assert a == pytest.approx(b, abs=1e-15)


@row("MLP-10", "graphc/nn/losses.py")
def test_mlp_10_feature_map():
    """Rings of radius 1 and 2: the feature x1^2 + x2^2 separates them, the coordinates cannot."""
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    points = np.concatenate([np.stack([np.cos(angles), np.sin(angles)], 1) * r for r in (1, 2)])
    y = gc.constant(np.repeat([0.0, 1.0], 12))
    errors = []
    for features in (np.sum(points**2, 1, keepdims=True), points):
        X = np.hstack([features, np.ones((24, 1))])
        w = gc.variable(np.zeros(X.shape[1]))
        trained = descend(nn.binary_cross_entropy(gc.constant(X) @ w, y), w, 1500, 0.5)
        errors.append(np.sum((X @ trained > 0) != np.repeat([False, True], 12)))
        if len(errors) == 1:
            assert 1 < -trained[1] / trained[0] < 4
    assert errors[0] == 0 and errors[1] > 4


@row("MLP-11", "graphc/nn/losses.py")
def test_mlp_11_softmax_regression():
    """Two classes equal logistic regression of the difference; X^T (A - Y); the Hessian's quadratic
    form is not negative.
    """
    X, labels = S(0, 5, 3), np.array([0, 1, 1, 0, 1])
    feeds = symbols(X=X, W=S(2, 3, 2))
    a, W = feeds
    loss = nn.cross_entropy(a @ W, gc.constant(labels), reduction="sum")
    onehot = gc.one_hot(gc.constant(labels), 2, dtype="float64")
    z = a @ (W[:, 1] - W[:, 0])
    binary = nn.binary_cross_entropy(z, gc.constant(labels.astype(float)), reduction="sum")
    values = both([loss, binary, gc.grad(loss, W), a.T @ (gc.softmax(a @ W) - onehot)], feeds)
    assert values[0] == pytest.approx(values[1], rel=1e-12)
    np.testing.assert_allclose(values[2], values[3], atol=1e-12)
    v = S(7, 3, 2)
    curvature = both(gc.sum(gc.hvp(loss, W, gc.constant(v)) * gc.constant(v)), feeds)
    p = np.exp(X @ S(2, 3, 2))
    p /= p.sum(1, keepdims=True)
    u = X @ v
    assert curvature == pytest.approx(np.sum((p * u**2).sum(1) - (p * u).sum(1) ** 2), rel=1e-10)
    check_gradients(loss, feeds)


@row("MLP-12", "graphc/nn/losses.py")
def test_mlp_12_canonical_links():
    """Prediction minus target is the slope for identity, logistic and softmax outputs."""
    feeds = symbols(z=np.array([0.3, -1.2, 2.0]), t=np.array([0.2, 0.5, 0.3]))
    z, t = feeds
    cases = [
        (0.5 * nn.mse(z, t, reduction="sum"), z - t),
        (nn.binary_cross_entropy(z, t, reduction="sum"), gc.sigmoid(z) - t),
        (nn.cross_entropy(z, t), gc.softmax(z) - t),
    ]
    for loss, expected in cases:
        slope, wanted = both([gc.grad(loss, z), expected], feeds)
        np.testing.assert_allclose(slope, wanted, atol=1e-14)


@row("MLP-13", "graphc/ops/exponential.py")
def test_mlp_13_gumbel_likelihood():
    """The printed likelihood and its slopes in location and scale."""
    feeds = symbols(x=np.array([0.5, 1, 2]), mu=np.array(0.3), beta=np.array(1.5))
    x, mu, beta = feeds
    u = (x - mu) / beta
    nll = gc.sum(gc.log(beta) + u + gc.exp(-u))
    found = both([nll, *gc.grad(nll, [mu, beta])], feeds)
    np.testing.assert_allclose(found, [4.773949334, -0.783852883, 1.360589371], atol=6e-10)
    check_gradients(nll, feeds)


@row("MLP-14", "graphc/nn/margins.py")
def test_mlp_14_linear_svm():
    """Two points at distance 2d are separated with margin d as the penalty vanishes."""
    d = 1.5
    X, y = np.array([[d, 1.0], [-d, 1.0]]), np.array([1.0, -1.0])
    w = gc.variable(np.zeros(1))
    scores = gc.constant(X[:, :1]) @ w
    loss = 0.05 * gc.sum(w * w) + nn.hinge(scores, gc.constant(y))
    step = gc.compile(
        [rate := gc.placeholder("rate", (), "float64")],
        None,
        updates={w: w - rate * gc.grad(loss, w)},
    )
    for k in range(4000):
        step(1.0 / (10 + k))
    assert 1 / np.linalg.norm(w.value) == pytest.approx(d, rel=0.02)


@row("MLP-15", "tests/systems/test_mlp_linear.py")
def test_mlp_15_pocket_and_tiling():
    """On XOR the pocket keeps weights with one error; units tiled around them leave none."""
    y = np.array([-1.0, 1, 1, -1])
    scores = gc.compile([w := gc.placeholder("w", (3,), "float64")], gc.constant(WITH_BIAS) @ w)

    def pocket(X, score, labels, order):
        weights, best = np.zeros(X.shape[1]), (len(labels) + 1, None)
        for k in order:
            signs = np.where(score(weights) >= 0, 1, -1)
            errors = int(np.sum(signs != labels))
            best = min(best, (errors, tuple(weights)))
            if signs[k] != labels[k]:
                weights = weights + labels[k] * X[k]
        return best

    order = np.random.default_rng(0).integers(0, 4, 60)
    errors, first = pocket(WITH_BIAS, scores, y, order)
    assert errors == 1
    master = np.where(scores(np.array(first)) >= 0, 1.0, -1.0)
    layer = [master]
    for side in (1.0, -1.0):
        members = master == side
        if len(set(y[members])) > 1:
            target = np.where(members, y, 1.0)
            local = gc.compile([w], gc.constant(WITH_BIAS[members]) @ w)
            _, unit = pocket(
                WITH_BIAS[members], local, target[members], np.tile(np.arange(members.sum()), 20)
            )
            layer.append(np.where(scores(np.array(unit)) >= 0, 1.0, -1.0))
    hidden = np.column_stack([*layer, np.ones(4)])
    final = gc.compile(
        [v := gc.placeholder("v", (hidden.shape[1],), "float64")], gc.constant(hidden) @ v
    )
    assert pocket(hidden, final, y, np.tile(np.arange(4), 40))[0] == 0


@row("MLP-16", "graphc/ops/indexing/gather.py")
def test_mlp_16_constant_memory_and_pixel():
    """The mean minimises squared error; a table of the pairs has no training error; a threshold on
    one pixel.
    """
    X, y = np.array([[0.1, 0.9], [0.8, 0.2], [0.7, 0.6]]), np.array([1.0, 3.0, 8.0])
    feeds = symbols(X=X, y=y, q=X[[2, 0]])
    a, t, q = feeds
    c = gc.mean(t)
    distances = gc.sum((gc.expand_dims(q, 1) - a) ** 2, axis=2)
    values = both(
        [gc.grad(gc.sum((t - c) ** 2), c), gc.take(t, gc.argmin(distances, axis=1)), a[:, 1] > 0.5],
        feeds,
    )
    assert abs(values[0]) < 1e-12
    np.testing.assert_array_equal(values[1], y[[2, 0]])
    np.testing.assert_array_equal(values[2], [True, False, True])


@row("MLP-17", "graphc/ops/sorting/topk.py")
def test_mlp_17_nearest_neighbours():
    """Labels by majority of the k nearest through products and topk; k = 1 has no training error;
    equals brute force.
    """
    rng = np.random.default_rng(0)
    X, y, Q = rng.standard_normal((12, 3)), rng.integers(0, 2, 12), rng.standard_normal((5, 3))
    feeds = symbols(X=X, y=y, Q=Q)
    a, t, q = feeds

    def vote(points, k):
        distances = gc.sum(a * a, axis=1) - 2 * points @ a.T
        _, nearest = gc.topk(distances, k, largest=False)
        return gc.astype(2 * gc.sum(gc.take(t, nearest), axis=1) > k, "int64")

    own, found = both([vote(a, 1), vote(q, 3)], feeds)
    np.testing.assert_array_equal(own, y)
    order = np.argsort(((Q[:, None] - X) ** 2).sum(2), axis=1)[:, :3]
    np.testing.assert_array_equal(found, (y[order].sum(1) >= 2).astype(int))


@row("MLP-18", "tests/systems/test_mlp_linear.py")
def test_mlp_18_stumps_and_boosting():
    """A weak learner of error .25 weighs .549 and shrinks the exponential loss by .866; boosting
    stumps obeys that bound.
    """
    e = gc.placeholder("e", (), "float64")
    alpha, factor = gc.compile([e], [0.5 * gc.log((1 - e) / e), 2 * gc.sqrt(e * (1 - e))])(0.25)
    assert (alpha, factor) == (
        pytest.approx(0.549306144, abs=6e-10),
        pytest.approx(0.866025404, abs=6e-10),
    )
    x, y = np.arange(10.0), np.array([1, 1, 1, -1, -1, -1, 1, 1, 1, -1.0])
    weights, labels, h = (gc.placeholder(n, (10,), "float64") for n in ("d", "y", "h"))
    error = gc.sum(gc.where(h != labels, weights, 0.0))
    a = 0.5 * gc.log((1 - error) / error)
    new = weights * gc.exp(-a * labels * h)
    round_ = gc.compile([weights, labels, h], [error, a, new / gc.sum(new)])
    d, score, bound = np.full(10, 0.1), np.zeros(10), 1.0
    stumps = [s * np.where(x < c, 1.0, -1.0) for c in np.arange(-0.5, 10) for s in (1, -1)]
    for _ in range(3):
        best = min(stumps, key=lambda s: d[s != y].sum())
        err, a_t, d = round_(d, y, best)
        score += a_t * best
        bound *= 2 * np.sqrt(err * (1 - err))
        assert np.mean(np.exp(-y * score)) == pytest.approx(bound, rel=1e-10)
    assert np.all(np.sign(score) == y)
