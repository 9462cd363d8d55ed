"""Graphs that keep to a memory budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.passes.fusion.rematerialise import Again, Lifetimes, candidates, computed_again
from graphc.passes.graph import Graph

if TYPE_CHECKING:
    from graphc.backends.lower.kernel import Schedule
    from graphc.backends.program import Program

#: Values tried in vain, one after the other, before it is given up.
MOST_FAILURES = 12


def within_budget(graph: Graph, schedule: Schedule, budget: int) -> Graph:
    """An optimised graph that computes values again until its arena takes no more than `budget`
    bytes.

    Raises GraphError where that cannot be reached, or if sizes are not known.
    """
    found, least = graph, _program(graph, schedule)
    refused: set[Tensor] = set()
    most, failures = len(least.bodies), 0
    while _arena(least) > budget:
        lives = Lifetimes(least.bodies, [*least.outputs, *(new for _, new in found.updates)])
        possible = [a for a in candidates(lives) if a.value not in refused][:most]
        if not possible or failures == MOST_FAILURES or lives.least() > budget:
            raise GraphError(
                f"memory_budget is {budget:,} bytes, but {graph.name} needs {_arena(least):,} "
                "between its kernels even if it computes again what it can\n"
                "  hint: smaller batches need less, and so does gc.checkpoint around blocks"
            )
        chosen = _enough(possible, _arena(least) - budget)
        tried = found.with_results(computed_again(found.results, lives, chosen))
        program = _program(tried, schedule)
        if _arena(program) < _arena(least):
            found, least, failures = tried, program, 0
        elif len(chosen) > 1:
            most = len(chosen) // 2
        else:
            refused.add(chosen[0].value)
            failures += 1
    return found


def _program(graph: Graph, schedule: Schedule) -> Program:
    from graphc.backends.building import program_of

    return program_of(graph, schedule)


def _arena(program: Program) -> int:
    arena = program.plan.arena_bytes
    if not isinstance(arena, int):
        raise GraphError(
            f"a memory budget needs sizes that are known, but {program.name} needs {arena} bytes\n"
            "  hint: give the placeholders integer shapes"
        )
    return arena


def _enough(chosen: list[Again], missing: int) -> list[Again]:
    """The first of the values whose bytes are what is missing, about."""
    total = 0
    for count, again in enumerate(chosen, 1):
        size = again.value.type.bytes
        assert isinstance(size, int)
        total += size
        if total >= missing:
            return chosen[:count]
    return chosen
