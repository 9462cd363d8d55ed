"""Losses and metrics (catalogue 1, F)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.systems.catalogue import both, check_gradients, row, symbols


def value(loss, feeds):
    """The loss on the CPU, agreeing with the reference, its gradient held against differences."""
    check_gradients(loss, feeds)
    return float(both(loss, feeds))


def minimiser(loss, start, steps=3000, lr=0.02):
    """Where sub-gradient descent with a falling step ends, averaged over the last half."""
    c = gc.variable(np.asarray(start, dtype=np.float64))
    rate = gc.placeholder("rate", (), "float64")
    f = loss(c)
    step = gc.compile([rate], f, updates={c: c - rate * gc.grad(f, c)})
    seen = []
    for k in range(steps):
        step(lr * 30 / (30 + k))
        seen.append(c.value)
    return np.mean(seen[steps // 2 :], axis=0)


@row("MLP-68", "graphc/nn/losses.py")
def test_mlp_68_squared_error():
    """Mean and sum differ by the number of elements, in value and gradient; the best constant is
    the mean.
    """
    feeds = symbols(x=np.array([1.0, 2.5, -0.5]), t=np.array([0.0, 1.0, 2.0]))
    x, t = feeds
    mean, total = nn.mse(x, t), nn.mse(x, t, reduction="sum")
    assert value(total, feeds) == pytest.approx(3 * value(mean, feeds))
    a, b = both([gc.grad(mean, x), gc.grad(total, x)], feeds)
    np.testing.assert_allclose(3 * a, b)
    data = gc.constant(np.array([1.0, 4.0, 7.0, 0.0]))
    assert minimiser(lambda c: nn.mse(c + 0 * data, data), 0.0, lr=0.3) == pytest.approx(
        3.0, abs=1e-6
    )


@row("MLP-69", "graphc/nn/losses.py")
def test_mlp_69_absolute_error():
    """The median minimises it; the gradient is the sign, 0 at 0."""
    data = gc.constant(np.array([1.0, 2.0, 10.0]))
    assert minimiser(lambda c: nn.mae(c + 0 * data, data), 0.0, lr=1.0) == pytest.approx(
        2.0, abs=0.02
    )
    feeds = symbols(x=np.array([3.0, 1.0, -2.0]))
    (x,) = feeds
    slope = both(gc.grad(nn.mae(x, gc.ones_like(x), reduction="sum"), x), feeds)
    np.testing.assert_array_equal(slope, [1, 0, -1])


@row("MLP-70", "graphc/nn/losses.py")
def test_mlp_70_huber():
    """Printed values on both sides; value and slope continuous where they meet."""
    for r, printed in ((0.5, 0.125), (2.0, 1.5)):
        feeds = symbols(x=np.array(r), t=np.array(0.0))
        assert value(nn.huber(*feeds), feeds) == pytest.approx(printed, abs=1e-12)
    feeds = symbols(x=np.array([1 - 1e-9, 1 + 1e-9]))
    (x,) = feeds
    slopes = both(gc.grad(nn.huber(x, gc.zeros_like(x), reduction="sum"), x), feeds)
    assert abs(slopes[0] - slopes[1]) < 1e-8


@row("MLP-71", "graphc/nn/losses.py")
def test_mlp_71_pinball():
    """Constants fitted to 1..5 for three levels at once are the quantiles 2, 3, 4."""
    data = gc.constant(np.arange(1.0, 6))
    levels = gc.constant(np.array([0.25, 0.5, 0.75]))

    def loss(c):
        return nn.pinball(gc.expand_dims(c, 1), data, gc.expand_dims(levels, 1), reduction="sum")

    np.testing.assert_allclose(minimiser(loss, np.zeros(3), lr=0.1), [2, 3, 4], atol=0.1)
    feeds = symbols(f=np.array([0.3, 2.0]), y=np.array([1.0, 1.5]))
    f, y = feeds
    assert value(nn.pinball(f, y, 0.9, reduction="sum"), feeds) == pytest.approx(
        0.9 * 0.7 + 0.1 * 0.5
    )


@row("MLP-72", "graphc/linalg.py")
def test_mlp_72_log_transform():
    """y = c x^k is an exact line in logarithms; a target of 0 shows as an infinite loss."""
    x = np.array([0.5, 1.0, 2.0, 4.0])
    feeds = symbols(x=x, y=3.0 * x**1.7)
    a = gc.stack([gc.ones_like(next(iter(feeds))), gc.log(next(iter(feeds)))], axis=1)
    found = both(gc.linalg.lstsq(a, gc.log(list(feeds)[1])), feeds)
    np.testing.assert_allclose(found, [np.log(3.0), 1.7], rtol=1e-10)
    bad = symbols(y=np.array([1.0, 0.0]))
    assert np.isinf(both(gc.sum(gc.log(next(iter(bad))) ** 2), bad))


@row("MLP-73", "graphc/nn/losses.py")
def test_mlp_73_binary_cross_entropy():
    """The three printed values from logits; the gradient is sigmoid minus label."""
    for z, y, printed in ((100.0, 0.0, 100.0), (2.0, 1.0, 0.126928011), (-3.0, 1.0, 3.048587352)):
        feeds = symbols(z=np.array(z), y=np.array(y))
        s, t = feeds
        loss = nn.binary_cross_entropy(s, t)
        assert value(loss, feeds) == pytest.approx(printed, abs=6e-10)
        slope, expected = both([gc.grad(loss, s), gc.sigmoid(s) - t], feeds)
        assert slope == pytest.approx(expected, abs=1e-14)


@row("MLP-74", "graphc/nn/losses.py")
def test_mlp_74_multi_label():
    """The sum of binary losses of each label; no label's logit changes another's term."""
    z, y = np.array([2.0, -3.0, 0.5]), np.array([1.0, 1.0, 0.0])
    feeds = symbols(z=z, y=y)
    total = value(nn.binary_cross_entropy(*feeds, reduction="sum"), feeds)
    assert total == pytest.approx(0.126928011 + 3.048587352 + np.log1p(np.exp(0.5)), abs=2e-9)
    jacobian = both(
        gc.jacobian(nn.binary_cross_entropy(*feeds, reduction="none"), next(iter(feeds))), feeds
    )
    np.testing.assert_array_equal(jacobian, np.diag(np.diag(jacobian)))


@row("MLP-75", "graphc/nn/losses.py")
def test_mlp_75_categorical_cross_entropy():
    """The printed value at temperature 2, from an integer and from a one-hot label; delta = (p - y)
    / T.
    """
    feeds = symbols(z=np.array([2.0, 0.0, -1.0]))
    (z,) = feeds
    for label in (gc.constant(0), gc.constant(np.array([1.0, 0, 0]))):
        loss = nn.cross_entropy(z / 2, label)
        assert value(loss, feeds) == pytest.approx(0.464368784, abs=6e-10)
        slope, p = both([gc.grad(loss, z), gc.softmax(z / 2)], feeds)
        np.testing.assert_allclose(slope, (p - np.array([1, 0, 0])) / 2, atol=1e-15)
    sure = symbols(z=np.array([0.0, 1e4, 0.0]))
    assert both(nn.cross_entropy(next(iter(sure)), gc.constant(0)), sure) == 1e4


@row("MLP-76", "graphc/nn/losses.py")
def test_mlp_76_label_smoothing():
    """eps = .3 spread over all three labels gives (.1, .8, .1); the optimum's logit gap for the
    other form.
    """
    eye = np.eye(3)[1]
    np.testing.assert_allclose((1 - 0.3) * eye + 0.3 / 3, [0.1, 0.8, 0.1])
    feeds = symbols(z=np.array([0.3, -0.2, 1.1]))
    (z,) = feeds
    smooth = nn.cross_entropy(z, gc.constant(1), label_smoothing=0.3)
    plain = nn.cross_entropy(z, gc.constant(np.array([0.1, 0.8, 0.1])))
    assert value(smooth, feeds) == pytest.approx(value(plain, feeds), abs=1e-14)
    k, eps = 5, 0.1
    gap = np.log((k - 1) * (1 - eps) / eps)
    assert gap == pytest.approx(3.583518938, abs=6e-10)
    best = symbols(z=np.array([gap, 0, 0, 0, 0]))
    (s,) = best
    target = gc.constant(np.array([1 - eps, *[eps / (k - 1)] * (k - 1)]))
    np.testing.assert_allclose(both(gc.grad(nn.cross_entropy(s, target), s), best), 0, atol=1e-9)


@row("MLP-77", "graphc/nn/losses.py")
def test_mlp_77_hinge_and_exponential():
    """Printed values at a margin of .5; at the kink the sub-gradient lies between the sides."""
    feeds = symbols(s=np.array(0.5))
    (s,) = feeds
    y = gc.constant(np.array(1.0))
    values = [
        value(f, feeds) for f in (nn.hinge(s, y, 0.0), nn.hinge(s, y), nn.exponential_loss(s, y))
    ]
    np.testing.assert_allclose(values, [0, 0.5, 0.6065306597], atol=6e-11)
    kink = symbols(s=np.array(1.0))
    (s,) = kink
    assert -1 <= float(both(gc.grad(nn.hinge(s, y), s), kink)) <= 0


@row("MLP-78", "graphc/nn/metrics.py")
def test_mlp_78_metrics():
    """Error and top-k accuracy by counting; a uniform guess has perplexity V; e^3.55 = 34.81."""
    feeds = symbols(
        z=np.array([[0.1, 0.9, 0.3], [2.0, 1.0, 0.0], [0.0, 1.0, 2.0]]), y=np.array([1, 1, 0])
    )
    z, y = feeds
    accuracy, top2 = both([nn.accuracy(z, y), nn.top_k_accuracy(z, y, 2)], feeds)
    assert accuracy == pytest.approx(1 / 3)
    assert top2 == pytest.approx(2 / 3)
    flat = symbols(z=np.zeros((4, 7)))
    loss = nn.cross_entropy(next(iter(flat)), gc.constant(np.zeros(4, int)))
    ce, perplexity = both([loss, nn.perplexity(loss)], flat)
    assert ce == pytest.approx(np.log(7))
    assert perplexity == pytest.approx(7)
    assert np.exp(3.55) == pytest.approx(34.81, abs=0.005)


@row("MLP-79", "graphc/nn/divergences.py")
def test_mlp_79_divergences():
    """Printed KL both ways, entropy and cross-entropy; 0 log 0 counts as 0; CE = H + KL; Jensen-
    Shannon symmetric.
    """
    feeds = symbols(p=np.array([0.5, 0.3, 0.2]), q=np.array([0.1, 0.6, 0.3]))
    p, q = feeds
    found = both([nn.kl_divergence(p, q), nn.kl_divergence(q, p), nn.entropy(p)], feeds)
    np.testing.assert_allclose(found, [0.515681780, 0.376584050, 1.029653014], atol=6e-10)
    assert sum(found[::2]) == pytest.approx(1.545334794, abs=2e-9)
    a, b = both([nn.jensen_shannon(p, q), nn.jensen_shannon(q, p)], feeds)
    assert a == pytest.approx(b) and 0 < a < np.log(2)
    hard = symbols(p=np.array([1.0, 0.0]), q=np.array([0.5, 0.5]))
    assert both(nn.kl_divergence(*hard), hard) == pytest.approx(np.log(2))
    check_gradients(nn.kl_divergence(p, q) + nn.jensen_shannon(p, q), feeds)


@row("MLP-80", "graphc/nn/losses.py")
def test_mlp_80_gaussian_nll():
    """The best variance is the mean squared residual; with a fixed sigma it is the squared error,
    scaled and shifted.
    """
    r = np.array([0.5, -1.0, 2.0])
    feeds = symbols(mean=np.zeros(3), log_var=np.full(3, np.log(np.mean(r**2))))
    mean, log_var = feeds
    loss = nn.gaussian_nll(mean, gc.constant(r), log_var, reduction="sum")
    assert abs(both(gc.sum(gc.grad(loss, log_var)), feeds)) < 1e-12
    assert value(loss, feeds) == pytest.approx(1.5 * (np.log(2 * np.pi * np.mean(r**2)) + 1))
