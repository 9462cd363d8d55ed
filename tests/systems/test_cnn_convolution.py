"""Convolutions: definitions, sizes, dilation, groups (catalogue 2, A)."""

import numpy as np
import pytest
from scipy import signal

import graphc as gc
from graphc import nn
from graphc.ir.errors import ShapeError
from tests.systems.catalogue import CS, S, both, row, symbols
from tests.systems.learning import learns

X, W, B = S(0, 2, 3, 6, 7), S(1, 4, 3, 3, 3), S(2, 4)
OF_FOUR = S(0, 2, 4, 6, 7)


def close(found, printed):
    np.testing.assert_allclose([CS(y) for y in found], printed, atol=2e-9)


def biased(y, b):
    return y + b.reshape((b.shape[0], *(1 for _ in y.shape[2:])))


@row("CNN-01", "graphc/ops/convolutions/convolving.py")
def test_cnn_01_true_convolution_of_vectors():
    """The printed product; full, same and valid as NumPy's; it commutes, is associative and linear;
    a kernel is learnt.
    """
    feeds = symbols(a=np.array([2.0, -1, 1]), v=np.array([1.0, 1, 2]), c=S(3, 3))
    a, v, c = feeds
    outputs = [gc.convolve(a, v, mode) for mode in ("full", "same", "valid")]
    pairs = [
        (gc.convolve(a, v), gc.convolve(v, a)),
        (gc.convolve(gc.convolve(a, v), c), gc.convolve(a, gc.convolve(v, c))),
        (gc.convolve(a, 2 * v - 3 * c), 2 * gc.convolve(a, v) - 3 * gc.convolve(a, c)),
    ]
    loss = gc.sum(gc.square(outputs[0] - gc.constant(S(5, 5))))
    found = learns(loss, feeds, [*outputs, *(y for pair in pairs for y in pair)], 1e-2)
    np.testing.assert_array_equal(found[0], [2, 1, 4, -1, 2])
    np.testing.assert_array_equal(found[1], [1, 4, -1])
    np.testing.assert_array_equal(found[2], [4])
    for left, right in zip(found[3:9:2], found[4:9:2], strict=True):
        np.testing.assert_allclose(left, right, atol=1e-14)


@row("CNN-02", "graphc/ops/convolutions/convolving.py")
def test_cnn_02_cross_correlation():
    """With a kernel turned by 180 degrees it is the true convolution, as SciPy computes it, and has
    the printed checksum.
    """
    feeds = symbols(x=X, w=W)
    x, w = feeds
    true = nn.conv(x, gc.flip(w, (2, 3)))
    found = learns(gc.sum(gc.sin(true)), feeds, [true, nn.conv(x, w)])
    close(found[:1], [-7.547723719])
    for f, n in np.ndindex(4, 2):
        meant = sum(signal.convolve2d(X[n, c], W[f, c], "valid") for c in range(3))
        np.testing.assert_allclose(found[0][n, f], meant, atol=1e-12)
        meant = sum(signal.correlate2d(X[n, c], W[f, c], "valid") for c in range(3))
        np.testing.assert_allclose(found[1][n, f], meant, atol=1e-12)


@row("CNN-03", "graphc/nn/convolution.py")
def test_cnn_03_channels_and_bias():
    """The printed checksum and shape; 84 parameters against 900,030,000 of a dense layer, which
    are counted without memory; channels that disagree are an error.
    """
    feeds = symbols(x=X, w=W, b=B)
    x, w, b = feeds
    y = biased(nn.conv(x, w), b)
    found = learns(gc.sum(gc.sin(y)), feeds, [y])
    assert found[0].shape == (2, 4, 4, 5)
    close(found[:1], [5.126322960])
    with nn.outline():
        assert nn.conv2d(3, 3, 3).parameter_count() == 84
        assert nn.Dense(30_000, 30_000).parameter_count() == 900_030_000
    with pytest.raises(ShapeError, match="x has 3 channels, but the kernels take 5"):
        nn.conv2d(5, 2, 3)(gc.astype(x, "float32"))


@row("CNN-04", "graphc/nn/convolution.py")
def test_cnn_04_worked_example():
    """The printed feature map of three channels, and its largest and mean pooled elements."""
    rows = ["2100 0021 0201 2101", "2200 0021 0020 0101", "2100 0021 2000 0101"]
    image = np.array([[[float(d) for d in r] for r in channel.split()] for channel in rows])
    kernel = np.array([
        [[1.0, 0, 0], [0, -2, 0], [0, 0, -1]],
        [[1, 2, 0], [2, 0, -1], [0, -1, 1]],
        [[0, 0, -2], [0, 1, 2], [-2, 2, 0]],
    ])  # fmt: skip
    layer = nn.conv2d(3, 1, 3, padding=1, activation=gc.relu, dtype="float64")
    layer.load_state_dict({"weight": kernel[None], "bias": np.array([2.0])})
    feeds = symbols(x=image[None])
    y = layer(next(iter(feeds)))
    found = [a[0, 0] for a in both([y, nn.max_pool(y, 2), nn.average_pool(y, 2)], feeds)]
    expected = [[0, 5, 8, 0], [6, 10, 1, 5], [4, 0, 2, 11], [0, 1, 11, 3]]
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(found[1], [[10, 8], [4, 11]])
    np.testing.assert_array_equal(found[2], [[5.25, 3.5], [1.25, 6.75]])


@row("CNN-05", "graphc/ops/convolutions/convolving.py")
def test_cnn_05_sizes_strides_padding():
    """Printed checksums; lengths by the formula, trailing elements dropped; padding with a number,
    with the mean and on one side.
    """
    feeds = symbols(x=X, w=W, b=B)
    x, w, b = feeds
    mean = gc.mean(x)
    around = [(0, 0), (0, 0), (1, 1), (1, 1)]
    outputs = [
        biased(nn.conv(x, w, padding=1), b),
        nn.conv(x, w, stride=2, padding=1),
        nn.conv(x, w, padding="full"),
        nn.conv(gc.pad(x, around, constant_values=mean), w),
        nn.conv(x - mean, w, padding=1) + gc.reshape(gc.sum(w, axis=(1, 2, 3)), (4, 1, 1)) * mean,
        nn.conv(x, w, padding=[(2, 0), (0, 1)]),
        nn.conv(gc.pad(x, [(0, 0), (0, 0), (2, 0), (0, 1)], constant_values=0), w),
        nn.conv(x, w, padding="same"),
        nn.conv(x, w, padding=1),
        nn.conv(gc.pad(x, around, mode="edge"), w),
    ]
    loss = sum(gc.sum(gc.sin(y)) for y in (outputs[1], outputs[3], outputs[5]))
    found = learns(loss, feeds, outputs, count=3)
    close(found[:3], [12.633369371, 0.243998397, -0.957828272])
    for left, right in zip(found[3:9:2], found[4:9:2], strict=True):
        np.testing.assert_allclose(left, right, atol=1e-12)
    edges = np.pad(X, around, mode="edge")
    np.testing.assert_allclose(found[9][0, 1, 0, 0], np.sum(edges[0, :, :3, :3] * W[1]), atol=1e-12)


def lengths(image, taps, **options):
    """The spatial lengths of a convolution with as many outputs as inputs."""
    channels = image[0]
    kernel = gc.placeholder("w", (channels, channels, *taps))
    return nn.conv(gc.placeholder("x", (1, *image)), kernel, **options).shape[2:]


@row("CNN-05", "graphc/ops/convolutions/convolving.py")
def test_cnn_05_lengths():
    """The printed lengths, and the formula at every small size, stride, padding and dilation; also
    for a length that is only named.
    """
    assert lengths((1, 28), (5,)) == (24,)
    assert lengths((1, 6), (3,), stride=2) == (2,)
    assert lengths((3, 100, 100), (3, 3)) == (98, 98)
    assert nn.max_pool(gc.placeholder("x", (1, 3, 98, 98)), 2).shape[2:] == (49, 49)
    named = gc.placeholder("x", (1, 1, "n"))
    for r, s, p, d in np.ndindex(4, 3, 3, 3):
        taps, stride, dilation = r + 1, s + 1, d + 1
        own = {"stride": stride, "padding": p, "dilation": dilation}
        symbolic = nn.conv(named, gc.placeholder("w", (1, 1, taps)), **own).shape[2]
        for a in (8, 11):
            expected = (a + 2 * p - dilation * (taps - 1) - 1) // stride + 1
            if expected < 1:
                continue
            assert lengths((1, a), (taps,), **own) == (expected,)
            assert gc.ir.dim_values.evaluate(symbolic, {"n": a}) == expected
    x = S(0, 1, 1, 6)
    with_rest, without = (symbols(x=a, w=S(1, 1, 1, 3)) for a in (x, x[..., :5]))
    np.testing.assert_array_equal(*(both(nn.conv(*f, stride=2), f) for f in (with_rest, without)))


@row("CNN-06", "graphc/ops/convolutions/convolving.py")
def test_cnn_06_rectangular_kernels():
    """The printed checksum; strides, padding and dilation of each axis are those of that axis."""
    feeds = symbols(x=X, w=S(1, 4, 3, 1, 5))
    x, w = feeds
    y = nn.conv(x, w)
    uneven = nn.conv(x, w, stride=(2, 1), padding=(1, 2), dilation=(3, 2))
    found = learns(gc.sum(gc.sin(y)) + gc.sum(gc.sin(uneven)), feeds, [y, uneven])
    close(found[:1], [-0.072474790])
    wide = np.pad(X, [(0, 0), (0, 0), (1, 1), (2, 2)])[:, :, ::2]
    taps = sum(
        np.einsum("nchw,oc->nohw", wide[..., 2 * k : 2 * k + 3], S(1, 4, 3, 1, 5)[:, :, 0, k])
        for k in range(5)
    )
    np.testing.assert_allclose(found[1], taps, atol=1e-12)


@row("CNN-07", "graphc/ops/convolutions/convolving.py")
def test_cnn_07_dilation():
    """Printed checksums; receptive fields of 7 and 15, which are just what has a gradient."""
    feeds = symbols(x=X, w=W)
    x, w = feeds
    outputs = [
        nn.conv(x, w, dilation=2, padding=2),
        nn.conv(x, w, stride=2, dilation=2, padding=(2, 1)),
    ]
    found = learns(gc.sum(gc.sin(outputs[0])) + gc.sum(gc.sin(outputs[1])), feeds, outputs)
    close(found[:2], [-40.248055845, 0.219340462])
    for dilations, expected in (((1, 1, 1), 7), ((1, 2, 4), 15)):
        layers = [nn.conv1d(1, 1, 3, dilation=d, seed=1, dtype="float64") for d in dilations]
        net = nn.Sequential(*layers)
        assert nn.receptive_field(net, axes=1) == (expected,)
        (x,) = feeds = symbols(x=S(0, 1, 1, 20))
        slope = both(gc.grad(net(x)[0, 0, 2], x), feeds)[0, 0]
        seen = np.nonzero(slope)[0]
        assert seen[0] == 2 and seen[-1] == 2 + expected - 1


@row("CNN-08", "graphc/ops/convolutions/convolving.py")
def test_cnn_08_groups():
    """The printed checksum, which is that of each group by itself; a quarter of the parameters with
    four groups.
    """
    feeds = symbols(x=OF_FOUR, w=S(1, 6, 2, 3, 3))
    x, w = feeds
    y = nn.conv(x, w, padding=1, groups=2)
    apart = [nn.conv(x[:, 2 * g : 2 * g + 2], w[3 * g : 3 * g + 3], padding=1) for g in range(2)]
    found = learns(gc.sum(gc.sin(y)), feeds, [y, gc.concat(apart, axis=1)])
    close(found[:1], [-1.002162379])
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)
    with nn.outline():
        counts = [nn.conv2d(64, 128, 3, groups=g, bias=False).parameter_count() for g in (1, 4)]
    assert counts == [73_728, 18_432]


@row("CNN-09", "graphc/nn/convolution.py")
def test_cnn_09_depthwise_separable():
    """Printed checksums of both parts; .119 of the weights of a full kernel; the layer is the two
    in turn.
    """
    feeds = symbols(x=OF_FOUR, w=S(1, 4, 1, 3, 3), v=S(2, 5, 4, 1, 1))
    x, w, v = feeds
    own = nn.conv(x, w, padding=1, groups=4)
    across = nn.conv(own, v)
    layer = nn.SeparableConv(4, 5, (3, 3), bias=False, dtype="float64")
    layer.load_state_dict({"depthwise.weight": feeds[w], "pointwise.weight": feeds[v]})
    found = learns(gc.sum(gc.sin(across)), feeds, [own, across, layer(x)])
    close(found[:3], [-1.951661160, 6.145851647, 6.145851647])
    with nn.outline():
        few = nn.SeparableConv(64, 128, (3, 3), bias=False).parameter_count()
    assert few == 8_768
    assert few / 73_728 == pytest.approx(0.119, abs=5e-4)
