"""Convolutions with a kernel of its own for each channel: values, gradients, and their kernels."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.support.run import TARGETS, evaluate


def drawn(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def agrees(build, arrays, target, names=None):
    """Holds a function of tensors, and its gradients, against the reference."""
    shapes = names or [a.shape for a in arrays]
    xs = [
        gc.placeholder(f"x{k}", shape, a.dtype)
        for k, (a, shape) in enumerate(zip(arrays, shapes, strict=True))
    ]
    y = build(*xs)
    results = [y, *gc.grad(gc.sum(gc.sin(y)), xs)]
    given = dict(zip(xs, arrays, strict=True))
    found = evaluate(results, given, target)
    for ours, expected in zip(found, evaluate(results, given, "reference"), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [12, 16, 37, 96])
def test_each_channel_has_its_kernel(channels, stride, target):
    x, w = drawn(2, channels, 7, 10), drawn(channels, 1, 3, 3)
    agrees(lambda x, w: nn.conv(x, w, stride, 1, groups=channels), [x, w], target)


@pytest.mark.parametrize(
    ("image", "kernel", "options"),
    [
        ((1, 16, 1, 1), (16, 1, 3, 3), {"padding": 1}),
        ((1, 16, 5, 1), (16, 1, 5, 5), {"padding": 2}),
        ((2, 20, 9, 8), (20, 1, 2, 3), {"padding": "full"}),
        ((1, 16, 9, 11), (16, 1, 3, 3), {"dilation": 2, "padding": (2, 1)}),
        ((1, 16, 11, 9), (16, 1, 3, 3), {"stride": 3}),
        ((1, 16, 6, 6), (16, 1, 1, 1), {}),
        ((2, 96, 5, 4), (96, 1, 1, 1), {"stride": 2}),
        ((2, 17, 23), (17, 1, 4), {"stride": 2, "padding": 1}),
        ((1, 16, 4, 5, 3), (16, 1, 2, 3, 1), {}),
        ((0, 16, 6, 6), (16, 1, 3, 3), {"padding": 1}),
        ((1, 16, 7, 7), (32, 1, 3, 3), {"padding": 1}),
    ],
)
def test_shapes_of_images_and_kernels(image, kernel, options):
    build = lambda x, w: nn.conv(x, w, groups=image[1], **options)  # noqa: E731  # two names
    agrees(build, [drawn(*image), drawn(*kernel)], "cpu")


@pytest.mark.parametrize("size", [1, 2, 31])
def test_sizes_unknown_until_a_call(size):
    x, w = drawn(3, 16, size, size + 1), drawn(16, 1, 3, 3)
    build = lambda x, w: nn.conv(x, w, padding=1, groups=16)  # noqa: E731  # two names
    agrees(build, [x, w], "cpu", [("n", 16, "h", "v"), (16, 1, 3, 3)])


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_bottleneck(stride, constant):
    arrays = [drawn(1, 8, 9, 9), drawn(48, 8, 1, 1), drawn(48, 1, 3, 3), drawn(8, 48, 1, 1)]

    def build(x, *kernels):
        wide, each, narrow = map(gc.constant, arrays[1:]) if constant else kernels
        y = gc.clip(nn.conv(x, wide), 0, 6)
        y = gc.clip(nn.conv(y, each, stride, 1, groups=48), 0, 6)
        return nn.conv(y, narrow)

    agrees(build, arrays[:1] if constant else arrays, "cpu")


@pytest.mark.parametrize("shape", [(2, 16, 7, 9), ("n", 16, "h", "v")])
@pytest.mark.parametrize("padding", [1, ((0, 1), (0, 1)), ((1, 0), (0, 0)), ((0, -1), (0, 0))])
def test_a_product_that_sees_beyond_the_images_finds_zeros(padding, shape):
    x, each, narrow = drawn(2, 16, 7, 9), drawn(16, 1, 3, 3), drawn(24, 16, 1, 1)
    a = gc.placeholder("a", shape)
    y = gc.exp(nn.conv(a, gc.constant(each), padding=1, groups=16) / 9)
    y = nn.conv(y, gc.constant(narrow), padding=padding)
    (found,), (expected,) = (evaluate([y], {a: x}, target) for target in ("cpu", "reference"))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_values_that_are_not_numbers_stay_within_their_channel():
    x, w = drawn(1, 16, 5, 5), drawn(16, 1, 3, 3)
    x[0, 3, 2, 2], x[0, 5, 0, 0] = np.nan, np.inf
    a = gc.placeholder("a", x.shape, "float32")
    y = nn.conv(a, gc.constant(w), padding=1, groups=16)
    (found,), (expected,) = (evaluate([y], {a: x}, target) for target in ("cpu", "reference"))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def kernel_of_taps(f):
    """The loops of the one kernel that adds up taps."""
    (kernel,) = (k for k in f.dump("loops").split("\n\n") if "fma" in k)
    return kernel


def test_channels_fill_the_vectors():
    x, w = gc.placeholder("x", (1, 32, 9, 9), "float32"), drawn(32, 1, 3, 3)
    f = gc.compile([x], [nn.conv(gc.exp(x), gc.constant(w), padding=1, groups=32)])
    assert "0 .. 32 vector" in kernel_of_taps(f)


def test_what_several_taps_see_is_computed_once():
    x, w = gc.placeholder("x", (1, 32, 9, 9), "float32"), drawn(32, 1, 3, 3)
    f = gc.compile([x], [nn.conv(gc.exp(x), gc.constant(w), padding=1, groups=32)])
    assert "exp" not in kernel_of_taps(f)


def test_images_are_not_copied_into_zeros():
    x, w = gc.placeholder("x", (1, 32, 9, 9), "float32"), drawn(32, 1, 3, 3)
    f = gc.compile([x], [nn.conv(gc.exp(x), gc.constant(w), padding=1, groups=32)])
    assert all("place" not in k.ops for k in f.kernels)


def test_kernels_of_many_taps():
    x, w = drawn(2, 16, 9, 11), drawn(16, 1, 8, 7)
    agrees(lambda x, w: nn.conv(x, w, padding=3, groups=16), [x, w], "cpu")


@pytest.mark.parametrize("channels", [2, 5])
@pytest.mark.parametrize("target", TARGETS)
def test_few_channels_are_convolved_along_lines(channels, target):
    x, w = drawn(2, channels, 8, 21), drawn(channels, 1, 3, 3)
    agrees(lambda x, w: nn.conv(x, w, padding=1, groups=channels), [x, w], target)


def test_along_lines_taps_are_written_one_after_the_other():
    x, w = gc.placeholder("x", (1, 4, 9, 40), "float32"), gc.placeholder("w", (4, 1, 3, 3))
    f = gc.compile([x, w], [nn.conv(x, w, groups=4)])
    (kernel,) = (k for k in f.dump("loops").split("\n\n") if " sum= " in k)
    assert kernel.count("unroll") == 2
    assert "0 .. 38 vector" in kernel


def test_a_maximum_over_windows_is_taken_for_a_line_at_once():
    x = gc.placeholder("x", (1, 4, 9, 40), "float32")
    f = gc.compile([x], [nn.max_pool(x, 3, 1)])
    (kernel,) = (k for k in f.dump("loops").split("\n\n") if " max= " in k)
    assert "0 .. 38 vector" in kernel


def test_a_kernel_does_not_order_the_windows_that_it_multiplies():
    x, w = gc.placeholder("x", (1, 16, 9, 9), "float32"), gc.placeholder("w", (16, 1, 3, 3))
    f = gc.compile([x, w], [gc.exp(nn.conv(gc.exp(x), w, padding=1, groups=16))])
    (kernel,) = (k for k in f.dump("loops").split("\n\n") if "fma" in k)
    assert "0 .. 16 vector" in kernel
