"""concat, stack and repetitions against NumPy."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.dtypes import float64
from graphc.ir.errors import ShapeError
from graphc.ops import joining as j
from graphc.ops.source import placeholder
from tests.support.compare import agrees
from tests.support.run import TARGETS

A = np.arange(6.0).reshape(2, 3)
B = -np.arange(8.0).reshape(2, 4)


@pytest.mark.parametrize("axis", [1, -1])
def test_concat_joins_axes_of_different_lengths(axis: int) -> None:
    agrees(
        lambda a, b: j.concat([a, b, a], axis),
        lambda a, b: np.concatenate([a, b, a], axis),
        A,
        B,
        targets=TARGETS,
    )


def test_concat_without_an_axis_flattens() -> None:
    agrees(lambda a, b: j.concat([a, b], None), lambda a, b: np.concatenate([a, b], None), A, B)


def test_concat_promotes_dtypes() -> None:
    integers = np.array([[1], [2]], np.int32)
    agrees(lambda a, b: j.concat([a, b], 1), lambda a, b: np.concatenate([a, b], 1), A, integers)
    assert j.concat([placeholder("x", (2,), "float64"), [1, 2]]).dtype is float64


def test_a_mismatch_names_the_axis() -> None:
    with pytest.raises(ShapeError, match="concat: axis 0 has length 2 in one operand and 3"):
        j.concat([placeholder("a", (2, 3)), placeholder("b", (3, 3))], 1)
    with pytest.raises(ShapeError, match=r"stack: arrays of one shape needed, not \(2\) and \(n\)"):
        j.stack([placeholder("a", (2,)), placeholder("b", ("n",))])
    with pytest.raises(ShapeError, match=r"hint: use gc\.stack"):
        j.concat([placeholder("a", ())])


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_stack_adds_an_axis(axis: int) -> None:
    agrees(lambda a: j.stack([a, a], axis), lambda a: np.stack([a, a], axis), A, targets=TARGETS)


def test_hstack_and_vstack_join_vectors_and_matrices() -> None:
    for array in (A, A[0], np.float64(2)):
        agrees(lambda a: j.hstack([a, a]), lambda a: np.hstack([a, a]), array)
        agrees(lambda a: j.vstack([a, a]), lambda a: np.vstack([a, a]), array)


@pytest.mark.parametrize("counts", [2, (2,), (2, 1), (3, 1, 2), (0, 1)])
def test_tile_lays_copies_out(counts: Any) -> None:
    agrees(lambda a: j.tile(a, counts), lambda a: np.tile(a, counts), A, targets=TARGETS)


@pytest.mark.parametrize(("count", "axis"), [(3, None), (2, 0), (2, -1), (0, 1)])
def test_repeat_repeats_each_element(count: int, axis: Any) -> None:
    agrees(
        lambda a: j.repeat(a, count, axis),
        lambda a: np.repeat(a, count, axis),
        A,
        targets=TARGETS,
    )


def test_repeat_takes_a_count_per_element() -> None:
    agrees(
        lambda a: j.repeat(a, [2, 0, 1], 1),
        lambda a: np.repeat(a, [2, 0, 1], 1),
        A,
        symbolic=[False],
    )


@pytest.mark.parametrize(
    ("shift", "axis"), [(1, None), (-2, 1), (7, 0), ((1, -1), (0, 1)), (1, (0, 1)), (0, 0)]
)
def test_roll_moves_elements_round(shift: Any, axis: Any) -> None:
    agrees(lambda a: j.roll(a, shift, axis), lambda a: np.roll(a, shift, axis), A, targets=TARGETS)


def test_roll_of_nothing_is_nothing() -> None:
    agrees(lambda a: j.roll(a, 3, 0), lambda a: np.roll(a, 3, 0), A[:0], targets=TARGETS)


@pytest.mark.parametrize("shift", [1, -1, 2, -7])
def test_roll_moves_any_number_of_elements(shift: int) -> None:
    x = gc.placeholder("x", ("n", "m"))
    run = gc.compile([x], [gc.roll(x, shift, 0), gc.roll(x, (shift, -shift), (0, 1)) - x])
    for shape in ((0, 3), (1, 1), (2, 5), (3, 0), (7, 33), (65, 2)):
        a = np.random.default_rng(shape).random(shape, np.float32)
        first, second = run(a)
        np.testing.assert_array_equal(first, np.roll(a, shift, 0))
        np.testing.assert_array_equal(second, np.roll(a, (shift, -shift), (0, 1)) - a)


def test_roll_by_one_divides_by_no_length() -> None:
    x = gc.placeholder("x", ("n",))
    texts = [gc.compile([x], [gc.roll(x, k) + gc.roll(x, -k)]).dump("vectors") for k in (1, 2)]
    assert ["% max(" in text for text in texts] == [False, True]
