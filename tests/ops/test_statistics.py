"""Statistics against NumPy and SciPy, their extreme values, and their gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

from graphc.backends.reference import evaluate
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Tensor
from graphc.ops import statistics as s
from graphc.ops.reduction import sum
from graphc.ops.source import constant, placeholder
from graphc.passes.derivatives.differentiate import grad

X = np.random.default_rng(0).standard_normal((3, 4, 5))
INF, NAN = np.inf, np.nan


def run(f: Callable[..., Tensor], *arrays: Any, symbolic: bool = False) -> np.ndarray:
    arrays = tuple(np.asarray(a) for a in arrays)
    xs = [
        placeholder(f"x{i}", tuple("abc"[: a.ndim]) if symbolic else a.shape, a.dtype)
        for i, a in enumerate(arrays)
    ]
    (result,) = evaluate([f(*xs)], dict(zip(xs, arrays, strict=True)))
    return result


def gradient(f: Callable[[Tensor], Tensor], array: Any, weights: Any = 1.0) -> np.ndarray:
    """The gradient of the weighted sum of f."""
    array = np.asarray(array, np.float64)
    x = placeholder("x", array.shape, array.dtype)
    loss = sum(f(x) * constant(np.asarray(weights, np.float64)))
    (result,) = evaluate([grad(loss, x)], {x: array})
    return result


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
@pytest.mark.parametrize("name", ["mean", "var", "std", "ptp"])
def test_moments_are_numpys(name: str, axis: Any, keepdims: bool, symbolic: bool) -> None:
    result = run(lambda x: getattr(s, name)(x, axis, keepdims=keepdims), X, symbolic=symbolic)
    np.testing.assert_allclose(result, getattr(np, name)(X, axis, keepdims=keepdims))


def test_correction_lowers_the_count() -> None:
    np.testing.assert_allclose(run(lambda x: s.var(x, 0, correction=1), X), X.var(0, ddof=1))
    np.testing.assert_allclose(run(lambda x: s.std(x, correction=1), X), X.std(ddof=1))


def test_half_means_do_not_overflow() -> None:
    x = np.full(100, 1000, np.float16)
    assert run(s.mean, x) == 1000
    assert run(s.mean, x).dtype == np.float16


def test_integer_means_are_doubles() -> None:
    assert run(s.mean, np.array([1, 2], np.int32)).dtype == np.float64


def test_averages_are_weighted() -> None:
    w = np.arange(1.0, 5.0)
    np.testing.assert_allclose(
        run(lambda x, w: s.average(x, 1, w), X, w), np.average(X, 1, weights=w)
    )
    full = np.abs(X)
    np.testing.assert_allclose(
        run(lambda x, w: s.average(x, (0, 1), w), X, full), np.average(X, (0, 1), weights=full)
    )


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
def test_logsumexp_is_scipys(axis: Any) -> None:
    np.testing.assert_allclose(
        run(lambda x: s.logsumexp(x, axis), X * 300), scipy.special.logsumexp(X * 300, axis)
    )


@pytest.mark.parametrize(
    ("x", "expected"),
    [([-INF, -INF], -INF), ([-INF, 1.0], 1.0), ([INF, 1.0], INF), ([NAN, 1.0], NAN), ([], -INF)],
)
def test_logsumexp_of_extreme_rows(x: list[float], expected: float) -> None:
    if x:
        assert run(lambda t: s.logsumexp(t, -1), np.array([x]))[0] == pytest.approx(
            expected, nan_ok=True
        )


def test_logsumexp_has_softmax_for_gradient() -> None:
    x = X * 300
    np.testing.assert_allclose(
        gradient(lambda t: s.logsumexp(t, -1), x), scipy.special.softmax(x, -1), atol=1e-12
    )


def test_logsumexp_of_an_empty_mask_has_zero_gradient() -> None:
    np.testing.assert_array_equal(gradient(lambda t: s.logsumexp(t, -1), [-INF, -INF]), [0, 0])


def test_softmax_and_its_logarithm_are_scipys() -> None:
    x = X * 300
    np.testing.assert_allclose(run(s.softmax, x), scipy.special.softmax(x, -1), atol=1e-14)
    np.testing.assert_allclose(
        run(lambda t: s.log_softmax(t, 1), x), scipy.special.log_softmax(x, 1), rtol=1e-12
    )


def test_softmax_gradient_is_that_of_the_formula() -> None:
    g = np.random.default_rng(1).standard_normal(X.shape)
    y = scipy.special.softmax(X, -1)
    expected = y * (g - (g * y).sum(-1, keepdims=True))
    np.testing.assert_allclose(gradient(s.softmax, X, g), expected, atol=1e-12)


def test_masked_logits_get_no_gradient() -> None:
    got = gradient(lambda t: s.log_softmax(t)[..., 1:], [-INF, 0.0, 1.0])
    assert got[0] == 0
    assert np.isfinite(got).all()


@pytest.mark.parametrize(
    ("ord", "axis"),
    [
        (None, None),
        (None, 1),
        (None, (0, 2)),
        (2, 0),
        (1, -1),
        (0, 1),
        (3, 1),
        (INF, 1),
        (-INF, 1),
        ("fro", (0, 1)),
        (1, (0, 1)),
        (-1, (2, 0)),
        (INF, (1, 2)),
        (-INF, (0, 1)),
    ],
)
@pytest.mark.parametrize("keepdims", [False, True])
def test_norm_is_numpys(ord: Any, axis: Any, keepdims: bool) -> None:
    expected = np.linalg.norm(X.reshape(-1) if axis is None else X, ord, axis, keepdims)
    result = run(lambda x: s.norm(x, ord, axis, keepdims), X)
    np.testing.assert_allclose(result.reshape(expected.shape), expected)


def test_norm_of_zeros_has_zero_gradient() -> None:
    np.testing.assert_array_equal(gradient(s.norm, [0.0, 0.0]), [0, 0])
    np.testing.assert_allclose(gradient(s.norm, [3.0, 4.0]), [0.6, 0.8])


def test_norms_of_order_two_of_matrices_are_declined() -> None:
    with pytest.raises(DTypeError, match="2 is not an order of a matrix norm"):
        s.norm(placeholder("x", (3, 3)), 2)


def test_count_nonzero_is_numpys() -> None:
    x = np.array([[0, 1, 2], [0, 0, 3]])
    np.testing.assert_array_equal(
        run(lambda t: s.count_nonzero(t, 1), x), np.count_nonzero(x, axis=1)
    )


@pytest.mark.parametrize("axis", [None, 0, 1, 2])
@pytest.mark.parametrize("symbolic", [False, True])
def test_median_is_numpys(axis: int | None, symbolic: bool) -> None:
    x = X.copy()
    x[0, 1, 2] = NAN
    result = run(lambda t: s.median(t, axis), x, symbolic=symbolic)
    np.testing.assert_allclose(result, np.median(x, axis))


@pytest.mark.parametrize("axes", [(0, 1), (2, 0), (0, 1, 2), (1,)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_median_along_several_axes_is_numpys(axes: tuple[int, ...], keepdims: bool) -> None:
    for symbolic in (False, True):
        result = run(lambda t: s.median(t, axes, keepdims), X, symbolic=symbolic)
        np.testing.assert_allclose(result, np.median(X, axes, keepdims=keepdims))


def test_the_median_of_nothing_is_an_error() -> None:
    with pytest.raises(ShapeError, match="median: the median of no elements has no value"):
        s.median(placeholder("x", (0, 3)), 0)
