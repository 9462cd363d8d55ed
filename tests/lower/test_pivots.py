"""Sums of exponentials by lines read all once, and give what the reference gives, wherever the
largest argument is.
"""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphc as gc
from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.nests import pivots
from graphc.backends.reference import evaluate
from graphc.ir.dtypes import float32
from graphc.ir.node import Tensor
from tests.lower.scheduled import function, program_of
from tests.math.harness import compiled as compiled_function

SIZES = (("a", "b", "c"), ("a", "b", "b2", "c"))


def sums(x: Tensor) -> list[Tensor]:
    axes = tuple(range(1, x.ndim - 1))
    m = gc.max(x, axis=axes)
    return [gc.logsumexp(x, axis=axes), m]


def checked(shape: tuple[int, ...], fixed: bool = True) -> Callable[[np.ndarray], None]:
    x = gc.placeholder("x", shape if fixed else SIZES[len(shape) - 3])
    outputs = sums(x)
    compiled = function([x], outputs, Schedule())

    def check(value: np.ndarray) -> None:
        with np.errstate(all="ignore"):
            wanted = evaluate(outputs, {x: value})
        for got, want in zip(compiled(value), wanted, strict=True):
            np.testing.assert_allclose(got, want, 3e-7, 1e-6)

    return check


def text(inputs: list[Tensor], outputs: list[Tensor]) -> str:
    calls = program_of(inputs, outputs, Schedule()).calls
    return "".join(repr(call.kernel) for call in calls)  # type: ignore[union-attr]


def test_all_is_read_once_unless_the_pivot_is_far() -> None:
    x = gc.placeholder("x", (3, 70, 1030))
    assert "far" in text([x], sums(x))
    assert "far" not in text([x], [gc.max(x, axis=1), gc.sum(gc.exp(x), axis=1) * 2])


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 70])
@pytest.mark.parametrize("fixed", [True, False])
def test_pivots_of_few_lines(rows: int, fixed: bool) -> None:
    shape = (2, rows, 130) if rows != 70 else (2, 7, 10, 130)
    value = np.random.default_rng(rows).normal(0, 2, shape).astype(np.float32)
    checked(shape, fixed)(value)


def test_sums_of_no_lines_are_zero() -> None:
    x = gc.placeholder("x", ("a", "b", "c"))
    m = gc.max(x, axis=1, keepdims=True)
    m = gc.where(gc.isfinite(m), m, 0.0)
    compiled = function([x], [gc.sum(gc.exp(x - m), axis=1)], Schedule())
    (got,) = compiled(np.zeros((2, 0, 100), np.float32))
    np.testing.assert_array_equal(got, np.zeros((2, 100), np.float32))


@pytest.mark.parametrize("first", [-np.inf, np.inf, np.nan, -3e38, -1000, -20, 0, 20, 3e38])
@pytest.mark.parametrize("later", [-np.inf, np.inf, np.nan, -3e38, -1000, -20, 0, 20, 3e38])
def test_special_and_distant_values(first: float, later: float) -> None:
    value = np.full((1, 11, 100), later, np.float32)
    value[:, : pivots.FIRST] = first
    value[:, 8, ::3] = 1.5
    CHECK_ELEVEN(value)


CHECK_ELEVEN = checked((1, 11, 100))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 60), st.floats(-90, 90))
def test_values_of_any_spread(seed: int, spread: float, centre: float) -> None:
    rng = np.random.default_rng(seed)
    value = rng.normal(centre, spread, (1, 11, 100)) + rng.normal() * np.arange(11)[:, None]
    CHECK_ELEVEN(value.astype(np.float32))


def test_sums_are_as_exact_where_the_pivot_is_just_near() -> None:
    """The sum itself, which counts more in softmax than in a logarithm."""
    x = gc.placeholder("x", (1, 70, 512))
    m = gc.max(x, axis=1, keepdims=True)
    s = gc.sum(gc.exp(x - gc.where(gc.isfinite(m), m, 0.0)), axis=1)
    value = np.random.default_rng(3).normal(0, 1, (1, 70, 512)).astype(np.float32)
    value[:, :4] -= np.float32(pivots.FAR - 9)
    (got,) = function([x], [s], Schedule())(value)
    y = value.astype(np.float64)
    want = np.exp(y - y.max(1, keepdims=True)).sum(1)
    np.testing.assert_allclose(got, want, 1e-6)


def test_indices_that_are_made_on_the_way_are_checked() -> None:
    x, table = gc.placeholder("x", ("a", "b", 700)), gc.placeholder("table", (50, 700))
    y = gc.logsumexp(table[x[:, :, 0].astype("int64")], axis=1)
    assert "far" in text([x, table], [y])
    f = gc.compile([x, table], y)
    value, rows = np.full((2, 30, 700), 49, np.float32), np.ones((50, 700), np.float32)
    np.testing.assert_allclose(f(value, rows), 1 + np.log(30), 1e-6)
    value[1, 7, 0] = 50
    with pytest.raises(gc.IndexRangeError, match="index 50 is out of range"):
        f(value, rows)


def test_exponentials_of_a_sum_are_exact_enough_up_to_any_pivot() -> None:
    """Half a unit and what rounding the difference costs anyway; special values stay."""
    exp = compiled_function("summand_exp", float32)
    x = np.linspace(-86, 88, 100_001, dtype=np.float32)
    want = np.exp(x.astype(np.float64))
    assert np.all(np.abs(exp(x) / want - 1) <= 2.0**-24 * (2 + np.abs(x) / 8))
    special = np.array([-np.inf, -3e38, -1e10, -200, np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(exp(special), [0, 0, 0, 0, np.inf, np.nan])


def test_sums_that_overflow_are_taken_again() -> None:
    value = np.full((1, 11, 100), 0.5, np.float32)
    value[0, 5] = 87
    value[0, 6, ::2] = -np.inf
    CHECK_ELEVEN(value)
