"""sort, argsort, topk and searches against NumPy."""

import functools
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphc.compile import compile
from graphc.ir.errors import IndexRangeError, ShapeError
from graphc.ops.indexing import searching as s
from graphc.ops.reduction import sum as total
from graphc.ops.sorting.sort import argsort, sort
from graphc.ops.sorting.topk import topk
from graphc.ops.source import placeholder
from graphc.passes.derivatives.differentiate import grad
from tests.support.compare import agrees, call
from tests.support.run import NATIVE, TARGETS, evaluate

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 21, 2))
TIES = RNG.integers(0, 4, (3, 50))
HOLES = np.array([2.0, np.nan, -0.0, np.inf, 0.0, -np.inf, np.nan, 1.0] * 3)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_sort_gives_what_numpy_gives(axis: Any) -> None:
    agrees(lambda x: sort(x, axis), lambda x: np.sort(x, axis), X, targets=TARGETS)


@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3"])
@pytest.mark.parametrize("dtype", ["int8", "float32", "float64"])
def test_one_line_of_any_length_is_sorted_by_narrow_vectors(isa: str, dtype: str) -> None:
    x = placeholder("x", ("n",), dtype)
    f = compile([x], [sort(x), argsort(x)], isa=isa)
    for n in (0, 1, 3, 9, 40, 300):
        values = RNG.integers(-9, 9, n).astype(dtype)
        ordered, order = f(values)
        np.testing.assert_array_equal(ordered, np.sort(values))
        np.testing.assert_array_equal(order, np.argsort(values, kind="stable"))


@pytest.mark.parametrize("array", [TIES, HOLES, TIES > 1, TIES.astype(np.uint8)])
def test_argsort_is_stable(array: np.ndarray) -> None:
    agrees(argsort, lambda x: np.argsort(x, -1, kind="stable"), array, targets=TARGETS)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 9, 16, 17, 33, 64, 65, 255, 300])
@pytest.mark.parametrize("target", NATIVE)
def test_lines_of_every_length_are_sorted(n: int, target: str) -> None:
    x = RNG.integers(0, max(n // 2, 1), (2, n)).astype(np.float32)
    agrees(argsort, lambda x: np.argsort(x, -1, kind="stable"), x, targets=[target])


#: Lines that fill vectors on no machine, one, or several; elements of none, some and many runs.
SIDE_BY_SIDE = [(1, 9), (3, 64), (4, 0), (5, 1), (16, 2), (17, 8), (33, 23), (40, 65), (19, 512)]


@pytest.mark.parametrize("symbolic", [True, False])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u4", "u8"])
def test_short_lines_are_sorted_side_by_side(dtype: str, symbolic: bool) -> None:
    for lines, n in SIDE_BY_SIDE if symbolic or dtype in ("f4", "f8") else SIDE_BY_SIDE[-2:]:
        run = sorts("n" if symbolic else n, np.dtype(dtype), "cpu", "m" if symbolic else lines)
        x = long_lines(np.dtype(dtype), n, lines)
        meant = sorts("n", x.dtype, "reference", "m")(x)
        for found, wanted in zip(run(x), meant, strict=True):
            assert found.tobytes() == wanted.tobytes()


LONG = [511, 512, 1023, 1025, 3000]
DTYPES = ["f2", "f4", "f8", "i1", "u2", "i4", "u4", "i8", "u8"]


@pytest.mark.parametrize("symbolic", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_long_lines_are_sorted_like_short_ones(dtype: str, symbolic: bool) -> None:
    """In one compilation for all lengths; and in one for each, all of them for float32 and two for
    other dtypes, of which the next one has others.
    """
    turn = DTYPES.index(dtype)
    lengths = LONG if symbolic or dtype == "f4" else {LONG[turn % 5], LONG[(turn + 2) % 5]}
    runs = {n: sorts("n" if symbolic else n, np.dtype(dtype), "cpu") for n in lengths}
    for n, run in runs.items():
        x = long_lines(np.dtype(dtype), n)
        meant = sorts(n, x.dtype, "reference")(x)
        *places, values = run(x)
        np.testing.assert_array_equal(places, meant[:2])
        expected = np.argsort(x, -1, kind="stable")
        assert values.tobytes() == np.take_along_axis(x, expected, 1).tobytes()


@functools.cache
def sorts(n: int | str, kind: np.dtype[Any], target: str, lines: int | str = 2) -> Any:
    """Places in both orders, and values."""
    x = placeholder("x", (lines, n), kind)
    outputs = [argsort(x), argsort(x, descending=True), sort(x)]
    return compile([x], outputs, target=target)


def long_lines(kind: np.dtype[Any], n: int, lines: int = 2) -> np.ndarray:
    """Lines with ties; floats with NaN, infinities and both zeros."""
    if kind.kind == "f":
        x = (RNG.standard_normal((lines, n)) * 9).round(n % 2).astype(kind)
        x[0, ::7], x[0, 1::50], x[1:2, ::5], x[1:2, 1::5] = np.nan, -np.inf, -0.0, 0.0
        return x
    limits = np.iinfo(kind) if n % 2 else range(90)
    low, high = (limits.min, limits.max) if n % 2 else (limits[0], limits[-1])
    return RNG.integers(low, high, (lines, n), dtype=kind, endpoint=True)


def test_long_lines_are_sorted_by_numba_too() -> None:
    for x in (RNG.standard_normal((2, 600)).astype("f4"), RNG.standard_normal((1, 600))):
        found = call(argsort, x, target="numba")
        np.testing.assert_array_equal(found, np.argsort(x, kind="stable"))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("array", [TIES, HOLES, HOLES.astype(ml_dtypes.bfloat16)])
def test_a_descending_sort_is_stable_and_puts_nan_first(array: np.ndarray, target: str) -> None:
    found = call(lambda x: argsort(x, descending=True), array, target=target)
    for line, order in zip(np.atleast_2d(array), np.atleast_2d(found), strict=True):
        keys = [(not np.isnan(float(v)), -float(v), k) for k, v in enumerate(line)]
        assert order.tolist() == [
            k for *_, k in sorted((nan, v if nan else 0, k) for nan, v, k in keys)
        ]


@settings(max_examples=100)
@given(hnp.arrays(np.float64, st.integers(0, 30), elements=st.floats(-3, 3)), st.booleans())
def test_the_gradient_goes_back_to_where_elements_came_from(array: Any, descending: bool) -> None:
    x = placeholder("x", array.shape, "float64")
    weights = np.arange(array.size) + 1.0
    (found,) = evaluate([grad(total(sort(x, descending=descending) * weights), x)], {x: array})
    (order,) = evaluate([argsort(x, descending=descending)], {x: array})
    np.testing.assert_array_equal(found[order], weights)


@pytest.mark.parametrize("k", [0, 1, 4, 21])
@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("target", TARGETS)
def test_topk_is_the_beginning_of_the_sort(k: int, largest: bool, target: str) -> None:
    for symbolic in (False, True):
        values, order = call(lambda x: topk(x, k, 1, largest), X, symbolic=symbolic, target=target)
        expected = np.argsort(-X if largest else X, 1, kind="stable")[:, :k]
        np.testing.assert_array_equal(order, expected)
        np.testing.assert_array_equal(values, np.take_along_axis(X, expected, 1))


@pytest.mark.parametrize("target", TARGETS)
def test_a_wide_topk_is_taken_from_a_sorted_line(target: str) -> None:
    x = RNG.integers(0, 30, (2, 100))
    values, order = call(lambda x: topk(x, 80), x, symbolic=True, target=target)
    expected = np.argsort(-x, -1, kind="stable")[:, :80]
    np.testing.assert_array_equal(order, expected)
    np.testing.assert_array_equal(values, np.take_along_axis(x, expected, -1))


@pytest.mark.parametrize("k", [22, 70])
@pytest.mark.parametrize("target", TARGETS)
def test_more_than_there_are_fails(k: int, target: str) -> None:
    with pytest.raises(ShapeError, match=f"cannot take {k} elements of axis 1"):
        topk(placeholder("x", (3, 21)), k)
    with pytest.raises(IndexRangeError):
        call(lambda x: topk(x, k, 1), X, symbolic=True, target=target)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("n", [0, 1, 5, 64])
def test_searchsorted_gives_what_numpy_gives(side: Any, n: int) -> None:
    line = np.sort(RNG.integers(0, 9, n)).astype(np.float64)
    values = np.array([[-1.0, 0, 3, 3.5], [8, 9, 100, np.nan]])
    agrees(
        lambda a, v: s.searchsorted(a, v, side),
        lambda a, v: np.searchsorted(a, v, side),
        line,
        values,
        targets=TARGETS,
    )


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u8"])
@pytest.mark.parametrize("n", [1, 7, 8, 100])
def test_many_values_are_searched_at_once(dtype: str, n: int) -> None:
    line = np.sort(RNG.integers(0, 90, n)).astype(dtype)
    values = RNG.integers(0, 99, (3, 43)).astype(dtype)
    if line.dtype.kind == "f":
        line[n // 2 + 1 :][-2:] = values[1, ::7] = np.nan
    for side in ("left", "right"):
        agrees(
            lambda a, v, side=side: s.searchsorted(a, v, side),
            lambda a, v, side=side: np.searchsorted(a, v, side),
            line,
            values,
            targets=["cpu"],
        )


def test_searchsorted_takes_the_order_of_an_unsorted_array() -> None:
    line = np.array([3, 1, 2])
    agrees(
        lambda a, v, o: s.searchsorted(a, v, sorter=o),
        lambda a, v, o: np.searchsorted(a, v, sorter=o),
        line,
        np.array([0, 2, 9]),
        np.argsort(line),
    )


@pytest.mark.parametrize("right", [False, True])
def test_digitize_gives_numpys_bins(right: bool) -> None:
    bins, x = np.array([0.0, 1, 2.5, 4]), np.array([-1.0, 0, 0.5, 2.5, 4, 9])
    agrees(lambda x, b: s.digitize(x, b, right), lambda x, b: np.digitize(x, b, right), x, bins)


def test_bincount_counts_and_sums() -> None:
    x, w = np.array([3, 1, 3, 0]), np.array([0.5, 2, 4, 8])
    agrees(
        lambda x: s.bincount(x, length=5), lambda x: np.bincount(x, minlength=5), x, targets=TARGETS
    )
    agrees(lambda x, w: s.bincount(x, w, length=5), lambda x, w: np.bincount(x, w, 5), x, w)
    with pytest.raises(IndexRangeError):
        call(lambda x: s.bincount(x, length=3), x)
    with pytest.raises(IndexRangeError):
        call(lambda x: s.bincount(x, length=3), -x)


def test_unravel_index_gives_what_numpy_gives() -> None:
    agrees(
        lambda i: s.unravel_index(i, (3, 4, 5)),
        lambda i: np.unravel_index(i, (3, 4, 5)),
        np.array([[0, 59], [23, 7]]),
        targets=TARGETS,
    )


@pytest.mark.parametrize("size", [2, 5, 9])
@pytest.mark.parametrize("target", TARGETS)
def test_nonzero_finds_the_first_ones_and_fills(size: int, target: str) -> None:
    x = np.array([[0, 3, 0], [1, 0, 2], [0, 0, 4]])
    for symbolic in (False, True):
        found = call(lambda x: s.nonzero(x, size, -1), x, symbolic=symbolic, target=target)
        for ours, theirs in zip(found, np.nonzero(x), strict=True):
            expected = np.full(size, -1)
            expected[: theirs.size] = theirs[:size]
            np.testing.assert_array_equal(ours, expected)
