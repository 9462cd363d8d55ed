"""The plan of memory: no two live values overlap, dead ones make room, sizes may be symbolic."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.lower.kernel import Nested, Schedule
from graphc.backends.memory import ALIGNMENT, GAP, LARGE, holder
from graphc.backends.program import Program
from graphc.ir.dim_values import evaluate
from graphc.ir.node import Tensor
from tests.fuzz.graphs import SIZES, draw_case
from tests.lower.scheduled import program_of


def programs(whole: Program) -> Iterator[Program]:
    """A program and those nested in it."""
    left = [whole]
    while left:
        program = left.pop()
        yield program
        left += [p for call in program.calls if isinstance(call, Nested) for p in call.programs]


def intervals(program: Program, sizes: dict[str, int]) -> list[tuple[int, int, int, int]]:
    """(first call, last call, begin, end) of every value in the arena, in bytes of it."""
    lives: dict[object, list[int]] = {}
    needs: dict[object, int] = {}
    for k, call in enumerate(program.calls):
        for buffer in map(holder, call.arguments):
            place = program.plan.places[buffer]
            if place.kind == "arena":
                lives.setdefault(buffer, []).append(k)
                bytes_ = buffer.type.bytes if isinstance(buffer, Tensor) else buffer.bytes
                needs[buffer] = evaluate(bytes_, sizes)
    found = []
    for buffer, calls in lives.items():
        slot = program.plan.slots[program.plan.places[buffer].number]  # type: ignore[index]
        begin = evaluate(slot.offset, sizes)
        assert needs[buffer] <= evaluate(slot.bytes, sizes)
        found.append((calls[0], calls[-1], begin, begin + needs[buffer]))
    return found


def check(whole: Program, sizes: dict[str, int]) -> None:
    for program in programs(whole):
        arena = evaluate(program.plan.arena_bytes, sizes)
        found = intervals(program, sizes)
        for _, _, begin, end in found:
            assert begin % ALIGNMENT == 0 and end <= arena
        for (a, b, begin, end), (c, d, other, limit) in itertools.combinations(found, 2):
            assert b < c or d < a or end <= other or limit <= begin


@pytest.mark.parametrize("seed", range(12))
def test_no_two_live_values_overlap_in_random_graphs(seed: int) -> None:
    case = draw_case(seed)
    program = program_of(list(case.feeds), [*case.outputs, *case.gradients()], Schedule())
    for sizes in ((1, 1), (3, 7), (1000, 2), (0, 5)):
        check(program, dict(zip(SIZES, sizes, strict=True)))


def test_no_two_live_values_overlap_in_loops() -> None:
    x = gc.placeholder("x", ("n", 5))
    w = gc.variable(np.eye(5, dtype=np.float32))
    last, rows = gc.scan(
        lambda c, v: (gc.tanh(gc.cumsum(c @ w) + gc.sort(v)), gc.sum(c * v)), gc.zeros((5,)), x
    )
    loss = gc.sum(last) + gc.sum(rows)
    run = gc.compile([x], loss, {w: w - gc.grad(loss, [w])[0]})
    assert run.program is not None
    assert sum(1 for _ in programs(run.program)) > 1
    for n in (0, 1, 100):
        check(run.program, {"n": n})


def test_a_chain_takes_two_slots_however_long_it_is() -> None:
    x = gc.placeholder("x", ("n", 1000))
    y = x
    for _ in range(12):
        y = gc.cumsum(y, axis=1)
    run = gc.compile([x], y)
    arena = run.memory.at(n=3).arena
    assert isinstance(arena, int) and 2 * 12000 <= arena < 2 * (12000 + ALIGNMENT + GAP)


@pytest.mark.parametrize("size", [LARGE // 4, "n"])
def test_large_values_begin_at_places_of_a_page_of_their_own(size: int | str) -> None:
    x = gc.placeholder("x", (size,))
    y = [gc.cumsum(gc.cumsum(x * k)) for k in range(2, 6)]
    run = gc.compile([x], sum(y[1:], y[0]))
    assert run.program is not None
    slots = [s for s in run.program.plan.slots if evaluate(s.bytes, {"n": LARGE // 4}) >= LARGE]
    starts = [evaluate(s.offset, {"n": LARGE // 4}) % 4096 for s in slots]
    assert len(starts) > 1 and len(set(starts)) == min(len(starts), 4096 // ALIGNMENT)


def test_slots_of_symbolic_size_grow_where_that_is_provable() -> None:
    x = gc.placeholder("x", ("n", 10))
    wide = gc.cumsum(gc.cumsum(x, axis=1), axis=1)
    y = gc.cumsum(gc.concat([wide, wide], axis=1), axis=1)
    run = gc.compile([x], gc.cumsum(gc.cumsum(y, axis=1), axis=1))
    assert run.program is not None
    assert len(run.program.plan.slots) == 2


def test_values_larger_than_each_other_in_turn_do_not_share() -> None:
    x, y = gc.placeholder("x", ("n",)), gc.placeholder("y", ("m",))
    a, b = gc.cumsum(gc.cumsum(x)), gc.cumsum(gc.cumsum(y))
    run = gc.compile([x, y], (gc.cumsum(a), gc.cumsum(b)))
    assert run.program is not None
    for sizes in ({"n": 5, "m": 900}, {"n": 900, "m": 5}):
        check(run.program, sizes)
    one, two = np.ones(900, np.float32), np.ones(5, np.float32)
    np.testing.assert_array_equal(run(one, two)[0], one.cumsum().cumsum().cumsum())
    np.testing.assert_array_equal(run(two, one)[1], one.cumsum().cumsum().cumsum())


def test_peak_memory_counts_everything_once() -> None:
    x = gc.placeholder("x", ("n", 4))
    w = gc.variable(np.ones((4, 8), np.float32))
    memory = gc.compile([x], x @ w, {w: w * 2}).memory.at(n=10)
    assert (memory.inputs, memory.outputs, memory.variables) == (160, 320, 128)
    assert memory.peak == memory.arena + 160 + 320 + 128


def test_results_are_right_when_the_arena_is_reused() -> None:
    x = gc.placeholder("x", ("n", 33))
    y = x
    for k in range(6):
        y = gc.cumsum(gc.sort(y, axis=1), axis=1) * 0.1 + gc.flip(y, axis=1) + k
    run = gc.compile([x], y)
    value = np.random.default_rng(0).standard_normal((7, 33)).astype(np.float32)
    wanted = value.astype(np.float64)
    for k in range(6):
        wanted = np.sort(wanted, 1).cumsum(1) * 0.1 + wanted[:, ::-1] + k
    np.testing.assert_allclose(run(value), wanted, rtol=2e-4)


def test_too_large_an_output_is_named_with_its_shape_and_bytes() -> None:
    x = gc.placeholder("x", ("n",))
    everyone = gc.broadcast_to(x[:, None, None], (x.shape[0],) * 3) * x
    pairs = gc.compile([x], [x + 1, everyone.named("triples")], name="all_triples")
    size = 1_000_000
    with pytest.raises(MemoryError) as caught:
        pairs(np.zeros(size, np.float32))
    first, second = str(caught.value).splitlines()
    assert first == (
        "all_triples: no memory for an output of 4,000,000,000,000,000,000 bytes (3.5 EiB)"
    )
    assert second.startswith("  triples: f32[n, n, n] = f32[1000000, 1000000, 1000000]  from test_")


@pytest.mark.parametrize("again", [False, True], ids=["compiled", "from the cache"])
def test_too_large_an_arena_is_told_with_the_largest_value_in_it(again: bool) -> None:
    x = gc.placeholder("x", ("n",))
    ordered = gc.sort(gc.outer(x, x), axis=1).named("ordered")
    total = gc.compile([x], gc.cumsum(ordered, axis=0)[-1], name="total")
    with pytest.raises(MemoryError) as caught:
        total(np.zeros(30_000_000, np.float32))
    first, second, hint = str(caught.value).splitlines()
    assert first.startswith("total: no memory for ")
    assert " bytes (" in first and first.endswith(" PiB) between kernels")
    assert "[30000000, 30000000]  from test_memory.py:" in second
    assert hint == "  hint: a function's .memory says what a call needs"


def test_a_call_that_fits_follows_one_that_does_not() -> None:
    x = gc.placeholder("x", ("n",))
    square = gc.compile([x], gc.outer(x, x))
    for _ in range(2):
        with pytest.raises(MemoryError):
            square(np.zeros(30_000_000, np.float32))
        np.testing.assert_array_equal(square(np.ones(3, np.float32)), np.ones((3, 3)))


def test_values_of_sizes_are_checked() -> None:
    x = gc.placeholder("x", ("n", "m"))
    f = gc.compile([x], gc.exp(x))
    three: Any = np.int64(3)
    assert f.memory.at(n=three, m=2).inputs == 24
    for report in (f.memory, f.cost, f.kernels[0]):
        with pytest.raises(gc.ArgumentError, match=r"size n; N is none of its sizes\n.*m=..., "):
            report.at(N=3, m=1)
        with pytest.raises(gc.ArgumentError, match=r"for the size m, n\n"):
            report.at()
        for wrong in ("3", -3, 1.5):
            with pytest.raises(gc.ArgumentError, match=f"from 0 on, not n = {wrong!r}"):
                report.at(n=wrong, m=1)  # type: ignore[arg-type]
    assert f.kernels[0].at(n=3, m=2, k=1).bytes == 48
