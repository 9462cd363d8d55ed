"""Layers for images: sizes of parameters, values, running statistics, training."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.ir.errors import ShapeError
from tests.support.run import evaluate


def count(layer):
    return sum(int(np.prod(x.shape)) for x in layer.parameters())


def image(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def applied(layer, array):
    x = gc.placeholder("x", array.shape)
    return evaluate([layer(x)], {x: array}, "cpu")[0]


def test_numbers_of_parameters():
    assert count(nn.conv2d(3, 3, 3)) == 84
    assert count(nn.conv2d(64, 128, 3, bias=False)) == 73_728
    assert count(nn.conv2d(64, 128, 3, groups=4, bias=False)) == 18_432
    assert count(nn.SeparableConv(64, 128, (3, 3), bias=False)) == 8_768


def test_convolution_adds_its_bias_and_activates():
    layer = nn.conv2d(3, 5, (3, 2), stride=2, padding=1, activation=nn.relu, seed=1)
    layer.load_state_dict({**layer.state_dict(), "bias": np.arange(5, dtype="f4")})
    x = image(2, 3, 8, 9)
    plain = gc.placeholder("x", x.shape)
    y = nn.conv(plain, layer.weight, 2, 1) + layer.bias.reshape((5, 1, 1))
    expected = np.maximum(evaluate([y], {plain: x})[0], 0)
    np.testing.assert_allclose(applied(layer, x), expected, atol=1e-5)


def test_transposed_convolution_enlarges():
    layer = nn.ConvTranspose(4, 6, (3, 3), stride=2, padding=1, output_padding=1)
    assert applied(layer, image(2, 4, 5, 7)).shape == (2, 6, 10, 14)


def test_transposed_convolution_gives_the_lengths_asked_for():
    layer = nn.ConvTranspose(2, 3, (2,), stride=2, bias=False, seed=0)
    x, like = gc.placeholder("x", (1, 2, "n")), gc.placeholder("like", (1, "m"))
    y = layer(x, like.shape[1:])
    assert str(y.shape) == "(1, 3, m)"
    f, a = gc.compile([x, like], y), image(1, 2, 3)
    whole = f(a, np.zeros((1, 6), "f4"))
    np.testing.assert_allclose(whole, applied(layer, a), rtol=1e-6)
    np.testing.assert_array_equal(f(a, np.zeros((1, 5), "f4")), whole[..., :5])
    longer = f(a, np.zeros((1, 8), "f4"))
    np.testing.assert_array_equal(longer[..., :6], whole)
    assert not longer[..., 6:].any()
    with pytest.raises(ShapeError, match="1 lengths are needed, not 2"):
        layer(x, (4, 4))


def test_separable_convolution_is_two_convolutions():
    layer = nn.SeparableConv(4, 5, (3, 3), seed=2)
    assert applied(layer, image(1, 4, 6, 6)).shape == (1, 5, 6, 6)
    assert layer.depthwise.weight.shape == (4, 1, 3, 3)


def test_channels_that_do_not_fall_into_groups_are_an_error():
    with pytest.raises(ShapeError, match="3 and 4 channels do not fall into 2 groups"):
        nn.conv1d(3, 4, 3, groups=2)


def test_batch_norm_of_a_batch_has_no_mean_and_unit_variance():
    x = image(4, 3, 5, 6) * 3 + 1
    y = applied(nn.BatchNorm(3, eps=0), x)
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((0, 2, 3)), 1, atol=1e-5)


def test_batch_norm_keeps_statistics_for_later():
    layer = nn.Sequential(nn.BatchNorm(3, rate=0.5))
    x = image(4, 3, 5, 6) * 2 + 1
    p = gc.placeholder("x", x.shape)
    y = layer(p)
    gc.compile([p], y, updates=nn.batch_updates(layer))(x)
    state = layer.state_dict()
    np.testing.assert_allclose(state["0.mean"], 0.5 * x.mean((0, 2, 3)), rtol=1e-5)
    expected = 0.5 + 0.5 * x.var((0, 2, 3))
    np.testing.assert_allclose(state["0.variance"], expected, rtol=1e-5)
    later = applied(layer.eval(), x)
    spread = np.sqrt(expected + 1e-5)[:, None, None]
    shift = 0.5 * x.mean((0, 2, 3))[:, None, None]
    np.testing.assert_allclose(later, (x - shift) / spread, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "axes"),
    [(nn.InstanceNorm(4), (2, 3)), (nn.GroupNorm(1, 4), (1, 2, 3))],
    ids=["instance", "group"],
)
def test_norms_of_a_sample(layer, axes):
    x = image(3, 4, 5, 6) * 2 - 3
    y = applied(layer, x)
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose(y.var(axes), 1, atol=1e-4)


def test_groups_are_normalised_apart():
    x = image(2, 6, 4, 4)
    y = applied(nn.GroupNorm(3, 6), x).reshape(2, 3, -1)
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(y.var(-1), 1, atol=1e-3)


def test_root_mean_square_is_one():
    y = applied(nn.RMSNorm(7), image(5, 7) * 4)
    np.testing.assert_allclose((y**2).mean(-1), 1, rtol=1e-4)


def test_weight_norm_sets_lengths():
    v, g = image(4, 3, 2, 2), np.arange(1, 5, dtype="f4")
    (w,) = evaluate([nn.weight_norm(gc.constant(v), gc.constant(g))], {})
    np.testing.assert_allclose(np.sqrt((w**2).sum((1, 2, 3))), g, rtol=1e-6)


def test_a_network_learns_which_way_stripes_run():
    """One compilation serves every batch size and image size."""
    rng = np.random.default_rng(0)
    x = gc.placeholder("x", ("n", 1, "h", "w"))
    t = gc.placeholder("t", ("n",), "int64")
    net = nn.Sequential(
        nn.conv2d(1, 8, 3, padding=1, activation=nn.relu, seed=1),
        nn.BatchNorm(8),
        nn.MaxPool(2),
        nn.conv2d(8, 16, 3, activation=nn.relu, seed=2),
        nn.global_average_pool,
        nn.Dense(16, 2, seed=3),
    )
    loss = nn.cross_entropy(net(x), t)
    updates = optim.Adam(0.01).updates(loss, net.parameters()) | nn.batch_updates(net)
    step = gc.compile([x, t], loss, updates=updates)
    for k in range(60):
        n, size = 8 + k % 3, 8 + 2 * (k % 2)
        labels = rng.integers(0, 2, n)
        lines = rng.normal(size=(n, 1, size, 1))
        pictures = np.repeat(lines, size, axis=3)
        pictures[labels == 1] = pictures[labels == 1].swapaxes(2, 3)
        last = step((pictures + 0.1 * rng.normal(size=pictures.shape)).astype("f4"), labels)
    assert last < 0.1
