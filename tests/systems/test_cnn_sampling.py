"""Channels and pixels moved: layout, joins, resizing, sampling, gates (catalogue 2, B)."""

from functools import partial

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, vision
from graphc.ir.errors import ShapeError
from tests.systems.catalogue import CS, S, both, row, run, symbols
from tests.systems.learning import learns


@row("CNN-26", "graphc/ops/layout.py")
def test_cnn_26_flat_images():
    """Images and videos are flattened, or turned to channels last, and back, to the bit; gradients
    take the way back too.
    """
    feeds = symbols(image=S(0, 2, 3, 4, 5), video=S(1, 2, 3, 2, 2, 4))
    image, video = feeds
    flat, last = gc.flatten(image, 1), gc.moveaxis(image, 1, -1)
    frames = gc.reshape(video, (6, 2, 2, 4))
    outputs = [
        flat, gc.reshape(flat, image.shape), last, gc.moveaxis(last, -1, 1),
        frames, gc.reshape(frames, video.shape),
    ]  # fmt: skip
    loss = gc.sum(gc.sin(flat)) + gc.sum(gc.sin(frames) * frames)
    found = learns(loss, feeds, outputs)
    np.testing.assert_array_equal(found[0], feeds[image].reshape(2, 60))
    np.testing.assert_array_equal(found[2], feeds[image].transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(found[4][4], feeds[video][1, 1])
    for k, x in ((1, image), (3, image), (5, video)):
        np.testing.assert_array_equal(found[k], feeds[x])
    np.testing.assert_allclose(found[6], np.cos(feeds[image]), atol=1e-15)
    net = nn.Sequential(partial(gc.flatten, start=1), nn.Dense(60, 2, dtype="float64"))
    assert net(image).shape == (2, 2)


@row("CNN-27", "graphc/nn/branches.py")
def test_cnn_27_joins_and_shuffles():
    """Gradients of a concatenation are slices, of a sum copies; a shuffle is undone by that with
    C / g; images that do not fit are an error that names both.
    """
    feeds = symbols(a=S(0, 2, 2, 3, 3), b=S(1, 2, 4, 3, 3), c=S(2, 2, 6, 3, 3))
    a, b, c = feeds
    deep = gc.concat([a, b], axis=1)
    total = nn.Residual(lambda x: x * x)(deep) + c
    weights = gc.constant(S(3, 2, 6, 3, 3))
    linear = gc.sum((deep + c) * weights)
    left, right = gc.split(total, [2], axis=1)
    outputs = [
        *gc.grad(linear, list(feeds)), gc.concat([left, right], axis=1), total,
        nn.channel_shuffle(total, 2), nn.channel_shuffle(nn.channel_shuffle(total, 2), 3),
    ]  # fmt: skip
    found = learns(gc.sum(gc.square(total)) + linear, feeds, outputs)
    np.testing.assert_array_equal(found[0], S(3, 2, 6, 3, 3)[:, :2])
    np.testing.assert_array_equal(found[1], S(3, 2, 6, 3, 3)[:, 2:])
    np.testing.assert_array_equal(found[2], S(3, 2, 6, 3, 3))
    np.testing.assert_array_equal(found[3], found[4])
    np.testing.assert_array_equal(found[5], found[4][:, [0, 3, 1, 4, 2, 5]])
    np.testing.assert_array_equal(found[6], found[4])
    wide, tall = gc.placeholder("wide", (2, 2, 3, 4)), gc.placeholder("tall", (2, 2, 4, 3))
    for join in (lambda: gc.concat([wide, tall], axis=1), lambda: wide + tall):
        with pytest.raises(ShapeError, match=r"(?s)wide: .*tall: "):
            join()


@row("CNN-28", "graphc/ops/resampling.py")
def test_cnn_28_resize_warp_crop():
    """0, 1 becomes 0, .25, .75, 1; nearest pixels repeat; each gradient is the adjoint, by the
    product test; the identity warp and a whole factor change nothing but size.
    """
    line = symbols(line=np.array([[[0.0, 1.0]]]))
    (y,) = both([nn.resize(*line, 4)], line)
    np.testing.assert_array_equal(y[0, 0], [0, 0.25, 0.75, 1])
    feeds = symbols(
        x=S(0, 1, 2, 4, 5), m=np.array([[0.8, 0.1, 0.05], [-0.2, 0.9, 0.13], [0, 0, 1]])
    )
    x, m = feeds
    ways = [
        nn.resize(x, (7, 3)), nn.resize(x, (7, 3), "nearest"), vision.warp(x, m), x[:, :, 1:3, 2:],
        nn.resize(nn.resize(x, (8, 10), "nearest"), (4, 5), "nearest"),
        vision.warp(x, gc.eye(3, dtype="float64")),
    ]  # fmt: skip
    against = [gc.constant(S(k, *w.shape)) for k, w in enumerate(ways)]
    there = [gc.sum(w * c) for w, c in zip(ways, against, strict=True)]
    back = [gc.sum(gc.grad(t, x) * x) for t in there]
    loss = sum(gc.sum(gc.sin(w)) for w in ways[:4])
    found = learns(loss, feeds, [*ways, *there, *back])
    np.testing.assert_allclose(found[6:12], found[12:18], rtol=1e-12)
    np.testing.assert_array_equal(found[4], feeds[x])
    np.testing.assert_allclose(found[5], feeds[x], atol=1e-15)


@row("CNN-29", "graphc/ops/resampling.py")
def test_cnn_29_grid_sample():
    """The printed samples of a ramp; zero outside; slopes of pixels and of coordinates."""
    feeds = symbols(
        x=np.arange(16.0).reshape(1, 1, 4, 4),
        i=np.array([[1.5, 3.5, -0.5, -1.2, 9]]), j=np.array([[2.25, 3, 0.7, 2, 1]]),
    )  # fmt: skip
    x, i, j = feeds
    y = nn.sample_linear(x, i, j)
    beside = nn.sample_linear(x, i + 0.02, j + 0.01)  # where no coordinate is whole
    found = learns(gc.sum(gc.sin(beside)), feeds, [y, *gc.grad(gc.sum(y), [i, j])], rate=1e-4)
    np.testing.assert_allclose(found[0][0, 0], [8.25, 7.5, 0.35, 0, 0], atol=1e-12)
    assert found[1][0, 0] == pytest.approx(4) and found[2][0, 0] == pytest.approx(1)


@row("CNN-30", "graphc/vision/spatial_transformer.py")
def test_cnn_30_spatial_transformer():
    """The identity and a quarter turn are exact, a zoom has the printed checksum; gradients reach
    images and theta.
    """
    maps = np.array(
        [[[1.0, 0, 0], [0, 1, 0]], [[0, 1, 0], [-1, 0, 0]], [[0.5, 0, 0.1], [0, 0.5, -0.2]]]
    )
    image = S(0, 4, 4)
    feeds = symbols(x=np.tile(image, (3, 1, 1, 1)), theta=maps)
    x, theta = feeds
    whole, part = (vision.SpatialTransformer(lambda _: theta, size)(x) for size in ((4, 4), (3, 3)))
    loss = gc.sum(gc.sin(part[2:] * 2))
    found = learns(loss, feeds, [whole, part])
    np.testing.assert_allclose(found[0][0, 0], image, atol=1e-15)
    np.testing.assert_allclose(found[0][1, 0], np.rot90(image, -1), atol=1e-15)
    assert CS(found[1][2]) == pytest.approx(1.218317732, abs=2e-9)


@row("CNN-30", "graphc/vision/spatial_transformer.py")
def test_cnn_30_undoes_a_rotation():
    """Given images turned by a quarter, it learns a theta that turns them back."""
    rows, columns = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9), indexing="ij")
    bumps = [
        np.exp(-3 * ((rows - a) ** 2 + (columns - b) ** 2)) for a, b in ((-0.5, 0), (0.3, 0.4))
    ]
    upright = np.stack(bumps)[:, None]
    theta = gc.variable(np.array([[[1.0, 0.6, 0], [-0.6, 1, 0]]]), "theta")
    layer = vision.SpatialTransformer(lambda x: gc.broadcast_to(theta, (2, 2, 3)), (9, 9))
    (x,) = feeds = symbols(x=np.rot90(upright, 1, (2, 3)).copy())
    loss = nn.mse(layer(x), gc.constant(upright))
    step = gc.compile([x], loss, updates=optim.Adam(0.05).updates(loss, {"theta": theta}))
    losses = [float(step(feeds[x])) for _ in range(120)]
    assert losses[-1] < 1e-3 * losses[0]
    np.testing.assert_allclose(theta.value, [[[0, 1, 0], [-1, 0, 0]]], atol=0.05)


@row("CNN-31", "graphc/nn/branches.py")
def test_cnn_31_squeeze_excitation():
    """The printed checksum; gates that are all open change nothing."""
    feeds = symbols(x=S(0, 2, 4, 3, 3), w=S(1, 4, 2), v=S(2, 2, 4))
    x, w, v = feeds
    layer = nn.SqueezeExcite(4, 2, bias=False, dtype="float64")
    layer.load_state_dict({"squeeze.weight": feeds[w], "excite.weight": feeds[v]})
    gates = gc.sigmoid(gc.relu(nn.global_average_pool(x) @ w) @ v)
    y = x * gc.reshape(gates, (2, 4, 1, 1))
    found = learns(gc.sum(gc.square(y)), feeds, [y, layer(x)], rate=0.01)
    assert CS(found[0]) == pytest.approx(0.061725796, abs=2e-9)
    np.testing.assert_allclose(found[1], found[0], atol=1e-15)
    wide = nn.SqueezeExcite(4, 2, dtype="float64")
    wide.load_state_dict({**wide.state_dict(), "excite.bias": np.full(4, 50.0)})
    np.testing.assert_allclose(run(wide(x), {x: feeds[x]}), feeds[x], rtol=1e-15)
