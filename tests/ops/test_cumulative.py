"""Running reductions, differences and linear recurrences against NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc.backends.reference import evaluate
from graphc.compile import compile
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Tensor
from graphc.ops import cumulative as c
from graphc.ops.recurrence import linear_recurrence
from graphc.ops.reduction import prod, sum
from graphc.ops.source import placeholder
from graphc.passes.derivatives.differentiate import grad

X = np.random.default_rng(0).standard_normal((3, 4, 5))


def run(f: Callable[..., Tensor], *arrays: np.ndarray) -> np.ndarray:
    xs = [placeholder(f"x{i}", a.shape, a.dtype) for i, a in enumerate(arrays)]
    (result,) = evaluate([f(*xs)], dict(zip(xs, arrays, strict=True)))
    return result


def gradient(f: Callable[[Tensor], Tensor], array: Any) -> np.ndarray:
    """The gradient of the sum of f."""
    array = np.asarray(array, np.float64)
    x = placeholder("x", array.shape, array.dtype)
    (result,) = evaluate([grad(sum(f(x)), x)], {x: array})
    return result


@pytest.mark.parametrize("axis", [0, 1, -1, None])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (c.cumsum, np.add),
        (c.cumprod, np.multiply),
        (c.cummax, np.maximum),
        (c.cummin, np.minimum),
        (c.cumlogsumexp, np.logaddexp),
    ],
)
def test_running_is_accumulating(ours: Any, theirs: Any, axis: int | None, reverse: bool) -> None:
    x = X.reshape(-1) if axis is None else X
    x = np.flip(x, axis or 0) if reverse else x
    expected = theirs.accumulate(x, axis=axis or 0)
    expected = np.flip(expected, axis or 0) if reverse else expected
    np.testing.assert_allclose(run(lambda t: ours(t, axis, reverse=reverse), X), expected)


def test_integers_are_summed_wide() -> None:
    x = np.full(4, 100, np.int8)
    result = run(lambda t: c.cumsum(t, 0), x)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, [100, 200, 300, 400])


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([2.0, 3.0, 4.0], [1 + 3 + 12, 2 + 8, 6]),
        ([2.0, 0.0, 4.0], [1.0, 2 + 8, 0.0]),
        ([0.0, 0.0, 4.0], [1.0, 0.0, 0.0]),
    ],
)
def test_cumprod_has_its_gradient_at_zeros(x: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(gradient(lambda t: c.cumprod(t, 0), x), expected)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([2.0, 3.0, 4.0], [12.0, 8.0, 6.0]),
        ([2.0, 0.0, 4.0], [0.0, 8.0, 0.0]),
        ([0.0, 0.0, 4.0], [0.0, 0.0, 0.0]),
    ],
)
def test_prod_has_its_gradient_at_zeros(x: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(gradient(lambda t: prod(t), x), expected)


def test_prod_has_its_second_gradient_at_two_zeros() -> None:
    x = placeholder("x", (3,), "float64")
    first = grad(prod(x), x)
    (second,) = evaluate([grad(first[0], x)], {x: np.array([0.0, 0.0, 4.0])})
    np.testing.assert_array_equal(second, [0, 4, 0])


def test_cummax_sends_the_gradient_to_the_first_of_equals() -> None:
    got = gradient(lambda t: c.cummax(t, 0), [1.0, 3.0, 3.0, 2.0, 5.0])
    np.testing.assert_array_equal(got, [1, 3, 0, 0, 1])


def test_cummin_in_reverse_sends_the_gradient_back() -> None:
    got = gradient(lambda t: c.cummin(t, 0, reverse=True), [1.0, 3.0, 2.0])
    np.testing.assert_array_equal(got, [1, 0, 2])


def test_cumlogsumexp_has_a_gradient_through_minus_infinity() -> None:
    got = gradient(lambda t: c.cumlogsumexp(t, 0), [-np.inf, 0.0, 0.0])
    np.testing.assert_allclose(got, [0, 1.5, 0.5])


def test_cumlogsumexp_does_not_overflow() -> None:
    x = np.array([1000.0, 1000.0])
    np.testing.assert_allclose(run(lambda t: c.cumlogsumexp(t, 0), x), [1000, 1000 + np.log(2)])


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("axis", [0, -1])
def test_diff_is_numpys(n: int, axis: int) -> None:
    np.testing.assert_allclose(run(lambda t: c.diff(t, n, axis), X), np.diff(X, n, axis))


def test_diff_of_bools_says_where_they_change() -> None:
    x = X > 0
    np.testing.assert_array_equal(run(lambda t: c.diff(t), x), np.diff(x))


def test_recurrence_runs_both_ways() -> None:
    a, b = np.array([9.0, 2, 3]), np.array([1.0, 1, 1])
    np.testing.assert_array_equal(run(linear_recurrence, a, b), [1, 3, 10])
    back = run(lambda a, b: linear_recurrence(a, b, reverse=True), a, b)
    np.testing.assert_array_equal(back, [28, 3, 1])


def test_an_axis_out_of_range_is_named() -> None:
    with pytest.raises(ShapeError, match="axis 2 is out of range for 1 dimensions"):
        c.cumsum(placeholder("x", (3,)), 2)


def test_cumlogsumexp_is_of_floats() -> None:
    with pytest.raises(DTypeError, match="does not take i64"):
        c.cumlogsumexp(placeholder("x", (3,), "int64"), 0)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(
    "shape", [(5, 300), (1, 129), (3, 4, 131), (2, 5, 3, 70), (0, 200), (7, 0)]
)
def test_lines_go_along_an_axis_together(shape: tuple[int, ...], symbolic: bool) -> None:
    value = np.random.default_rng(shape).normal(size=shape).astype(np.float32)
    axis = max(0, len(shape) - 3)
    x = placeholder("x", tuple("abcd")[: len(shape)] if symbolic else shape)
    outputs = [c.cumsum(x, axis), c.cumsum(x, axis, reverse=True), c.cummax(x, axis)]
    outputs.append(c.cumlogsumexp(x, axis))
    for got, y in zip(compile([x], outputs)(value), outputs, strict=True):
        np.testing.assert_allclose(got, evaluate([y], {x: value})[0], 1e-5, 1e-5)
