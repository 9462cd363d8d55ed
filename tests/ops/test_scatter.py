"""Gather, scatter and their user-level functions against NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphc as gc
from graphc.ir.errors import DTypeError, IndexRangeError, ShapeError
from graphc.ir.node import Tensor
from graphc.ops.indexing.gather import gather, take, take_along_axis
from graphc.ops.indexing.scatter import put_along_axis, scatter
from graphc.ops.reduction import sum as total
from graphc.ops.source import constant, placeholder
from graphc.passes.derivatives.differentiate import grad
from tests.support.compare import agrees, call
from tests.support.run import NATIVE, TARGETS, evaluate

X = np.random.default_rng(0).standard_normal((4, 3, 5))
TABLE = np.array([[0, -1, 3], [2, 2, -4]])


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_take_gives_what_numpy_gives(axis: Any) -> None:
    indices = np.array([[0, -1], [2, 1]])
    agrees(
        lambda x, i: take(x, i, axis), lambda x, i: np.take(x, i, axis), X, indices, targets=TARGETS
    )


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_take_with_every_kind_of_integer(dtype: Any) -> None:
    indices = np.array([3, 0, 2]).astype(dtype)
    agrees(lambda x, i: take(x, i, 0), lambda x, i: np.take(x, i, 0), X, indices, targets=TARGETS)


@pytest.mark.parametrize("mode", ["clip", "wrap"])
def test_take_outside_the_axis_follows_the_mode(mode: Any) -> None:
    indices = np.array([-9, -1, 0, 3, 4, 11])
    agrees(
        lambda x, i: take(x, i, 0, mode),
        lambda x, i: np.take(x, i, 0, mode=mode),
        X,
        indices,
        targets=TARGETS,
    )


@pytest.mark.parametrize("target", TARGETS)
def test_take_fills_what_lies_outside(target: str) -> None:
    for symbolic in (False, True):
        found = call(
            lambda x, i: take(x, i, 0, "fill", np.nan),
            X,
            np.array([-1, 2, 4]),
            symbolic=symbolic,
            target=target,
        )
        assert np.isnan(found[[0, 2]]).all()
        np.testing.assert_array_equal(found[1], X[2])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("wrong", [4, -5, 10**12])
@pytest.mark.parametrize("symbolic", [False, True])
def test_an_index_outside_fails_the_call(symbolic: bool, wrong: int, target: str) -> None:
    indices = np.array([0, wrong, 1])
    functions: list[Callable[..., Tensor]] = [
        lambda x, i: take(x, i, 0),
        lambda x, i: x.at[i].set(1.0),
    ]
    for f in functions:
        with pytest.raises(IndexRangeError, match=r"axis 0 of length (4|n4)"):
            call(f, X, indices, symbolic=symbolic, target=target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("mode", ["error", "clip", "wrap"])
def test_nothing_can_be_taken_from_an_empty_axis(mode: str, target: str) -> None:
    with pytest.raises(IndexRangeError):
        call(lambda x, i: take(x, i, 0, mode), X[:0], TABLE, symbolic=True, target=target)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_take_along_axis_gives_what_numpy_gives(axis: int) -> None:
    order = np.argsort(X, axis)
    agrees(
        lambda x, i: take_along_axis(x, i, axis),
        lambda x, i: np.take_along_axis(x, i, axis),
        X,
        order,
        targets=TARGETS,
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_put_along_axis_gives_what_numpy_gives(axis: int) -> None:
    order = np.argsort(X, axis)[::-1]

    def theirs(x: np.ndarray, i: np.ndarray, v: np.ndarray) -> np.ndarray:
        result = x.copy()
        np.put_along_axis(result, i, v, axis)
        return result

    agrees(lambda x, i, v: put_along_axis(x, i, v, axis), theirs, X, order, -X, targets=TARGETS)


@pytest.mark.parametrize("combine", ["set", "add", "mul", "max", "min"])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.float64])
@pytest.mark.parametrize("width", [1, 3, 200])
def test_duplicates_are_combined_in_order(combine: str, dtype: Any, width: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(-9, 9, (20, width)).astype(dtype)
    i = rng.integers(-20, 20, (7, 9))
    u = rng.integers(-9, 9, (7, 9, width)).astype(dtype)

    def theirs(x: np.ndarray, u: np.ndarray, i: np.ndarray) -> np.ndarray:
        result = x.copy()
        for k in np.ndindex(i.shape):
            old, new = result[i[k]], u[k]
            result[i[k]] = {
                "set": lambda old, new: new,
                "add": np.add,
                "mul": np.multiply,
                "max": np.maximum,
                "min": np.minimum,
            }[combine](old, new)
        return result

    agrees(
        lambda x, u, i: scatter(x, u, [i], [0], combine=combine), theirs, x, u, i, targets=NATIVE
    )


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 2), (2, 0), (0, 1, 2)])
def test_a_gathers_other_axes_come_last(axes: tuple[int, ...]) -> None:
    indices = [np.array([[0, 1, 2], [2, 1, 0]]) for _ in axes]
    front = np.moveaxis(X, axes, range(len(axes)))
    found = call(lambda x: gather(x, [constant(i) for i in indices], axes), X)
    np.testing.assert_array_equal(found, front[tuple(indices)])


@settings(max_examples=60)
@given(st.lists(st.integers(-5, 4), min_size=1, max_size=12), st.data())
def test_the_last_of_several_sets_stays_and_takes_the_gradient(
    places: list[int], data: st.DataObject
) -> None:
    x, u = placeholder("x", (5,), "float64"), placeholder("u", (len(places),), "float64")
    weights = np.arange(1.0, 6.0)
    loss = total(x.at[places].set(u) * weights)
    feeds = {x: np.zeros(5), u: np.arange(len(places)) + 1.0}
    for_x, for_u = evaluate(grad(loss, [x, u]), feeds)
    last = {p % 5: k for k, p in enumerate(places)}
    expected_u = np.zeros(len(places))
    for p, k in last.items():
        expected_u[k] = weights[p]
    np.testing.assert_array_equal(for_u, expected_u)
    expected_x = np.where(np.isin(np.arange(5), list(last)), 0, weights)
    np.testing.assert_array_equal(for_x, expected_x)


@pytest.mark.parametrize("factors", [[2, 3, 5], [2, 0, 5], [0, 0, 5], [0, 0, 0]])
def test_the_gradient_of_a_product_is_exact_with_zeros(factors: list[float]) -> None:
    x, u = placeholder("x", (2,), "float64"), placeholder("u", (3,), "float64")
    loss = total(x.at[[1, 1, 1]].multiply(u))
    feeds = {x: np.array([7.0, 11.0]), u: np.array(factors, float)}
    for_x, for_u = evaluate(grad(loss, [x, u]), feeds)
    np.testing.assert_array_equal(for_x, [1, np.prod(factors)])
    others = [11 * np.prod(factors[:k] + factors[k + 1 :]) for k in range(3)]
    np.testing.assert_array_equal(for_u, others)


def test_of_equal_extremes_the_first_takes_the_gradient() -> None:
    x, u = placeholder("x", (3,), "float64"), placeholder("u", (4,), "float64")
    loss = total(x.at[[0, 1, 1, 2]].max(u))
    feeds = {x: np.array([5.0, 1.0, 1.0]), u: np.array([5.0, 4.0, 4.0, 0.0])}
    for_x, for_u = evaluate(grad(loss, [x, u]), feeds)
    np.testing.assert_array_equal(for_x, [1, 0, 1])
    np.testing.assert_array_equal(for_u, [0, 1, 0, 0])


@pytest.mark.parametrize("target", TARGETS)
def test_the_gradient_of_an_embedding_adds_up_rows(target: str) -> None:
    table, ids = np.random.default_rng(2).standard_normal((9, 70)), np.array([3, 1, 3, 3, 0])
    found = call(
        lambda t, i, w: grad(total(take(t, i, 0) * w), t),
        table,
        ids,
        np.arange(350.0).reshape(5, 70),
        symbolic=True,
        target=target,
    )
    expected = np.zeros((9, 70))
    np.add.at(expected, ids, np.arange(350.0).reshape(5, 70))
    np.testing.assert_array_equal(found, expected)


def test_mistakes_are_named() -> None:
    x, i = placeholder("x", (4, 5)), placeholder("i", (2,), "int64")
    with pytest.raises(ShapeError, match=r"there is no mode 'raise'\n  a: x: f32\[4, 5\]"):
        take(x, [0], 0, "raise")
    with pytest.raises(DTypeError, match="indices are integers, not f32"):
        take(x, x, 0)
    with pytest.raises(ShapeError, match="axis 0 has length 4 in the array and 3 in the indices"):
        take_along_axis(x, placeholder("j", (3, 5), "int64"), 1)
    with pytest.raises(ShapeError, match=r"updates f32\[3, 5\] do not have the shape \(2, 5\)"):
        scatter(x, placeholder("u", (3, 5)), [i], [0])
    with pytest.raises(DTypeError, match='bools can be combined by "set", "max" and "min"'):
        placeholder("b", (4,), "bool").at[i].add(True)


@pytest.mark.parametrize("width", [0, 1, 3, 4, 9, 40, 200])
@pytest.mark.parametrize("rows", [1, 2, 17, 100])
def test_rows_of_named_widths_are_added_in_order(rows: int, width: int) -> None:
    rng = np.random.default_rng(width)
    x, v = (rng.standard_normal(s).astype("f4") for s in ((rows, width), (50, width)))
    i = rng.integers(-rows, rows, 50)
    a, b = gc.placeholder("a", ("n", "w")), gc.placeholder("b", ("k", "w"))
    t = gc.placeholder("t", ("k",), "int64")
    found = gc.compile([a, b, t], scatter(a, b, [t], [0], 0, "error", "add"))(x, v, i)
    for row, line in zip(i, v, strict=True):
        x[row] += line
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("combine", ["add", "set"])
@pytest.mark.parametrize(
    ("shape", "axis", "count"),
    [((10, 33), 0, 50), ((10, 100), 0, 3), ((3, 4, 70), 1, 30), ((40, 6), 1, 9), ((5, 513), 0, 20)],
)
def test_more_updates_than_elements_go_by_pieces_of_lines(
    shape: tuple[int, ...], axis: int, count: int, combine: str, symbolic: bool
) -> None:
    names = ["a", "b", "c"][: len(shape)]
    counts = "k" if symbolic else count
    sizes = names if symbolic else shape
    x = gc.placeholder("x", tuple(sizes))
    i = gc.placeholder("i", (counts,), "int64")
    updates = gc.placeholder("u", (*sizes[:axis], counts, *sizes[axis + 1 :]))
    y = getattr(x.at[(*(slice(None),) * axis, i)], combine)(updates)
    rng = np.random.default_rng(0)
    feeds = {
        x: rng.normal(size=shape).astype(np.float32),
        i: rng.integers(-shape[axis], shape[axis], count),
        updates: rng.normal(size=(*shape[:axis], count, *shape[axis + 1 :])).astype(np.float32),
    }
    (found,), (expected,) = (evaluate([y], feeds, target) for target in ("cpu", "reference"))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
