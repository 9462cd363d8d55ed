"""Kernels and feature maps (catalogue 1, B)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.linalg import eigvalsh, pinv
from tests.systems.catalogue import S, both, check_gradients, row, symbols


def squares(a, b):
    """Squared distances between rows."""
    return gc.sum(a * a, axis=1, keepdims=True) - 2 * a @ b.T + gc.sum(b * b, axis=1)


def rbf(a, b, s=1.0):
    return gc.exp(-squares(a, b) / (2 * s * s))


@row("MLP-19", "graphc/ops/joining.py")
def test_mlp_19_quadratic_feature_map():
    """The six features' product is (1 + x.x')^2 = 3.0625 for the printed pair."""
    feeds = symbols(x=np.array([0.5, -1.0]), y=np.array([2.0, 0.25]))

    def phi(x):
        r = np.sqrt(2.0)
        a, b = x[0], x[1]
        return gc.stack([1 + 0 * a, r * a, r * b, r * a * b, a * a, b * b])

    x, y = feeds
    found = both([gc.sum(phi(x) * phi(y)), (1 + gc.sum(x * y)) ** 2], feeds)
    np.testing.assert_allclose(found, 3.0625, rtol=1e-12)
    check_gradients(gc.sum(phi(x) * phi(y)), feeds)


@row("MLP-20", "graphc/linalg.py")
def test_mlp_20_mercer_kernels():
    """The printed Gaussian value; Gram matrices without negative eigenvalues; 286 monomials."""
    pair = symbols(x=np.array([[0.5, -1.0]]), y=np.array([[2.0, 0.25]]))
    assert both(rbf(*pair), pair).item() == pytest.approx(0.148636731, abs=6e-10)
    feeds = symbols(X=S(0, 8, 3))
    (X,) = feeds
    distance = gc.sqrt(gc.maximum(squares(X, X), 0))
    grams = [(X @ X.T + 1) ** 3, rbf(X, X), gc.exp(-0.7 * distance)]
    for smallest in both([eigvalsh(g)[0] for g in grams], feeds):
        assert smallest >= -1e-10
    box = both(gc.astype(distance <= 1.0, "float64"), feeds)
    np.testing.assert_array_equal(np.diag(box), 1)
    count = sum(1 for i in range(11) for j in range(11 - i) for _ in range(11 - i - j))
    assert count == 286


@row("MLP-21", "graphc/control.py")
def test_mlp_21_string_kernel():
    """Edit distance by dynamic programming over two nested scans: 3 for kitten and sitting; k =
    e^-d.
    """
    a, b = (np.frombuffer(w, np.uint8).astype(np.int64) for w in (b"kitten", b"sitting"))
    feeds = symbols(a=a, b=b)
    s, t = feeds

    def line(above, letter):
        def cell(left, column):
            up, corner, other = column
            change = corner + gc.astype(other != letter, "int64")
            best = gc.minimum(gc.minimum(left, up) + 1, change)
            return best, best

        first = above[0] + 1
        _, rest = gc.scan(cell, first, (above[1:], above[:-1], t))
        return gc.concat([gc.reshape(first, (1,)), rest]), None

    last, _ = gc.scan(line, gc.arange(len(b) + 1), s)
    d = last[-1]
    assert both([d, gc.exp(-gc.astype(d, "float64"))], feeds) == [3, pytest.approx(np.exp(-3.0))]


@row("MLP-22", "graphc/ops/convolutions/convolving.py")
def test_mlp_22_gabor_bank():
    """Filters of four angles as fixed weights: a grating answers most to the filter of its own
    angle.
    """
    y, x = np.mgrid[-7:8, -7:8]
    angles = np.arange(4) * np.pi / 4

    def gabor(theta):
        u, v = x * np.cos(theta) + y * np.sin(theta), -x * np.sin(theta) + y * np.cos(theta)
        return np.exp(-(u**2 + v**2) / (2 * 3.0**2)) * np.cos(2 * np.pi * u / 5)

    bank = np.stack([gabor(a) for a in angles])[:, None]
    gratings = np.stack([np.cos(2 * np.pi * (x * np.cos(a) + y * np.sin(a)) / 5) for a in angles])
    feeds = symbols(images=gratings[:, None])
    (images,) = feeds
    answers = both(gc.sum(nn.conv(images, gc.constant(bank)) ** 2, axis=(2, 3)), feeds)
    np.testing.assert_array_equal(answers.argmax(1), np.arange(4))


@row("MLP-23", "graphc/control.py")
def test_mlp_23_kernel_perceptron():
    """The same mistakes as a perceptron on the quadratic features."""
    X = S(0, 10, 2)
    y = np.where((1 + X[:, 0] * X[:, 1]) ** 2 + X[:, 0] > 1.2, 1.0, -1.0)
    r = np.sqrt(2.0)
    P = np.column_stack([np.ones(10), r * X, r * X[:, 0] * X[:, 1], X**2])
    feeds = symbols(G=(1 + X @ X.T) ** 2, P=P, y=y)
    G, F, t = feeds

    def epochs(score, learn, start):
        def visit(state, i):
            wrong = gc.where(score(state, i) >= 0, 1.0, -1.0) != t[i]
            return gc.where(wrong, learn(state, i), state), wrong

        return gc.scan(visit, start, gc.tile(gc.arange(10), 5))[1]

    one = epochs(
        lambda a, i: gc.sum(G[i] * a * t),
        lambda a, i: a.at[i].add(1.0),
        gc.zeros(10, dtype="float64"),
    )
    two = epochs(
        lambda w, i: gc.sum(F[i] * w), lambda w, i: w + t[i] * F[i], gc.zeros(6, dtype="float64")
    )
    a, b = both([one, two], feeds)
    np.testing.assert_array_equal(a, b)
    assert a.any()


@row("MLP-24", "graphc/nn/losses.py")
def test_mlp_24_kernel_logistic_regression():
    """With the linear kernel its scores are those of ridge logistic regression."""
    X, y = S(0, 6, 2), np.array([0.0, 1, 1, 0, 1, 0])
    lam, t = 0.3, gc.constant(y)
    G = gc.constant(X @ X.T)
    alpha, w = gc.variable(np.zeros(6)), gc.variable(np.zeros(2))
    a = nn.binary_cross_entropy(G @ alpha, t, reduction="sum") + lam / 2 * gc.sum(
        alpha * (G @ alpha)
    )
    b = nn.binary_cross_entropy(gc.constant(X) @ w, t, reduction="sum") + lam / 2 * gc.sum(w * w)
    step = gc.compile(
        [], [a, b], updates={alpha: alpha - 0.1 * gc.grad(a, alpha), w: w - 0.1 * gc.grad(b, w)}
    )
    for _ in range(2000):
        values = step()
    np.testing.assert_allclose(X @ X.T @ alpha.value, X @ w.value, atol=1e-5)
    assert values[0] == pytest.approx(values[1], abs=1e-8)


@row("MLP-25", "graphc/random.py")
def test_mlp_25_random_fourier_features():
    """The error of the features' products falls as the square root of their number."""
    X = np.random.default_rng(0).standard_normal((20, 3)) * 0.7
    feeds = symbols(X=X)
    (s,) = feeds
    exact = np.exp(-((X[:, None] - X) ** 2).sum(2) / 2)
    errors = []
    for count in (100, 10_000):
        key, other = (gc.random.key(k) for k in (1, 2))
        omega = gc.random.normal(key, (3, count), dtype="float64")
        u = 2 * np.pi * gc.random.uniform(other, (count,), dtype="float64")
        phi = np.sqrt(2 / count) * gc.cos(s @ omega + u)
        gram = gc.compile([s], phi @ phi.T)(X)
        errors.append(np.sqrt(np.mean((gram - exact) ** 2)))
    assert errors[0] < 0.2 and errors[1] < 0.02
    assert 4 < errors[0] / errors[1] < 25


@row("MLP-26", "graphc/linalg.py")
def test_mlp_26_nystrom():
    """The printed error with three landmarks of a Gaussian kernel; exact for a linear one."""
    feeds = symbols(X=S(0, 6, 2))
    (X,) = feeds

    def error(gram):
        c, w = gram[:, :3], gram[:3, :3]
        return gc.sqrt(gc.sum((gram - c @ pinv(w) @ c.T) ** 2))

    found = both([error(rbf(X, X)), error(X @ X.T)], feeds)
    assert found[0] == pytest.approx(0.133265720, abs=6e-10)
    assert found[1] < 1e-10


@row("MLP-27", "graphc/nn/margins.py")
def test_mlp_27_two_layer_hinge():
    """Training the last layer alone is convex: two starts end alike; training both goes lower."""
    X, y = S(0, 12, 3), np.where(S(4, 12) > 0, 1.0, -1.0)
    rng = np.random.default_rng(0)
    first = rng.standard_normal((3, 8))
    ends = []
    for scale, train_all in ((0.0, False), (2.0, False), (0.0, True)):
        s = gc.variable(first)
        v = gc.variable(scale * rng.standard_normal(8))
        scores = gc.sigmoid(gc.constant(X) @ s) @ v
        loss = nn.hinge(scores, gc.constant(y)) + 0.01 * gc.sum(v * v)
        rate = gc.placeholder("rate", (), "float64")
        updates = {v: v - rate * gc.grad(loss, v)}
        if train_all:
            updates[s] = s - rate * gc.grad(loss, s)
        step = gc.compile([rate], loss, updates=updates)
        seen = [step(3.0 / (1 + k / 100)) for k in range(6000)]
        ends.append(min(seen))
    assert ends[0] == pytest.approx(ends[1], abs=2e-3)
    assert ends[2] < ends[0]
