"""Maps that read along another axis than they are stored, against NumPy, and which these are."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.nests.turned import plan_turned
from graphc.passes.fusion.fuse import fuse

CASES = [
    ((40, 33), (1, 0)), ((1, 50), (1, 0)), ((50, 17), (1, 0)), ((3, 16, 20), (0, 2, 1)),
    ((2, 5, 4, 19), (0, 3, 1, 2)), ((16, 2, 31), (2, 1, 0)), ((0, 16), (1, 0)), ((16, 0), (1, 0)),
]  # fmt: skip


def draw(dtype: Any, shape: Any) -> np.ndarray:
    return np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype.numpy)


@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3", "host"])
@pytest.mark.parametrize("dtype", [gc.float32, gc.float64, gc.int32], ids=str)
@pytest.mark.parametrize(("shape", "order"), CASES, ids=str)
def test_transpositions(shape: Any, order: Any, dtype: Any, isa: str) -> None:
    x = gc.placeholder("x", shape, dtype)
    run = gc.compile([x], gc.transpose(x, order) * 3, isa=isa)
    given = draw(dtype, shape)
    assert np.array_equal(run(given), given.transpose(order) * 3)


@pytest.mark.parametrize("rows", [0, 1, 7, 16, 33, 100])
def test_one_compilation_serves_all_sizes(rows: int) -> None:
    x, y = gc.placeholder("x", ("n", "m")), gc.placeholder("y", ("m",))
    run = gc.compile([x, y], x.T + y[:, None])
    for columns in (0, 1, 15, 16, 40):
        a, b = draw(gc.float32, (rows, columns)), draw(gc.float32, (columns,))
        assert np.array_equal(run(a, b), a.T + b[:, None])


def test_zeros_around_a_transposition() -> None:
    x = gc.placeholder("x", (3, 10, 9, 18))
    run = gc.compile([x], gc.pad(gc.transpose(x, (0, 3, 1, 2)), ((0, 0), (0, 0), (2, 1), (4, 4))))
    given = draw(gc.float32, x.shape)
    wanted = np.pad(given.transpose(0, 3, 1, 2), ((0, 0), (0, 0), (2, 1), (4, 4)))
    assert np.array_equal(run(given), wanted)


def test_checked_elements_of_a_transposition_are_checked_still() -> None:
    x, k = gc.placeholder("x", (20, 30)), gc.placeholder("k", (20,), gc.int64)
    run = gc.compile([x, k], gc.transpose(gc.take(x, k, axis=0)) + 1)
    given, rows = draw(gc.float32, x.shape), np.arange(20)[::-1].copy()
    assert np.array_equal(run(given, rows), given[rows].T + 1)
    with pytest.raises(IndexError):
        run(given, rows + 1)


def turned(*shape: int, order: Any) -> bool:
    x = gc.transpose(gc.placeholder("x", shape), order) + 1
    (body,) = fuse([x])
    return plan_turned(body, Schedule()) is not None


def test_only_what_is_read_far_apart_is_turned() -> None:
    assert turned(40, 30, order=(1, 0))
    assert turned(4, 30, 20, order=(0, 2, 1))
    assert not turned(4, 30, 20, order=(1, 0, 2)), "lines stay lines"
    assert not turned(40, 3, order=(1, 0)), "steps of three are loaded together"


@pytest.mark.parametrize("shape", [(1, 70), (63, 64), (65, 130), (200, 9), (64, 129)], ids=str)
@pytest.mark.parametrize("named", [True, False], ids=["named", "fixed"])
def test_squares_of_wide_elements_lie_side_by_side(shape: tuple[int, int], named: bool) -> None:
    x = gc.placeholder("x", ("n", "m") if named else shape, gc.float64)
    given = draw(gc.float64, shape)
    assert np.array_equal(gc.compile([x], x.T + 1)(given), given.T + 1)
