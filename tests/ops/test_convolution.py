"""Convolutions: printed values, identities, shapes known and symbolic, derivatives, errors."""

import itertools

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.errors import ShapeError
from tests.support.run import NATIVE, TARGETS, evaluate


def S(a, *shape):
    """sin(a + k), row-major."""
    return np.sin(a + np.arange(np.prod(shape, dtype=int)).reshape(shape))


def checksum(y):
    return float(np.ravel(y) @ np.cos(np.arange(np.size(y))))


def value(build, *arrays, target="cpu"):
    """The value of a function of tensors at arrays."""
    xs = [gc.placeholder(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
    return evaluate([build(*xs)], dict(zip(xs, arrays, strict=True)), target)[0]


X, W, B = S(0, 2, 3, 6, 7), S(1, 4, 3, 3, 3), S(2, 4)
OF_FOUR = S(0, 2, 4, 6, 7)


@pytest.mark.parametrize(
    ("x", "w", "options", "expected"),
    [
        (X, W, {"stride": 2, "padding": 1}, 0.243998397),
        (X, W, {"padding": "full"}, -0.957828272),
        (X, S(1, 4, 3, 1, 5), {}, -0.072474790),
        (X, W, {"dilation": 2, "padding": 2}, -40.248055845),
        (X, W, {"stride": 2, "dilation": 2, "padding": (2, 1)}, 0.219340462),
        (OF_FOUR, S(1, 6, 2, 3, 3), {"padding": 1, "groups": 2}, -1.002162379),
        (OF_FOUR, S(1, 4, 1, 3, 3), {"padding": 1, "groups": 4}, -1.951661160),
        (X, S(1, 5, 3, 1, 1), {}, -8.493917541),
        (S(0, 2, 3, 9), S(1, 4, 3, 3), {"stride": 2, "padding": 1}, 0.752712226),
        (S(0, 1, 2, 4, 5, 6), S(1, 3, 2, 3, 3, 3), {}, 0.028961540),
    ],
)
@pytest.mark.parametrize("target", TARGETS)
def test_checksums_of_convolutions(x, w, options, expected, target):
    y = value(lambda x, w: nn.conv(x, w, **options), x, w, target=target)
    assert checksum(y) == pytest.approx(expected, abs=2e-9)


@pytest.mark.parametrize("target", TARGETS)
def test_checksums_with_bias(target):
    with_bias = {}
    for padding in ("valid", 1):
        y = value(
            lambda x, w, b, p=padding: nn.conv(x, w, padding=p) + b.reshape((4, 1, 1)),
            X, W, B, target=target,
        )  # fmt: skip
        with_bias[padding] = checksum(y)
    assert with_bias["valid"] == pytest.approx(5.126322960, abs=2e-9)
    assert with_bias[1] == pytest.approx(12.633369371, abs=2e-9)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"stride": 2, "padding": 1, "output_padding": 1}, -26.753832615),
        ({}, -6.235745242),
        ({"stride": 2}, 2.119194881),
    ],
)
@pytest.mark.parametrize("target", TARGETS)
def test_checksums_of_transposed_convolutions(options, expected, target):
    y = value(
        lambda x, w: nn.conv_transpose(x, w, **options), S(0, 2, 3, 4, 5), S(1, 3, 2, 3, 3),
        target=target,
    )  # fmt: skip
    assert checksum(y) == pytest.approx(expected, abs=2e-9)


@pytest.mark.parametrize("target", TARGETS)
def test_gradients_have_their_checksums(target):
    xs = gc.placeholder("x", X.shape, "float64"), gc.placeholder("w", W.shape, "float64")
    y = nn.conv(*xs, stride=2, padding=1)
    wave = np.cos(np.arange(np.prod(y.shape))).reshape(y.shape)
    dx, dw = evaluate(gc.grad(gc.sum(y * wave), xs), dict(zip(xs, (X, W), strict=True)), target)
    assert checksum(dx) == pytest.approx(-0.034054959, abs=2e-9)
    assert checksum(dw) == pytest.approx(0.533342442, abs=2e-9)


@pytest.mark.parametrize("target", TARGETS)
def test_second_derivatives_have_their_checksums(target):
    xs = gc.placeholder("x", X.shape, "float64"), gc.placeholder("w", W.shape, "float64")
    y = nn.conv(*xs, stride=2, padding=1)
    (dx,) = gc.grad(gc.sum(gc.tanh(y)), xs[:1])
    square = gc.sum(dx * dx)
    found, dw = evaluate(
        [square, *gc.grad(square, xs[1:])], dict(zip(xs, (X, W), strict=True)), target
    )
    assert found == pytest.approx(124.302452164, abs=1e-6)
    assert checksum(dw) == pytest.approx(157.281460118, abs=1e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_true_convolution_of_vectors(target):
    a, v = np.array([2.0, -1, 1]), np.array([1.0, 1, 2])
    for mode in ("full", "same", "valid"):
        found = value(lambda a, v, m=mode: gc.convolve(a, v, m), a, v, target=target)
        np.testing.assert_allclose(found, np.convolve(a, v, mode))


def test_kernels_of_their_own_are_those_of_a_convolution_if_equal():
    x, w = S(0, 2, 3, 6), S(1, 2, 3, 3)
    local = value(lambda x, w: nn.conv_local(x, w), x, np.stack([w] * 4))
    np.testing.assert_allclose(local, value(nn.conv, x, w), atol=1e-12)
    own = value(nn.conv_local, x, S(1, 4, 2, 3, 3))
    assert checksum(own) == pytest.approx(0.871094327, abs=2e-9)


def test_transposed_convolution_is_the_adjoint():
    x, y, w = S(0, 2, 3, 7, 6), S(5, 2, 4, 3, 3), S(1, 4, 3, 3, 2)
    there = value(lambda x, w: nn.conv(x, w, stride=(2, 2)), x, w)
    back = value(lambda y, w: nn.conv_transpose(y, w, stride=(2, 2)), y, w)
    np.testing.assert_allclose(np.sum(there * y), np.sum(back * x[:, :, :, :6]), rtol=1e-12)


def by_hand(x, w, stride, before, after, dilation, groups):
    """A convolution over two axes, element by element."""
    x = np.pad(x, ((0, 0), (0, 0), *zip(before, after, strict=True)))
    n, c, *_ = x.shape
    o, each, *taps = w.shape
    out = [
        (d - (k - 1) * r - 1) // s + 1
        for d, k, r, s in zip(x.shape[2:], taps, dilation, stride, strict=True)
    ]
    y = np.zeros((n, o, *out), x.dtype)
    for f, i, j in itertools.product(range(o), *map(range, out)):
        first = f // (o // groups) * (c // groups)
        rows = i * stride[0] + dilation[0] * np.arange(taps[0])
        columns = j * stride[1] + dilation[1] * np.arange(taps[1])
        seen = x[:, first : first + each][:, :, rows][:, :, :, columns]
        y[:, f, i, j] = np.sum(seen * w[f], axis=(1, 2, 3))
    return y


# Channels that fill vectors and such that do not, blocks with remainders, strides, groups.
SIZES = [
    ((2, 16, 9, 11), (20, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 32, 7, 7), (48, 32, 3, 3), (2, 2), (1, 1), (1, 1), 1),
    ((3, 1, 12, 20), (6, 1, 5, 5), (1, 1), (2, 2), (1, 1), 1),
    ((2, 6, 14, 17), (16, 6, 5, 4), (1, 2), (0, 3), (2, 1), 1),
    ((2, 32, 6, 5), (32, 16, 2, 3), (1, 1), (0, 1), (1, 1), 2),
    ((2, 17, 6, 35), (17, 1, 3, 3), (1, 1), (1, 1), (1, 2), 17),
    ((5, 3, 33, 18), (13, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
    ((1, 16, 5, 5), (130, 16, 1, 1), (1, 1), (0, 0), (1, 1), 1),
]


@pytest.mark.parametrize(("image", "kernel", "stride", "pad", "dilation", "groups"), SIZES)
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("target", NATIVE)
def test_convolution_is_the_sum_by_hand(
    image, kernel, stride, pad, dilation, groups, symbolic, target
):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=image), rng.normal(size=kernel)
    shape = ("n", image[1], "h", "w") if symbolic else image
    x, w = gc.placeholder("x", shape, "float64"), gc.placeholder("k", kernel, "float64")
    y = nn.conv(x, w, stride, pad, dilation, groups)
    expected = by_hand(a, b, stride, pad, pad, dilation, groups)
    found = evaluate([y], {x: a, w: b}, target)[0]
    np.testing.assert_allclose(found, expected, atol=1e-11)


@pytest.mark.parametrize(("image", "kernel", "stride", "pad", "dilation", "groups"), SIZES)
@pytest.mark.parametrize("target", NATIVE)
def test_gradients_are_those_of_the_reference(image, kernel, stride, pad, dilation, groups, target):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=image), rng.normal(size=kernel)
    x, w = gc.placeholder("x", image, "float64"), gc.placeholder("k", kernel, "float64")
    y = nn.conv(x, w, stride, pad, dilation, groups)
    loss = gc.sum(gc.tanh(y / 10) * rng.normal(size=y.shape))
    gradients = gc.grad(loss, [x, w])
    expected = evaluate(gradients, {x: a, w: b})
    for got, want in zip(evaluate(gradients, {x: a, w: b}, target), expected, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-11)


def test_padding_may_differ_before_and_after():
    x, w = S(0, 1, 2, 5, 6), S(1, 3, 2, 2, 3)
    found = value(lambda x, w: nn.conv(x, w, padding=[(2, 0), (1, 3)]), x, w)
    np.testing.assert_allclose(found, by_hand(x, w, (1, 1), (2, 1), (0, 3), (1, 1), 1), atol=1e-12)


@pytest.mark.parametrize("size", [5, 6, "n"])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding_keeps_size_over_stride(size, stride):
    x = gc.placeholder("x", (1, 1, size))
    y = nn.conv(x, np.ones((1, 1, 4), "float32"), stride, "same")
    for n in (5, 6) if size == "n" else (size,):
        (found,) = evaluate([y], {x: np.ones((1, 1, n), "float32")}, "cpu")
        assert found.shape[2] == -(-n // stride)


def test_spread_puts_zeros_between_elements():
    x, w = S(0, 1, 2, 4), S(1, 3, 2, 2)
    wide = np.zeros((1, 2, 10))
    wide[:, :, ::3] = x
    found = value(lambda x, w: nn.conv(x, w, spread=3), x, w)
    np.testing.assert_allclose(found, value(nn.conv, wide, w), atol=1e-12)


def test_vmap_over_images_and_kernels():
    x, w = S(0, 3, 2, 4, 6), S(1, 3, 5, 4, 2)
    mapped = value(lambda x, w: gc.vmap(nn.conv)(x, w), x, w)
    for k in range(3):
        np.testing.assert_allclose(mapped[k], value(nn.conv, x[k], w[k]), atol=1e-12)


def test_shape_error_says_what_the_kernels_take():
    x, w = gc.placeholder("x", (2, 3, 8, 8)), gc.placeholder("w", (4, 5, 3, 3))
    with pytest.raises(ShapeError, match="x has 3 channels, but the kernels take 5"):
        nn.conv(x, w)


def test_kernel_larger_than_its_image_is_an_error():
    x, w = gc.placeholder("x", (2, 3, 8)), gc.placeholder("w", (4, 3, 5))
    with pytest.raises(ShapeError, match="a kernel spanning 9 elements does not fit 8"):
        nn.conv(x, w, dilation=2)


def test_wrong_padding_is_an_error():
    x, w = gc.placeholder("x", (2, 3, 8, 8)), gc.placeholder("w", (4, 3, 3, 3))
    with pytest.raises(ShapeError, match="padding is"):
        nn.conv(x, w, padding="some")


def test_a_step_that_is_no_integer_is_an_error():
    with pytest.raises(ShapeError, match=r"stride is an int or 1 ints of at least 1, not 1\.0"):
        nn.conv(gc.zeros((1, 1, 4)), gc.zeros((1, 1, 2)), 1.0)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "bool"])
def test_convolution_of_whole_numbers_is_exact(dtype, target):
    a, v = np.array([100, 3, 0, 0, 77], dtype), np.array([1, 0, 12], dtype)
    a = a + np.array(2**60, dtype) if dtype == "int64" else a
    for mode in ("full", "same", "valid"):
        found = value(lambda a, v, m=mode: gc.convolve(a, v, m), a, v, target=target)
        np.testing.assert_array_equal(found, np.convolve(a, v, mode))
        assert found.dtype == a.dtype
