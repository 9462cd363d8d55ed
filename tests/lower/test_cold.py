"""A row is multiplied by constants that come from memory: shared out evenly, and asked for."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.building import program_of
from graphc.backends.loops.stmt import Prefetch, walk
from graphc.backends.lower.kernel import Call, Schedule
from graphc.machine import TYPICAL
from graphc.passes.pipeline import Graph, optimise
from tests.lower.scheduled import function
from tests.support.products import assert_close


def drawn(*shape: int) -> Any:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def asked(output: Any, schedule: Schedule) -> int:
    """How many statements ask for what comes later."""
    program = program_of(optimise(Graph((x_of(output),), (output,))), schedule)
    kernels = [call.kernel for call in program.calls if isinstance(call, Call)]
    return sum(isinstance(s, Prefetch) for kernel in kernels for s in walk(kernel.body))


def x_of(output: Any) -> Any:
    return output.node.inputs[0]


@pytest.mark.parametrize("turned", [False, True])
def test_constants_that_no_cache_holds_are_asked_for(turned: bool) -> None:
    x = gc.placeholder("x", (1, 800))
    w = gc.constant(drawn(700, 800)).transpose((1, 0)) if turned else gc.constant(drawn(800, 700))
    assert asked(x @ w, Schedule(cold=True)) > 0
    assert asked(x @ w, Schedule()) == 0


def test_rows_that_keep_the_processor_busy_ask_for_panels_alone() -> None:
    x, w = gc.placeholder("x", (6, 800)), gc.constant(drawn(800, 700))
    assert asked(x @ w, Schedule(cold=True)) == asked(x @ w, Schedule())


def test_a_program_knows_whether_a_cache_holds_its_constants() -> None:
    x, n = gc.placeholder("x", (1, 1024)), TYPICAL.shared // 4096
    large, small = (gc.constant(drawn(1024, k)) for k in (n, n // 16))
    y = gc.tanh(x @ small)
    assert asked(x @ small, Schedule()) == 0
    graph = optimise(Graph((x,), (y, x @ large)))
    kernels = [c.kernel for c in program_of(graph, Schedule()).calls if isinstance(c, Call)]
    assert all(any(isinstance(s, Prefetch) for s in walk(k.body)) for k in kernels)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_asking_changes_no_bit(rows: int, turned: bool) -> None:
    x, a, b = gc.placeholder("x", (rows, 800)), drawn(rows, 800), drawn(800, 700)
    w = gc.constant(b.T.copy()).transpose((1, 0)) if turned else gc.constant(b)
    (cold,), (warm,) = (function([x], [x @ w], Schedule(cold=c))(a) for c in (True, False))
    assert cold.tobytes() == warm.tobytes()
    assert_close(cold, a, b)


def test_a_row_takes_panels_one_by_one() -> None:
    x, w = gc.placeholder("x", (1, 768)), gc.constant(drawn(768, 2304))
    assert "dot, chunks 36" in gc.compile([x], x @ w).dump("memory")


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("written", [False, True])
def test_variables_that_one_row_reads_are_asked_for_beside_such_constants(
    turned: bool, written: bool
) -> None:
    """A cache of keys or values, of which this call replaces a line."""
    cache, line = gc.variable(drawn(12, 512, 64)), gc.placeholder("line", (12, 1, 64))
    known = gc.dynamic_update_slice(cache, line, [3], [1], mode="clip") if written else cache
    x = gc.placeholder("x", (12, 1, 64 if turned else 512))
    y = x @ (known.transpose((0, 2, 1)) if turned else known)
    updates = {cache: known} if written else {}

    def prefetches(schedule: Schedule) -> int:
        graph = optimise(Graph((x, line), (y,), tuple(updates.items())))
        calls = [call for call in program_of(graph, schedule).calls if isinstance(call, Call)]
        return sum(isinstance(s, Prefetch) for c in calls for s in walk(c.kernel.body))

    assert prefetches(Schedule(cold=True)) > 0
    assert prefetches(Schedule()) == 0
