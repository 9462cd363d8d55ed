"""Slices, flips, splits, and blocks at dynamic places, against NumPy."""

from typing import Any

import numpy as np
import pytest

from graphc.ir.errors import DTypeError, IndexRangeError, ShapeError
from graphc.ops.indexing.dynamic_slicing import dynamic_slice, dynamic_update_slice
from graphc.ops.indexing.slicing import flip, split, unstack
from graphc.ops.source import placeholder
from tests.support.compare import agrees, call
from tests.support.run import TARGETS

X = np.random.default_rng(0).standard_normal((4, 6, 3))


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), ()])
def test_flip_reverses_axes(axis: Any) -> None:
    agrees(lambda x: flip(x, axis), lambda x: np.flip(x, axis), X, targets=TARGETS)


@pytest.mark.parametrize("sections", [2, 3, [1, 4], [4, 2], [-2], [0, 9]])
def test_split_gives_numpys_parts(sections: Any) -> None:
    agrees(lambda x: split(x, sections, 1), lambda x: np.split(x, sections, 1), X, symbolic=[False])


def test_split_of_a_symbolic_axis_clamps_positions() -> None:
    agrees(lambda x: split(x, [1, 4], 1), lambda x: np.split(x, [1, 4], 1), X, targets=TARGETS)


def test_a_product_of_a_size_can_be_split() -> None:
    x = placeholder("x", ("n", 4))
    assert [y.shape for y in split(x.reshape(-1), 4)] == [(x.shape[0],)] * 4


def test_split_into_a_number_of_parts_that_is_not_known_is_an_error() -> None:
    x = placeholder("x", ("n", 2))
    with pytest.raises(ShapeError, match="split into n parts, a number that is not known"):
        split(x, x.shape[0])  # type: ignore[arg-type]


def test_split_into_unequal_parts_is_an_error() -> None:
    with pytest.raises(ShapeError, match="axis 0 of length 4 cannot be split into 3 equal parts"):
        split(placeholder("x", (4,)), 3)
    with pytest.raises(ShapeError, match="axis 0 of length n cannot be split into 3 equal parts"):
        split(placeholder("x", ("n",)), 3)


def test_unstack_gives_the_slices() -> None:
    agrees(lambda x: unstack(x, 1), lambda x: list(np.moveaxis(x, 1, 0)), X, symbolic=[False])
    with pytest.raises(ShapeError, match="axis 0 has length n, which is not known"):
        unstack(placeholder("x", ("n",)))


@pytest.mark.parametrize("target", TARGETS)
def test_sums_of_shifted_slices_fuse_to_the_right_value(target: str) -> None:
    agrees(
        lambda x: x[1:] * 2 - x[:-1] + x[::-1][1:],
        lambda x: x[1:] * 2 - x[:-1] + x[::-1][1:],
        X,
        targets=[target],
    )


@pytest.mark.parametrize("mode", ["error", "clip"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_dynamic_slice_is_the_slice(target: str, mode: str) -> None:
    for start in (0, 1, 2):
        found = call(
            lambda x, i: dynamic_slice(x, [i, 1], (2, 3), axes=(0, 1), mode=mode),
            X,
            np.int32(start),
            symbolic=True,
            target=target,
        )
        np.testing.assert_array_equal(found, X[start : start + 2, 1:4])


@pytest.mark.parametrize("target", TARGETS)
def test_a_dynamic_update_replaces_the_block(target: str) -> None:
    block = np.full((2, 6, 3), 7.0)
    found = call(
        lambda x, b, i: dynamic_update_slice(x, b, i, axes=[0]),
        X,
        block,
        np.int64(1),
        symbolic=True,
        target=target,
    )
    expected = X.copy()
    expected[1:3] = block
    np.testing.assert_array_equal(found, expected)


def test_a_negative_start_counts_from_the_end() -> None:
    found = call(lambda x, i: dynamic_slice(x, i, [2], axes=[0]), X, np.int64(-3))
    np.testing.assert_array_equal(found, X[1:3])


def test_clip_moves_the_block_to_where_it_fits() -> None:
    for start, first in ((-5, 0), (9, 2)):
        found = call(lambda x, i: dynamic_slice(x, i, [2], [0], "clip"), X, np.int64(start))
        np.testing.assert_array_equal(found, X[first : first + 2])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("start", [3, -5])
@pytest.mark.parametrize("symbolic", [False, True])
def test_a_block_that_does_not_fit_fails_the_call(start: int, symbolic: bool, target: str) -> None:
    start_ = np.int64(start)
    with pytest.raises(IndexRangeError, match="axis 0 of length"):
        call(
            lambda x, i: dynamic_slice(x, i, [2], [0]), X, start_, symbolic=symbolic, target=target
        )


@pytest.mark.parametrize("target", TARGETS)
def test_a_block_longer_than_the_axis_fails_in_either_mode(target: str) -> None:
    for mode in ("error", "clip"):
        with pytest.raises(IndexRangeError, match="axis 0 of length"):
            call(
                lambda x, i, mode=mode: dynamic_slice(x, i, [9], [0], mode),
                X,
                np.int64(0),
                symbolic=True,
                target=target,
            )


def test_errors_of_dynamic_slices_say_what_is_wrong() -> None:
    x, i = placeholder("x", (4, 5)), placeholder("i", (), "int64")
    with pytest.raises(ShapeError, match="a block of 5 elements in axis 0 of length 4"):
        dynamic_slice(x, [i, i], [5, 1])
    with pytest.raises(ShapeError, match=r"1 starts for the axes \(0, 1\)"):
        dynamic_slice(x, [i], [2])
    with pytest.raises(ShapeError, match="axis 1 has length 2 in the block and 5 in the array"):
        dynamic_update_slice(x, placeholder("b", (2, 2)), [i], axes=[0])
    with pytest.raises(DTypeError, match="starts are integer scalars"):
        dynamic_slice(x, [placeholder("f", ())], [2], axes=[0])
