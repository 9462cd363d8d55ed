"""What products ask for before they need it, and how their chains of sums are added up."""

from typing import Any

import pytest

import graphc as gc
from graphc.backends.loops.stmt import LoopKernel, Prefetch, Store, walk
from graphc.backends.lower.kernel import Call, Schedule
from graphc.ir.node import Tensor
from tests.lower.scheduled import program_of


def kernel(outputs: list[Tensor], *inputs: Tensor) -> LoopKernel:
    calls = program_of(list(inputs), outputs, Schedule()).calls
    (found,) = (c.kernel for c in calls if isinstance(c, Call) and c.kernel.name == "dot")
    return found


def matrices(m: Any, k: Any, n: Any) -> tuple[Tensor, Tensor]:
    return gc.placeholder("x", (m, k)), gc.placeholder("y", (k, n))


def to_write(k: LoopKernel) -> list[str]:
    return [s.buffer for s in walk(k.body) if isinstance(s, Prefetch) and s.written]


@pytest.mark.parametrize("size", [1024, "n"], ids=str)
def test_a_tile_asks_for_the_lines_of_its_results(size: Any) -> None:
    x, y = matrices(size, size, size)
    assert to_write(kernel([x @ y], x, y)) == ["o0"] * 4


def test_half_as_many_lines_hold_results_of_half_the_bytes() -> None:
    x, y = matrices(1024, 1024, 1024)
    z = x @ y
    asked = to_write(kernel([z, gc.astype(z, gc.float16)], x, y))
    assert (asked.count("o0"), asked.count("o1")) == (4, 2)


def test_narrow_tiles_ask_for_no_results() -> None:
    x, y = matrices(1024, 1024, 32)
    assert not to_write(kernel([x @ y], x, y))


@pytest.mark.parametrize(("columns", "asks"), [(1024, True), (128, False)])
def test_packing_asks_for_lines_that_lie_far_apart(columns: int, asks: bool) -> None:
    x, y = matrices(1024, 1024, columns)
    walked = walk(kernel([x @ y], x, y).body)
    asked = [s for s in walked if isinstance(s, Prefetch) and s.buffer == "a1"]
    assert bool(asked) is asks


def test_packing_asks_for_rows_side_by_side_that_lie_far_apart() -> None:
    x, y = gc.placeholder("x", (1024, 1024)), gc.placeholder("y", (1024, 256))
    walked = walk(kernel([x.T @ y], x, y).body)
    assert [s for s in walked if isinstance(s, Prefetch) and s.buffer == "a0"]


def test_sums_of_chains_are_added_without_masks() -> None:
    x, y = matrices(1024, 1024, 1024)
    stores = [s for s in walk(kernel([x @ y], x, y).body) if isinstance(s, Store)]
    sums = [s.value for s in stores if s.buffer == "p.sums"]
    assert sums and not any(v.op == "select" or "select" in str(v) for v in sums)


@pytest.mark.parametrize(("rows", "asked"), [(1, 0), (2, 8), (3, 9), (5, 6)])
def test_some_rows_ask_in_turn_for_lines_of_a_large_matrix(rows: int, asked: int) -> None:
    x, y = matrices(rows, 2048, 1500)
    calls = program_of([x, y], [x @ y], Schedule()).calls
    (sums, _) = (c.kernel for c in calls if isinstance(c, Call))
    assert len([s for s in walk(sums.body) if isinstance(s, Prefetch)]) == asked
