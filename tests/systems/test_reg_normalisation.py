"""Normalisation (catalogue 8, F)."""

import numpy as np

import graphc as gc
from graphc import nn, optim
from tests.systems.catalogue import CS, S, both, check_gradients, row, run, symbols

WIDE = {"dtype": "float64"}
IMAGES = (2, 4, 3, 3)


def checksum(f, x):
    """CS of f at x, on all targets; its gradient is held against differences."""
    (symbol,) = feeds = symbols(x=x)
    y = f(symbol)
    weights = gc.constant(S(5, *x.shape))
    check_gradients(gc.sum(y * weights), feeds)
    return CS(both(y, feeds))


def affine(layer, scale, shift):
    """The layer with these scales and shifts."""
    layer.load_state_dict(layer.state_dict() | {"scale": scale, "shift": shift})
    return layer


@row("REG-48", "graphc/nn/normalisation.py")
def test_reg_48_batch_norm():
    """CS of values and of three gradients as printed, dense and for images; gradients by
    differences and by (γ/s)(g - mean g - x̂ mean(g x̂)); a bias before it has no gradient.
    """
    assert abs(checksum(nn.BatchNorm(4, **WIDE), S(0, *IMAGES)) - 0.865145856) < 1e-9
    (x, b) = feeds = symbols(x=S(0, 4, 3), b=S(9, 3))
    assert abs(CS(both(nn.BatchNorm(3, **WIDE)(x), feeds)) + 1.284422749) < 1e-9
    layer = affine(nn.BatchNorm(3, **WIDE), S(1, 3), S(2, 3))
    cosines = np.cos(np.arange(12)).reshape(4, 3)
    loss = gc.sum(layer(x) * gc.constant(cosines))
    grads = both(gc.grad(loss, [x, layer.scale, layer.shift]), feeds)
    printed = [4.398186706, -1.348761236, 0.065632506]
    np.testing.assert_allclose([CS(g) for g in grads], printed, atol=1e-9)
    check_gradients(loss, feeds)
    data = S(0, 4, 3)
    size = np.sqrt(data.var(0) + 1e-5)
    hat = (data - data.mean(0)) / size
    closed = S(1, 3) / size * (cosines - cosines.mean(0) - hat * (cosines * hat).mean(0))
    np.testing.assert_allclose(grads[0], closed, atol=1e-12)
    moved = gc.sum(layer(x + b) * gc.constant(cosines))
    np.testing.assert_allclose(run(gc.grad(moved, b), feeds), 0, atol=1e-12)


@row("REG-49", "graphc/nn/normalisation.py")
def test_reg_49_running_statistics():
    """Means and variances after two batches as printed; one update a step, none in eval; folded
    into the weights before it; identity for β=μ, γ=σ; without scale and shift.
    """
    layer = nn.BatchNorm(3, affine=False, **WIDE)
    x = gc.placeholder("x", ("batch", 3), gc.float64)
    step = gc.compile([x], layer(x), updates=nn.batch_updates(layer))
    for a in (0, 1):
        step(S(a, 4, 3))
    means, variances = [0.01110187, 0.00294029, -0.00792457], [0.86557063, 0.94807610, 0.90725786]
    np.testing.assert_allclose(run([layer.mean, layer.variance]), [means, variances], atol=1e-8)
    y = layer.eval()(x)
    before = layer.state_dict()
    both(y, {x: S(3, 5, 3)})
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    dense = nn.Dense(2, 3, seed=0, **WIDE)
    (z,) = feeds = symbols(z=S(4, 6, 2))
    factor, offset = layer.folded()
    folded = z @ (dense.weight * factor) + (dense.bias * factor + offset)
    np.testing.assert_allclose(*run([layer(dense(z)), folded], feeds), atol=1e-12)
    same = nn.BatchNorm(3, **WIDE).eval()
    scale = np.sqrt(before["variance"] + 1e-5)
    same.load_state_dict({**before, "scale": scale, "shift": before["mean"]})
    np.testing.assert_allclose(run(same(x), {x: S(6, 4, 3)}), S(6, 4, 3), atol=1e-12)


@row("REG-50", "graphc/nn/normalisation.py")
def test_reg_50_order_and_batches_of_one():
    """Before and after a nonlinearity give the user's orders; a batch of one gives β, a gradient of
    0 and finite statistics.
    """
    x = gc.placeholder("x", ("batch", 3), gc.float64)
    layer = affine(nn.BatchNorm(3, **WIDE), S(1, 3), S(2, 3))
    orders = [layer(gc.tanh(x)), gc.tanh(layer(x))]
    after, before = both(orders, {x: S(0, 4, 3)})
    hat = lambda v: (v - v.mean(0)) / np.sqrt(v.var(0) + 1e-5) * S(1, 3) + S(2, 3)  # noqa: E731
    np.testing.assert_allclose(after, hat(np.tanh(S(0, 4, 3))), atol=1e-12)
    np.testing.assert_allclose(before, np.tanh(hat(S(0, 4, 3))), atol=1e-12)
    y = layer(x)
    one = [y, gc.grad(gc.sum(y * y), x), *nn.batch_updates(layer).values()]
    value, slope, *statistics = both(one, {x: S(7, 1, 3)})
    np.testing.assert_array_equal(value, S(2, 3)[None])
    np.testing.assert_array_equal(slope, 0)
    assert np.isfinite(statistics).all()


@row("REG-51", "graphc/nn/normalisation.py")
def test_reg_51_layer_norm():
    """CS as printed over features and over C, H, W; gradients; the same in train and eval."""
    assert abs(checksum(nn.LayerNorm(5, **WIDE), S(0, 2, 5)) + 0.130264908) < 1e-9
    layer = nn.LayerNorm((4, 3, 3), **WIDE)
    assert abs(checksum(layer, S(0, *IMAGES)) - 0.223563724) < 1e-9
    (x,) = symbols(x=S(0, *IMAGES))
    assert layer(x) is layer.eval()(x)


@row("REG-52", "graphc/nn/normalisation.py")
def test_reg_52_instance_norm():
    """CS as printed; gradients; the contrast of one channel cancels."""
    layer = nn.InstanceNorm(4, **WIDE)
    assert abs(checksum(layer, S(0, *IMAGES)) - 0.011828327) < 1e-9
    (x,) = feeds = symbols(x=S(0, *IMAGES))
    layer.eps = 0.0
    scaled = layer(x * gc.constant(np.array([1, 7, 1, 1.0])[:, None, None]))
    np.testing.assert_allclose(*run([layer(x), scaled], feeds), atol=1e-12)


@row("REG-53", "graphc/nn/normalisation.py")
def test_reg_53_group_norm():
    """CS as printed for two groups; one group is layer norm, as many as channels instance norm; a
    sample does not depend on the others.
    """
    group = nn.GroupNorm(2, 4, **WIDE)
    assert abs(checksum(group, S(0, *IMAGES)) - 0.209842984) < 1e-9
    (x,) = feeds = symbols(x=S(0, *IMAGES))
    pairs = [
        (nn.GroupNorm(1, 4, **WIDE)(x), nn.LayerNorm((4, 3, 3), **WIDE)(x)),
        (nn.GroupNorm(4, 4, **WIDE)(x), nn.InstanceNorm(4, **WIDE)(x)),
        (group(x)[:1], group(x[:1])),
    ]
    for one, other in run(pairs, feeds):
        np.testing.assert_allclose(one, other, atol=1e-12)


@row("REG-54", "graphc/nn/normalisation.py")
def test_reg_54_weight_norm():
    """Gradients for v and g as printed; v·∇v = 0; a column each in a matrix; training."""
    (v, g) = feeds = symbols(v=S(1, 3), g=1.5)
    w = nn.weight_norm(v, g, axis=None)
    loss = gc.sum(w * gc.constant(S(2, 3)))
    dv, dg = both(gc.grad(loss, [v, g]), feeds)
    np.testing.assert_allclose(dv, [0.58169204, -0.38368009, -0.99629852], atol=1e-8)
    np.testing.assert_allclose([float(dg), dv @ S(1, 3)], [0.630888378, 0], atol=1e-9)
    check_gradients(loss, feeds)
    directions, lengths = gc.variable(S(1, 3, 2)), gc.variable(np.array([2.0, 0.5]))
    weights = nn.weight_norm(directions, lengths, axis=1)
    np.testing.assert_allclose(run(gc.norm(weights, axis=0)), [2, 0.5])
    error = nn.mse(gc.constant(S(0, 8, 3)) @ weights, gc.constant(S(3, 8, 2)))
    updates = optim.SGD(0.2).updates(error, [directions, lengths])
    step = gc.compile([], error, updates=updates)
    losses = [float(step()) for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]


@row("REG-55", "graphc/nn/normalisation.py")
def test_reg_55_whitening():
    """The covariance of the output is I; gradients through the decomposition by differences."""
    (x,) = feeds = symbols(x=S(0, 20, 3) ** 3)
    y = nn.whiten(x)
    value = both(y, feeds)
    np.testing.assert_allclose(value.T @ value / 20, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(value.mean(0), 0, atol=1e-12)
    check_gradients(gc.sum(y * gc.constant(S(2, 20, 3))), feeds)
