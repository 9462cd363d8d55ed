"""Pooling: printed values, gradients to the first largest, bins, padding, symbolic sizes."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.errors import ShapeError
from tests.support.run import TARGETS, evaluate


def S(a, *shape):
    return np.sin(a + np.arange(np.prod(shape, dtype=int)).reshape(shape))


def checksum(y):
    return float(np.ravel(y) @ np.cos(np.arange(np.size(y))))


def image(array, symbolic=False):
    shape = (array.shape[0], array.shape[1], "h", "w") if symbolic else array.shape
    return gc.placeholder("x", shape, array.dtype)


def value(pool, array, target="cpu", symbolic=False):
    x = image(array, symbolic)
    return evaluate([pool(x)], {x: array}, target)[0]


def gradient(pool, array, weights, target="cpu"):
    """The gradient of the sum of a pooled image times weights."""
    x = image(array)
    (g,) = gc.grad(gc.sum(pool(x) * weights), [x])
    return evaluate([g], {x: array}, target)[0]


X = S(0, 2, 3, 6, 7)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("target", TARGETS)
def test_checksums(target, symbolic):
    found = [
        checksum(value(pool, X, target, symbolic))
        for pool in (
            lambda x: nn.max_pool(x, 2),
            lambda x: nn.max_pool(x, 3, 2),
            lambda x: nn.average_pool(x, 2),
            nn.global_average_pool,
        )
    ]
    expected = [3.619184896, -0.335829613, 1.347931620, -0.001736740]
    np.testing.assert_allclose(found, expected, atol=2e-9)


@pytest.mark.parametrize("target", TARGETS)
def test_gradient_of_overlapping_windows_has_its_checksum(target):
    shape = value(lambda x: nn.max_pool(x, 3, 2), X).shape
    wave = np.cos(np.arange(np.prod(shape))).reshape(shape)
    found = gradient(lambda x: nn.max_pool(x, 3, 2), X, wave, target)
    assert checksum(found) == pytest.approx(-3.875714042, abs=2e-9)


@pytest.mark.parametrize(("window", "stride"), [(2, 2), (2, 1), (3, 2)])
@pytest.mark.parametrize("target", TARGETS)
def test_gradient_goes_to_the_first_largest(window, stride, target):
    ones = np.ones((1, 1, 5, 5))
    x = image(ones)
    y = nn.max_pool(x, window, stride)
    (g,) = gc.grad(gc.sum(y), [x])
    expected = np.zeros((5, 5))
    count = (5 - window) // stride + 1
    expected[: count * stride : stride, : count * stride : stride] = 1
    np.testing.assert_array_equal(evaluate([g], {x: ones}, target)[0][0, 0], expected)


WINDOWS = [
    (3, 2, 1),
    (3, 2, "valid"),
    (2, 3, "valid"),
    (5, 2, "same"),
    ((3, 1), (2, 3), 0),
    (4, 3, 2),
]


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(("window", "stride", "padding"), WINDOWS)
def test_gradient_of_windows_is_their_transpose(window, stride, padding, symbolic):
    """What windows see of an image, times weights, is the image times the weights' gradient."""
    x = image(X, symbolic)
    seen = nn.image_windows(x, window, stride, padding)
    places = gc.cumsum(gc.reshape(gc.ones_like(seen), -1), axis=0)
    weighted = gc.sum(seen * gc.reshape(gc.sin(places), seen.shape))
    other = np.random.default_rng(0).normal(size=X.shape)
    for target in TARGETS:
        (gradient,) = evaluate([gc.grad(weighted, x)], {x: X}, target)
        (expected,) = evaluate([weighted], {x: other}, target)
        np.testing.assert_allclose((gradient * other).sum(), expected, rtol=1e-10)


@pytest.mark.parametrize("target", TARGETS)
def test_elements_that_no_window_sees_have_no_gradient(target):
    found = gradient(
        lambda x: nn.average_pool(x, 2), S(1, 1, 1, 5, 3), np.ones((1, 1, 2, 1)), target
    )
    np.testing.assert_array_equal(found[0, 0, 4], 0)
    np.testing.assert_array_equal(found[0, 0, :4, :2], 0.25)


@pytest.mark.parametrize("target", TARGETS)
def test_one_element_amid_padding_has_its_gradient(target):
    x = gc.placeholder("x", (1, 1, 1))
    for pool, slope in ((nn.max_pool, 1), (nn.average_pool, 1 / 3)):
        gradient = gc.grad(gc.sum(pool(x, 3, 2, padding=1)), x)
        (found,) = evaluate([gradient], {x: np.ones((1, 1, 1), np.float32)}, target)
        np.testing.assert_allclose(found, [[[slope]]], rtol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_padding_is_never_largest_and_nan_is(target):
    x = np.full((1, 1, 3, 3), -5.0)
    assert value(lambda x: nn.max_pool(x, 3, 2, padding=1), x, target).max() == -5
    x[0, 0, 1, 1] = np.nan
    assert np.isnan(value(lambda x: nn.max_pool(x, 3, padding=0), x, target)).all()


def test_integers_have_a_largest_too():
    x = -np.arange(18, dtype=np.int32).reshape(1, 2, 3, 3)
    found = value(lambda x: nn.max_pool(x, 2, 1, padding=1), x)
    assert found.dtype == np.int32
    assert found.max() == 0 and found.min() == -17


def test_means_with_and_without_padding():
    x = np.ones((1, 1, 4, 4))
    with_padding = value(lambda x: nn.average_pool(x, 3, 2, 1), x)
    without = value(lambda x: nn.average_pool(x, 3, 2, 1, count_padding=False), x)
    np.testing.assert_allclose(with_padding[0, 0, 0, 0], 4 / 9)
    np.testing.assert_allclose(without, 1)


def test_a_last_window_may_reach_beyond():
    x = np.arange(5.0).reshape(1, 1, 5)
    np.testing.assert_array_equal(value(lambda x: nn.max_pool(x, 2), x)[0, 0], [1, 3])
    np.testing.assert_array_equal(value(lambda x: nn.max_pool(x, 2, ceil=True), x)[0, 0], [1, 3, 4])
    np.testing.assert_array_equal(
        value(lambda x: nn.average_pool(x, 2, ceil=True), x)[0, 0], [0.5, 2.5, 4]
    )


def test_powers_lie_between_mean_and_largest():
    x = S(1, 1, 2, 4, 4)
    mean = value(lambda x: nn.power_pool(x, 2, 1.0), x)
    np.testing.assert_allclose(mean, value(lambda x: nn.average_pool(abs(x), 2), x), rtol=1e-12)
    high = value(lambda x: nn.power_pool(x, 2, 200.0), x)
    np.testing.assert_allclose(high, value(lambda x: nn.max_pool(abs(x), 2), x), rtol=1e-2)


@pytest.mark.parametrize("bins", [1, 3, (2, 5)])
def test_bins_cover_what_they_say(bins):
    x = S(0, 2, 2, 6, 7)
    rows, columns = (bins, bins) if isinstance(bins, int) else bins
    largest = value(lambda x: nn.adaptive_max_pool(x, bins), x)
    means = value(lambda x: nn.adaptive_average_pool(x, bins), x)
    for i in range(rows):
        for j in range(columns):
            part = x[:, :, i * 6 // rows : -(-(i + 1) * 6 // rows)]
            part = part[:, :, :, j * 7 // columns : -(-(j + 1) * 7 // columns)]
            np.testing.assert_array_equal(largest[:, :, i, j], part.max((2, 3)))
            np.testing.assert_allclose(means[:, :, i, j], part.mean((2, 3)), atol=1e-14)


def test_vectors_and_volumes_are_pooled_too():
    line, solid = S(0, 1, 2, 7), S(0, 1, 2, 4, 4, 4)
    np.testing.assert_array_equal(
        value(lambda x: nn.max_pool(x, 3), line), line[:, :, :6].reshape(1, 2, 2, 3).max(-1)
    )
    blocks = solid.reshape(1, 2, 2, 2, 2, 2, 2, 2)
    np.testing.assert_allclose(
        value(lambda x: nn.average_pool(x, 2), solid), blocks.mean((3, 5, 7)), atol=1e-14
    )


def test_image_without_spatial_axes_is_an_error():
    with pytest.raises(ShapeError, match=r"an image \(N, C, \*sizes\) is needed"):
        nn.max_pool(gc.placeholder("x", (2, 3)), 2)


def test_window_that_does_not_fit_is_an_error():
    with pytest.raises(ShapeError, match="a kernel spanning 4 elements does not fit 3"):
        nn.max_pool(gc.placeholder("x", (2, 3, 3)), 4)
