"""Activations (catalogue 1, E): values and slopes at 1 and -1, and what else each row says."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.systems.catalogue import both, check_gradients, row, symbols

POINTS = np.array([1.0, -1.0])


def at(f, points):
    """Values and slopes of an elementwise function at some points."""
    feeds = symbols(x=np.asarray(points, dtype=np.float64))
    (x,) = feeds
    y = f(x)
    values, slopes = both([y, gc.grad(gc.sum(y), x)], feeds)
    return [*values, *slopes]


def expect(f, printed, points=POINTS, atol=6e-11):
    """f has the printed values, then slopes; its gradient agrees with differences elsewhere too."""
    np.testing.assert_allclose(at(f, points), printed, atol=atol)
    feeds = symbols(x=np.linspace(-2.3, 2.9, 7))
    check_gradients(gc.sum(f(next(iter(feeds)))), feeds)


@row("MLP-54", "graphc/ops/comparison.py")
def test_mlp_54_step_sign_hard_max():
    """Step and sign as declared at 0; zero gradients, never NaN; ties of the hard max go to the
    first.
    """
    x = np.array([-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(
        at(lambda x: gc.where(x >= 0, 1.0, 0.0) + 0 * x, x), [0, 1, 1, 0, 0, 0]
    )
    np.testing.assert_array_equal(at(lambda x: gc.sign(x), x), [-1, 0, 1, 0, 0, 0])
    feeds = symbols(x=np.array([[1.0, 4.0, 4.0]]))
    hard = gc.one_hot(gc.argmax(next(iter(feeds)), axis=1), 3, dtype="float64")
    np.testing.assert_array_equal(both(hard, feeds), [[0, 1, 0]])


@row("MLP-55", "graphc/passes/rules")
def test_mlp_55_identity():
    """Value and slope exact; the compiled graph computes nothing."""
    assert at(lambda x: x + 0 * 1.0, POINTS) == [1, -1, 1, 1]
    x = gc.placeholder("x", (3,), "int64")
    (kernel,) = gc.compile([x], (x + 0) * 1).kernels
    assert kernel.ops == ("copy",)


@row("MLP-56", "graphc/ops/exponential.py")
def test_mlp_56_logistic_sigmoid():
    """Printed values and slopes; finite for arguments of 1e4; the slope is largest at 0."""
    expect(gc.sigmoid, [0.7310585786, 0.2689414214, 0.1966119332, 0.1966119332])
    np.testing.assert_allclose(
        at(gc.sigmoid, [0.0, 3.0, 1e4, -1e4]), [0.5, 0.9525741268, 1, 0, 0.25, 0.0451766597, 0, 0]
    )


@row("MLP-57", "graphc/ops/trigonometric.py")
def test_mlp_57_tanh():
    """Printed values and slopes; slope 1 at 0."""
    expect(gc.tanh, [0.7615941560, -0.7615941560, 0.4199743416, 0.4199743416])
    assert at(gc.tanh, [0.0]) == [0, 1]


@row("MLP-58", "graphc/ops/activations.py")
def test_mlp_58_relu():
    """Values and slopes on both sides; the slope at 0 is 0 or 1, never NaN."""
    assert at(gc.relu, POINTS) == [1, 0, 1, 0]
    assert at(gc.relu, [0.0])[1] in (0, 1)


@row("MLP-59", "graphc/ops/activations.py")
def test_mlp_59_leaky_and_parametric_relu():
    """Slope .01 below 0; a learnt slope gets the sum of x below 0 times what comes from above;
    slope 1 is the identity.
    """
    expect(gc.leaky_relu, [1, -0.01, 1, 0.01])
    feeds = symbols(x=np.array([1.0, -2.0, -3.0]), c=np.array(0.3), up=np.array([5.0, 7.0, 11.0]))
    x, c, up = feeds
    y = gc.where(x > 0, x, c * x)
    assert float(both(gc.grad(gc.sum(up * y), c), feeds)) == -2 * 7 - 3 * 11
    assert at(lambda x: gc.leaky_relu(x, 1.0), POINTS) == [1, -1, 1, 1]


@row("MLP-60", "graphc/ops/activations.py")
def test_mlp_60_elu_and_selu():
    """Printed values, slopes and the limit far below 0."""
    np.testing.assert_allclose(at(gc.elu, POINTS)[:2], [1, -0.6321205588], atol=6e-11)
    expect(nn.selu, [1.0507009874, -1.1113307378, 1.0507009874, 0.6467686030])
    assert at(nn.selu, [-1e3])[0] == pytest.approx(-1.7580993408, abs=6e-11)


@row("MLP-61", "graphc/ops/activations.py")
def test_mlp_61_gelu():
    """Printed values and slopes of the erf form, values of the tanh form."""
    expect(gc.gelu, [0.8413447461, -0.1586552539, 1.0833154706, -0.0833154706])
    values = at(lambda x: gc.gelu(x, approximate=True), POINTS)[:2]
    np.testing.assert_allclose(values, [0.8411919906, -0.1588080094], atol=6e-11)


@row("MLP-62", "graphc/nn/activations.py")
def test_mlp_62_swish():
    """Printed values and slopes; the slope in beta; a large beta gives ReLU."""
    expect(gc.silu, [0.7310585786, -0.2689414214, 0.9276705119, 0.0723294881])
    feeds = symbols(x=np.array(1.0), beta=np.array(1.0))
    x, beta = feeds
    assert float(both(gc.grad(nn.swish(x, beta), beta), feeds)) == pytest.approx(
        0.1966119332, abs=6e-11
    )
    np.testing.assert_allclose(at(lambda x: nn.swish(x, 1e6), POINTS)[:2], [1, 0], atol=1e-12)


@row("MLP-63", "graphc/ops/exponential.py")
def test_mlp_63_softplus_and_log_sigmoid():
    """Printed values; the derivative is the sigmoid; linear at 1e4; log sigmoid is minus softplus
    of minus x.
    """
    expect(gc.softplus, [1.3132616875, 0.3132616875, 0.7310585786, 0.2689414214])
    assert at(gc.softplus, [1e4])[0] == 1e4
    np.testing.assert_allclose(
        at(gc.log_sigmoid, POINTS)[:2], [-0.3132616875, -1.3132616875], atol=6e-11
    )


@row("MLP-64", "graphc/ops/statistics.py")
def test_mlp_64_softmax():
    """Printed probabilities and log-sum-exp of large numbers; the Jacobian; cold and hot limits."""
    feeds = symbols(x=np.array([1000.0, 1001, 1002]))
    (x,) = feeds
    p, total, jacobian = both(
        [gc.softmax(x), gc.logsumexp(x), gc.jacobian(gc.softmax(x), x)], feeds
    )
    np.testing.assert_allclose(p, [0.0900305732, 0.2447284711, 0.6652409558], atol=6e-11)
    assert float(total) == pytest.approx(1002.4076059645, abs=6e-11)
    np.testing.assert_allclose(jacobian, np.diag(p) - np.outer(p, p), atol=1e-14)
    cold, hot = both([gc.softmax(x / 1e-3), gc.softmax(x / 1e9)], feeds)
    np.testing.assert_allclose(cold, [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(hot, np.full(3, 1 / 3), atol=1e-8)


@row("MLP-65", "graphc/nn/activations.py")
def test_mlp_65_soft_threshold():
    """The printed pair; gradients by differences off the kinks."""
    values = at(lambda a: nn.soft_threshold(a, 0.1), [0.5, -0.05])[:2]
    np.testing.assert_allclose(values, [0.4, 0], atol=1e-15)
    feeds = symbols(a=np.array([0.5, -0.35, 0.03]))
    check_gradients(gc.sum(nn.soft_threshold(next(iter(feeds)), 0.1) ** 2), feeds)


@row("MLP-66", "graphc/ops")
def test_mlp_66_elementwise_nodes():
    """Square, sin, cos, exp, log, erf, erfc, lgamma against SciPy, gradients by differences;
    sign(sin wx) shatters points.
    """
    import scipy.special as special

    x = np.array([0.4, 1.3, 2.7])
    pairs = [
        (gc.square, np.square),
        (gc.sin, np.sin),
        (gc.cos, np.cos),
        (gc.exp, np.exp),
        (gc.log, np.log),
        (gc.erf, special.erf),
        (gc.erfc, special.erfc),
        (gc.lgamma, special.gammaln),
    ]
    feeds = symbols(x=x)
    (s,) = feeds
    for value, (_, expected) in zip(both([f(s) for f, _ in pairs], feeds), pairs, strict=True):
        np.testing.assert_allclose(value, expected(x), rtol=1e-13)
    check_gradients(gc.sum(sum((f(s) for f, _ in pairs[1:]), pairs[0][0](s))), feeds)
    points, labels = 2.0 ** -np.arange(1, 6), np.array([1, -1, -1, 1, -1])
    w = np.pi * (1 + np.sum((1 - labels) / 2 / points))
    signs = both(gc.sign(gc.sin(w * gc.constant(points))))
    np.testing.assert_array_equal(signs, labels)


@row("MLP-67", "graphc/nn/losses.py")
def test_mlp_67_output_units():
    """Each output unit with its loss, from logits: finite at logits of 1e3, and the slope is
    prediction minus target.
    """
    feeds = symbols(z=np.array([1e3, -1e3, 0.3]), t=np.array([0.0, 1.0, 1.0]))
    z, t = feeds
    pairs = [
        (nn.binary_cross_entropy(z, t, reduction="sum"), gc.sigmoid(z) - t),
        (0.5 * nn.mse(z, t, reduction="sum"), z - t),
        (nn.cross_entropy(z, gc.constant(2)), gc.softmax(z) - gc.constant([0.0, 0, 1], "float64")),
    ]
    for loss, slope in pairs:
        value, found, expected = both([loss, gc.grad(loss, z), slope], feeds)
        assert np.isfinite(value)
        np.testing.assert_allclose(found, expected, atol=1e-12)
