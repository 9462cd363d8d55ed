"""Kernels of special form, other axes, transposed and local kernels (catalogue 2, A)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, vision
from graphc.ir.errors import ShapeError
from tests.systems.catalogue import CS, S, both, row, symbols
from tests.systems.learning import learns


def close(found, printed):
    np.testing.assert_allclose([CS(y) for y in found], printed, atol=2e-9)


def wave(y):
    """A loss that has slopes everywhere."""
    return gc.sum(gc.sin(y))


@row("CNN-10", "graphc/ops/convolutions/convolving.py")
def test_cnn_10_one_by_one():
    """The printed checksum; it is a product over channels."""
    feeds = symbols(x=S(0, 2, 3, 6, 7), w=S(1, 5, 3, 1, 1))
    x, w = feeds
    y = nn.conv(x, w)
    product = gc.einsum("nchw,oc->nohw", x, w[:, :, 0, 0])
    found = learns(wave(y), feeds, [y, product])
    close(found[:1], [-8.493917541])
    np.testing.assert_allclose(found[0], found[1], atol=1e-14)


@row("CNN-11", "graphc/vision/separable_kernels.py")
def test_cnn_11_spatially_separable():
    """A rank-1 kernel is a column pass and a row pass; so is the sum over all singular values for
    any kernel, to 1e-12; 9 products become 6; both passes learn.
    """
    u, v = S(4, 3), S(5, 3)
    feeds = symbols(x=S(0, 2, 3, 6, 7), u=u, v=v, w=S(1, 4, 3, 3, 3))
    x, u, v, w = feeds
    first = x[:, :1]
    whole = nn.conv(first, gc.reshape(gc.outer(u, v), (1, 1, 3, 3)), padding=1)
    passes = vision.separable_conv(first, u[None, None, None, :], v[None, None, None, :], padding=1)
    columns, rows = vision.separable_terms(w)
    every = vision.separable_conv(x, columns, rows, stride=2, padding=1)
    less = vision.separable_conv(x, columns[:2], rows[:2], stride=2, padding=1)
    exact = nn.conv(x, w, stride=2, padding=1)
    found = learns(wave(passes) + wave(less), feeds, [whole, passes, exact, every, less])
    np.testing.assert_allclose(found[0], found[1], atol=1e-13)
    np.testing.assert_allclose(found[2], found[3], atol=1e-12)
    errors = np.linalg.svd(S(1, 4, 3, 3, 3), compute_uv=False)[..., 2]
    assert 0 < np.abs(found[4] - found[2]).max() <= 9 * errors.max()
    sizes = [gc.placeholder("x", (1, 1, 10, 10)), gc.placeholder("w", (1, 1, 3, 3))]
    lines = [gc.placeholder(name, (1, 1, 1, 3)) for name in "uv"]
    one = gc.compile(sizes, nn.conv(*sizes)).cost.flops
    two = gc.compile([sizes[0], *lines], vision.separable_conv(sizes[0], *lines)).cost.flops
    assert one == 2 * 9 * 64
    assert two == 2 * 3 * (80 + 64)


@row("CNN-12", "graphc/nn/convolution.py")
def test_cnn_12_lines_and_volumes():
    """The printed checksums over one and over three axes; the layers are those functions."""
    feeds = symbols(
        x=S(0, 2, 3, 9), w=S(1, 4, 3, 3), video=S(0, 1, 2, 4, 5, 6), v=S(1, 3, 2, 3, 3, 3)
    )
    x, w, video, v = feeds
    outputs = [nn.conv(x, w, stride=2, padding=1), nn.conv(video, v)]
    layers = [
        nn.conv1d(3, 4, 3, stride=2, padding=1, bias=False, dtype="float64"),
        nn.conv3d(2, 3, 3, bias=False, dtype="float64"),
    ]
    for layer, kernel in zip(layers, (w, v), strict=True):
        layer.load_state_dict({"weight": feeds[kernel]})
    outputs += [layers[0](x), layers[1](video)]
    found = learns(wave(outputs[0]) + wave(outputs[1]), feeds, outputs, count=3)
    close(found[:4], [0.752712226, 0.028961540] * 2)


@row("CNN-13", "graphc/ops/convolutions/convolving.py")
def test_cnn_13_transposed():
    """Printed checksums and sizes; it is the adjoint of the convolution with the same kernels; an
    image is learnt through it.
    """
    feeds = symbols(x=S(0, 2, 3, 4, 5), w=S(1, 3, 2, 3, 3), y=S(7, 2, 2, 9, 11))
    x, w, y = feeds
    outputs = [
        nn.conv_transpose(x, w, stride=2, padding=1, output_padding=1),
        nn.conv_transpose(x, w),
        nn.conv_transpose(x, w, stride=2),
    ]
    sides = [gc.sum(nn.conv(y, w, stride=2) * x), gc.sum(y * outputs[2])]
    loss = wave(outputs[0]) + gc.sum(gc.square(outputs[2] - y)) / 2
    found = learns(loss, feeds, [*outputs, *sides])
    close(found[:3], [-26.753832615, -6.235745242, 2.119194881])
    assert [a.shape[2:] for a in found[:3]] == [(8, 10), (6, 7), (9, 11)]
    assert found[3] == pytest.approx(found[4], rel=1e-12)
    layer = nn.ConvTranspose(3, 2, (3, 3), 2, 1, 1, bias=False, dtype="float64")
    layer.load_state_dict({"weight": feeds[w]})
    np.testing.assert_array_equal(both(layer(x), {x: feeds[x]}), found[0])


@row("CNN-14", "graphc/nn/convolution.py")
def test_cnn_14_locally_connected():
    """The printed checksum and shape; kernels that are all equal convolve; 25,000 weights for 1000
    units of 25 pixels each.
    """
    feeds = symbols(x=S(0, 2, 3, 6), w=S(1, 4, 2, 3, 3), k=S(2, 2, 3, 3))
    x, w, k = feeds
    layer = nn.LocalConv((3, 6), 2, (3,), bias=False, dtype="float64")
    layer.load_state_dict({"weight": feeds[w]})
    same = nn.conv_local(x, gc.broadcast_to(k, w.shape))
    outputs = [nn.conv_local(x, w), layer(x), same, nn.conv(x, k)]
    found = learns(wave(outputs[0]) + wave(same), feeds, outputs)
    assert found[0].shape == (2, 2, 4)
    close(found[:2], [0.871094327] * 2)
    np.testing.assert_allclose(found[2], found[3], atol=1e-13)
    many = nn.LocalConv((1, 29, 44), 1, (5, 5), seed=0)
    assert many.weight.size == 25_000 and many.bias.shape == (1, 25, 40)
    spread = many.state_dict()["weight"].std()
    assert spread == pytest.approx((2 / 25) ** 0.5, rel=0.02)
    with pytest.raises(ShapeError, match="there are"):
        many(gc.placeholder("x", (1, 1, 29, 45)))
