"""Tiles of sums in registers: the vectors of the last columns, the rows behind the last."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops.settle import settled
from graphc.backends.loops.stmt import Assign, Declare, walk
from graphc.backends.lower.kernel import Call
from tests.lower.scheduled import program_of
from tests.support.products import assert_close


def draw(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


def product(ways: str, m: Any, k: Any, n: Any, dtype: Any = gc.float32) -> tuple[Any, Any, Any]:
    x = gc.placeholder("x", (k, m) if ways[0] == "T" else (m, k), dtype)
    y = gc.placeholder("y", (n, k) if ways[1] == "T" else (k, n), dtype)
    return x, y, (x.T if ways[0] == "T" else x) @ (y.T if ways[1] == "T" else y)


def widths(m: Any, k: Any, n: Any, dtype: Any = gc.float32) -> set[int]:
    """The lanes of the sums in the tiles of packed products."""
    x, y, z = product("NN", m, k, n, dtype)
    calls = [c for c in program_of([x, y], [z]).calls if isinstance(c, Call)]
    statements = [s for c in calls if c.kernel.name == "dot" for s in walk(c.kernel.body)]
    return {s.value.lanes for s in statements if isinstance(s, Declare) and "x" in s.name}


@pytest.mark.parametrize("n", [33, 40, 56, 97, 120, "n"], ids=str)
def test_few_columns_beyond_whole_vectors_take_half_a_vector(n: Any) -> None:
    assert widths(500, 50, n) == {8, 16}
    assert widths(500, 50, n, gc.float64) >= {8}


@pytest.mark.parametrize("n", [41, 64, 128])
def test_whole_vectors_hold_more_columns(n: Any) -> None:
    assert widths(500, 50, n) == {16}


@pytest.mark.parametrize("m", [16, 1024])
def test_of_known_rows_the_last_ones_are_known(m: int) -> None:
    """What may come behind a block's last row is asked only where that is not known."""
    x, y, z = product("NN", m, 256, 128)
    (call,) = [c for c in program_of([x, y], [z]).calls if isinstance(c, Call)]
    asked = [s for s in walk(settled(call.kernel).body) if isinstance(s, Assign)]
    assert asked and not any("min" in repr(s.value) for s in asked)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ways", ["NN", "NT", "TN", "TT"])
def test_no_column_of_half_a_vector_is_lost(ways: str, dtype: str) -> None:
    x, y, z = product(ways, "m", 17, "n", getattr(gc, dtype))
    run = gc.compile([x, y], z)
    for n in (1, 4, 5, 8, 9, 16, 17, 24, 25, 33, 40, 41, 64, 65, 72, 73):
        a, b = draw(75, 17, dtype=dtype), draw(17, n, dtype=dtype)
        stored = (a.T if ways[0] == "T" else a, b.T if ways[1] == "T" else b)
        assert_close(run(*map(np.ascontiguousarray, stored)), a, b)


@pytest.mark.parametrize("ways", ["NN", "NT", "TN", "TT"])
@pytest.mark.parametrize("n", [34, 56, 120, 182])
def test_known_columns_end_in_half_a_vector(n: int, ways: str) -> None:
    for dtype in (np.float32, np.float64):
        x, y, z = product(ways, 75, 300, n, getattr(gc, np.dtype(dtype).name))
        a, b = draw(75, 300, dtype=dtype), draw(300, n, dtype=dtype)
        stored = (a.T if ways[0] == "T" else a, b.T if ways[1] == "T" else b)
        assert_close(gc.compile([x, y], z)(*map(np.ascontiguousarray, stored)), a, b)


@pytest.mark.parametrize(
    ("summands", "most"),
    [(64, 1.0e-7), (128, 1.6e-7), (192, 1.9e-7), (256, 1.8e-7), (320, 1.8e-7), (784, 1.9e-7)],
)
def test_sums_in_registers_round_as_several_chains(summands: int, most: float) -> None:
    a, b = draw(192, summands), draw(summands, 192)
    x, y, z = product("NN", 192, summands, 192)
    want = a.astype(np.float64) @ b
    error = np.linalg.norm(gc.compile([x, y], z)(a, b) - want) / np.linalg.norm(want)
    assert error < most
