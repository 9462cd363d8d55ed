"""What holds of convolutions: gradients, symmetry, costs, fixed kernels (catalogue 2, A)."""

import numpy as np
from scipy import signal

import graphc as gc
from graphc import nn, vision
from graphc.vision import image_kernels
from tests.systems.catalogue import CS, S, both, row, run, symbols
from tests.systems.learning import learns

X, W = S(0, 2, 3, 6, 7), S(1, 4, 3, 3, 3)


@row("CNN-16", "graphc/ops/convolutions/convolution.py")
def test_cnn_16_gradients():
    """Printed checksums of both gradients and of second-order ones, which differences confirm; the
    image's is a full convolution with turned kernels, the kernel's a correlation.
    """
    feeds = symbols(x=X, w=W)
    x, w = feeds
    y = nn.conv(x, w, stride=2, padding=1)
    upstream = np.cos(np.arange(y.size)).reshape(y.shape)
    dense = nn.conv(x, w)
    slope = gc.constant(S(3, *dense.shape))
    by_x, by_w = gc.grad(gc.sum(dense * slope), [x, w])
    squares = gc.sum(gc.square(gc.grad(gc.sum(gc.tanh(y)), x)))
    outputs = [
        *gc.grad(gc.sum(y * upstream), [x, w]),
        by_x,
        nn.conv(slope, gc.transpose(gc.flip(w, (2, 3)), (1, 0, 2, 3)), padding="full"),
        by_w,
        gc.transpose(
            nn.conv(gc.transpose(x, (1, 0, 2, 3)), gc.transpose(slope, (1, 0, 2, 3))), (1, 0, 2, 3)
        ),
        squares,
    ]
    found = learns(squares, feeds, outputs, rate=1e-4, count=3)
    np.testing.assert_allclose([CS(found[0]), CS(found[1])], [-0.034054959, 0.533342442], atol=2e-9)
    for left, right in (found[2:4], found[4:6]):
        np.testing.assert_allclose(left, right, atol=1e-12)
    np.testing.assert_allclose(
        [found[6], CS(found[-1])], [124.302452164, 157.281460118], rtol=1e-11
    )


@row("CNN-16", "graphc/ops/convolutions/convolution.py")
def test_cnn_16_strides_dilation_groups():
    """Gradients of first and second order, by differences, with a stride, dilation and groups, for
    convolutions and their transposes.
    """
    feeds = symbols(x=S(0, 2, 4, 5, 6), w=S(1, 4, 2, 2, 3))
    x, w = feeds
    there = nn.conv(x, w, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)
    back = nn.conv_transpose(x, w, stride=(1, 2), padding=1, dilation=2, groups=2)
    loss = gc.sum(gc.tanh(there)) + gc.sum(gc.tanh(back))
    squares = sum(gc.sum(gc.square(g)) for g in gc.grad(loss, [x, w]))
    learns(loss + squares, feeds, rate=1e-4, count=6)


@row("CNN-17", "graphc/ops/convolutions/convolving.py")
def test_cnn_17_equivariance():
    """A shift before is the same shift after, to the bit, on a circle and in the interior; a turn
    or a zoom is not.
    """
    feeds = symbols(x=S(0, 1, 2, 8, 8), w=S(1, 3, 2, 3, 3))
    x, w = feeds

    def circular(image):
        return nn.conv(gc.pad(image, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="wrap"), w)

    def shifted(image):
        return gc.roll(image, (2, 3), (2, 3))

    def turned(image):
        return gc.flip(gc.matrix_transpose(image), 3)

    pairs = [
        (circular(shifted(x)), shifted(circular(x))),
        (nn.conv(shifted(x), w)[:, :, 2:, 3:], nn.conv(x, w)[:, :, :-2, :-3]),
        (circular(turned(x)), turned(circular(x))),
        (circular(nn.resize(x, 16)), nn.resize(circular(x), 16)),
    ]
    found = both([y for pair in pairs for y in pair], feeds)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[3])
    assert np.abs(found[4] - found[5]).max() > 0.1
    assert np.abs(found[6] - found[7]).max() > 0.1


@row("CNN-18", "graphc/nn/receptive_field.py")
def test_cnn_18_accounting():
    """Ten layers of 3 taps see 21 elements, 2 more for each layer; with strides, pools and
    dilation, as many as have a gradient; parameters and operations, for any image size.
    """
    fields = [
        nn.receptive_field(nn.Sequential(*(nn.conv2d(1, 1, 3) for _ in range(depth))))
        for depth in range(1, 11)
    ]
    assert fields == [(1 + 2 * depth,) * 2 for depth in range(1, 11)]
    net = nn.Sequential(
        nn.conv2d(1, 2, (3, 2), stride=(2, 1), seed=1, dtype="float64"),
        gc.tanh,
        nn.AveragePool(2),
        nn.conv2d(2, 1, 3, dilation=(1, 2), seed=2, dtype="float64"),
    )
    assert nn.receptive_field(net) == (1 + 2 + 2 + 2 * 4, 1 + 1 + 1 + 4 * 2)
    (x,) = feeds = symbols(x=S(0, 1, 1, 21, 19))
    slope = both(gc.grad(net(x)[0, 0, 0, 0], x), feeds)[0, 0]
    assert [int(k.max()) + 1 for k in np.nonzero(slope)] == [13, 11]
    assert net.parameter_count() == (6 + 1) * 2 + (18 + 1)
    image = gc.placeholder("image", ("n", 3, "h", "w"))
    layer = nn.conv2d(3, 5, 3, padding=1, bias=False)
    f = gc.compile([image], layer(image), target="reference")
    cost = f.cost.at(n=2, h=7, w=9)
    assert cost.flops == 2 * 2 * 7 * 9 * 3 * 5 * 3 * 3


@row("CNN-19", "graphc/vision/image_kernels.py")
def test_cnn_19_fixed_filters():
    """The sums of the kernels; Sobel's is a column times a row, and 8 times the slope of a ramp;
    SciPy filters alike; the identity changes nothing.
    """
    named = {
        "MEAN": 1, "GAUSSIAN": 1, "SHARPEN": 1, "SOBEL_ACROSS": 0, "SOBEL_DOWN": 0, "IDENTITY": 1
    }  # fmt: skip
    kernels = {name: getattr(image_kernels, name) for name in named}
    np.testing.assert_allclose([k.sum() for k in kernels.values()], list(named.values()))
    np.testing.assert_array_equal(kernels["SOBEL_ACROSS"], np.outer([1, 2, 1], [-1, 0, 1]))
    np.testing.assert_array_equal(kernels["SOBEL_DOWN"], np.outer([-1, 0, 1], [1, 2, 1]))
    steps = np.unique(np.round(kernels["GAUSSIAN"] * 273))
    np.testing.assert_array_equal(steps, [1, 4, 7, 16, 26, 41])
    ramp = np.add.outer(np.arange(6.0), 3 * np.arange(7.0))
    feeds = symbols(x=np.stack([ramp, S(2, 6, 7)])[None])
    (x,) = feeds
    found = both([vision.filter_image(x, k) for k in kernels.values()], feeds)
    for y, kernel in zip(found, kernels.values(), strict=True):
        meant = signal.correlate2d(S(2, 6, 7), kernel, "same")
        np.testing.assert_allclose(y[0, 1], meant, atol=1e-14)
    across, down = found[3], found[4]
    np.testing.assert_allclose(across[0, 0, 1:-1, 1:-1], 8 * 3)
    np.testing.assert_allclose(down[0, 0, 1:-1, 1:-1], 8)
    np.testing.assert_array_equal(found[5], feeds[x])


@row("CNN-20", "graphc/ops/convolutions/convolving.py")
def test_cnn_20_pattern_detector():
    """It says yes wherever the pattern stands, and no without it; the threshold has no slope, the
    score has that of the place where it is largest.
    """
    pattern = np.array([[1.0, -1, 1], [-1, 1, -1], [1, -1, 1]])
    images = np.zeros((5, 1, 8, 9))
    places = [(0, 0), (2, 5), (5, 6), (3, 1)]
    for image, (i, j) in zip(images, places, strict=False):
        image[0, i : i + 3, j : j + 3] = pattern
    images[4, 0, 2:5, 2:5] = 1
    feeds = symbols(x=images, w=pattern[None, None])
    x, w = feeds
    score = gc.max(nn.conv(x, w), axis=(1, 2, 3))
    seen = gc.astype(score >= 8.5, "float64")
    soft, by_x, by_w = both([seen, gc.grad(gc.sum(score), x), gc.grad(score[1], w)], feeds)
    np.testing.assert_array_equal(soft, [1, 1, 1, 1, 0])
    expected = np.zeros((8, 9))
    expected[2:5, 5:8] = pattern
    np.testing.assert_array_equal(by_x[1, 0], expected)
    np.testing.assert_array_equal(by_w[0, 0], pattern)
    hard = gc.grad(gc.sum(seen), x)
    assert not run(hard, feeds).any()
