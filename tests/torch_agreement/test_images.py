"""Layers for images beside PyTorch's: convolution, pooling, normalisation, resampling."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.support.peer import agree, both_precisions, torch

F = torch.nn.functional
cases = pytest.mark.parametrize("case", range(12))
axes = pytest.mark.parametrize("n", [1, 2, 3])


def draw(*seed):
    return np.random.default_rng(seed)


def ints(rng, n, low, high):
    """An int for each of n axes, from low to high."""
    return tuple(int(k) for k in rng.integers(low, high + 1, n))


def image(rng, n, channels, low, high):
    """A batch of images with n spatial axes, and a shape for it, symbolic half of the time in which
    the batch and one axis are.
    """
    x = rng.standard_normal((int(rng.integers(1, 4)), channels, *ints(rng, n, low, high)))
    shape = list(x.shape)
    if rng.random() < 0.5:
        shape[0], shape[2 + int(rng.integers(n))] = "batch", "size"
    return x, {"x": tuple(shape)}


@both_precisions
@axes
@pytest.mark.parametrize("case", range(8))
def test_convolution(case, n, dtype):
    rng = draw(1, n, case)
    groups = int(rng.choice([1, 1, 2, 3]))
    into, out = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    taps, dilation = ints(rng, n, 1, 3), ints(rng, n, 1, 2)
    stride, padding = ints(rng, n, 1, 3), ints(rng, n, 0, 2)
    x, shapes = image(rng, n, into, 5, 8 if n < 3 else 6)
    theirs = (F.conv1d, F.conv2d, F.conv3d)[n - 1]
    agree(
        lambda x, w, b: (
            nn.conv(x, w, stride, padding, dilation, groups) + gc.reshape(b, (out, *[1] * n))
        ),
        lambda x, w, b: theirs(x, w, b, stride, padding, dilation, groups),
        dtype,
        shapes,
        x=x,
        w=rng.standard_normal((out, into // groups, *taps)),
        b=rng.standard_normal(out),
    )


@both_precisions
@axes
@pytest.mark.parametrize("case", range(6))
def test_transposed_convolution(case, n, dtype):
    rng = draw(2, n, case)
    groups = int(rng.choice([1, 1, 2]))
    into, out = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    taps, dilation, stride = ints(rng, n, 2, 3), ints(rng, n, 1, 2), ints(rng, n, 1, 3)
    padding = ints(rng, n, 0, 1)
    more = tuple(int(rng.integers(max(s, d))) for s, d in zip(stride, dilation, strict=True))
    x, shapes = image(rng, n, into, 3, 5 if n < 3 else 4)
    theirs = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[n - 1]
    agree(
        lambda x, w: nn.conv_transpose(x, w, stride, padding, more, dilation, groups),
        lambda x, w: theirs(x, w, None, stride, padding, more, groups, dilation),
        dtype,
        shapes,
        x=x,
        w=rng.standard_normal((into, out // groups, *taps)),
    )


@both_precisions
@axes
@pytest.mark.parametrize("case", range(5))
def test_max_pool(case, n, dtype):
    rng = draw(3, n, case)
    window, dilation, stride = ints(rng, n, 2, 3), ints(rng, n, 1, 2), ints(rng, n, 1, 3)
    padding = tuple(int(rng.integers(k // 2 + 1)) for k in window)
    x, shapes = image(rng, n, 2, 5, 8 if n < 3 else 6)
    ceil = bool(rng.integers(2))
    theirs = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[n - 1]
    agree(
        lambda x: nn.max_pool(x, window, stride, padding, dilation, ceil),
        lambda x: theirs(x, window, stride, padding, dilation, ceil),
        dtype,
        shapes,
        x=x,
    )


@both_precisions
@axes
@pytest.mark.parametrize("case", range(5))
def test_average_pool(case, n, dtype):
    rng = draw(4, n, case)
    window, stride = ints(rng, n, 2, 3), ints(rng, n, 1, 3)
    padding = tuple(int(rng.integers(k // 2 + 1)) for k in window)
    x, shapes = image(rng, n, 2, 4, 8 if n < 3 else 6)
    ceil, counted = (bool(k) for k in rng.integers(0, 2, 2))
    theirs = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[n - 1]
    agree(
        lambda x: nn.average_pool(x, window, stride, padding, ceil, counted),
        lambda x: theirs(x, window, stride, padding, ceil, counted),
        dtype,
        shapes,
        x=x,
    )


@both_precisions
@axes
@pytest.mark.parametrize("case", range(2))
def test_adaptive_pools(case, n, dtype):
    rng = draw(5, n, case)
    x = rng.standard_normal((2, 2, *ints(rng, n, 3, 7)))
    size = ints(rng, n, 1, 4)
    kinds = ("adaptive_avg_pool{}d", "adaptive_max_pool{}d")
    average, largest = (getattr(F, kind.format(n)) for kind in kinds)
    agree(
        lambda x: [nn.adaptive_average_pool(x, size), nn.adaptive_max_pool(x, size)],
        lambda x: [average(x, size), largest(x, size)],
        dtype,
        x=x,
    )


@both_precisions
@cases
def test_batch_norm(case, dtype):
    """In training, with the means and variances that it then keeps (ours without correction), and
    after it.
    """
    rng, rate, eps = draw(6, case), 0.3, 1e-4
    channels, n = int(rng.integers(1, 4)), int(rng.integers(4))
    x = rng.standard_normal((4, channels, *ints(rng, n, 2, 4))) * 2 + 1
    kept, spread = rng.standard_normal(channels), rng.random(channels) + 0.5
    count = x.size // channels

    def ours(x, scale, shift):
        layer = nn.BatchNorm(channels, eps, rate, dtype=dtype)
        layer.mean.value, layer.variance.value = kept.astype(dtype), spread.astype(dtype)
        layer.scale, layer.shift = scale, shift
        y = layer(x)
        rest = layer.variance * (1 - rate)
        corrected = rest + (layer.updates[layer.variance] - rest) * (count / (count - 1))
        moved = [gc.stop_gradient(v) for v in (layer.updates[layer.mean], corrected)]
        return [y, layer.eval()(x), *moved]

    def theirs(x, scale, shift):
        mean, variance = (torch.tensor(v, dtype=x.dtype) for v in (kept, spread))
        after = F.batch_norm(x, mean.clone(), variance.clone(), scale, shift, False, rate, eps)
        y = F.batch_norm(x, mean, variance, scale, shift, True, rate, eps)
        return [y, after, mean, variance]

    wide = rng.standard_normal((2, channels))
    agree(ours, theirs, dtype, x=x, scale=wide[0], shift=wide[1])


@both_precisions
@cases
def test_group_instance_layer_and_rms_norm(case, dtype):
    rng, eps = draw(7, case), float(10.0 ** -draw(case).integers(2, 7))
    groups, each, n = int(rng.integers(1, 4)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    channels = groups * each
    x, shapes = image(rng, n, channels, 4, 6 if n < 3 else 4)
    shapes["x"] = (*shapes["x"][:-1], x.shape[-1])
    size = x.shape[-1]

    def ours(x, scale, shift, own, other):
        group, instance = nn.GroupNorm(groups, channels, eps), nn.InstanceNorm(channels, eps)
        for norm in (group, instance):
            norm.scale, norm.shift = scale, shift
        layer, root = nn.LayerNorm(size, eps), nn.RMSNorm(size, eps)
        layer.scale, layer.shift, root.scale = own, other, own
        return [norm(x) for norm in (group, instance, layer, root)]

    def theirs(x, scale, shift, own, other):
        return [
            F.group_norm(x, groups, scale, shift, eps),
            F.instance_norm(x, None, None, scale, shift, True, 0.1, eps),
            F.layer_norm(x, (size,), own, other, eps),
            F.rms_norm(x, (size,), own, eps),
        ]

    wide, own = rng.standard_normal((2, channels)), rng.standard_normal((2, size))
    values = {"scale": wide[0], "shift": wide[1], "own": own[0], "other": own[1]}
    agree(ours, theirs, dtype, shapes, x=x, **values)


@both_precisions
@pytest.mark.parametrize("case", range(4))
def test_resampling(case, dtype):
    rng = draw(8, case)
    x = rng.standard_normal((2, 4, *ints(rng, 2, 3, 6)))
    size = ints(rng, 2, 2, 9)
    theta = rng.standard_normal((2, 2, 3))

    def ours(x, theta):
        grid = nn.affine_grid(theta, size)
        return [
            nn.resize(x, size), nn.resize(x, size, "nearest"), grid, nn.grid_sample(x, grid),
            nn.pixel_shuffle(x, 2), nn.channel_shuffle(x, 2),
        ]  # fmt: skip

    def theirs(x, theta):
        grid = F.affine_grid(theta, (2, 4, *size), align_corners=True)
        return [
            F.interpolate(x, size, mode="bilinear", align_corners=False),
            F.interpolate(x, size, mode="nearest-exact"),
            grid,
            F.grid_sample(x, grid, align_corners=True),
            F.pixel_shuffle(x, 2),
            F.channel_shuffle(x, 2),
        ]

    agree(ours, theirs, dtype, x=x, theta=theta)
