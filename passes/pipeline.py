"""The passes in the order in which they run; a checker holds each to its promise."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from graphc.ir.errors import GraphError
from graphc.passes.canonicalise import CANONICALISE
from graphc.passes.drop import DROP
from graphc.passes.fold import FOLD
from graphc.passes.graph import Graph, Pass
from graphc.passes.simplify import SIMPLIFY
from graphc.passes.verify import verify

__all__ = ["PIPELINE", "Graph", "Pass", "Trace", "optimise"]

#: Called after each pass with its name, the graph it gave, and the seconds it took.
Trace = Callable[[str, Graph, float], None]

PIPELINE: tuple[Pass, ...] = (CANONICALISE, FOLD, SIMPLIFY, CANONICALISE, DROP)


def optimise(graph: Graph, disable: Collection[str] = (), trace: Trace | None = None) -> Graph:
    """The graph after every pass whose name is not in `disable`.

    The graph is verified at the beginning and after each pass, and what a pass forbids is looked
    for from then on. Raises GraphError for a name in `disable` that no pass has.
    """
    names = list(dict.fromkeys(step.name for step in PIPELINE))
    for name in disable:
        if name not in names:
            raise GraphError(f"there is no pass {name!r}; the passes are {', '.join(names)}")
    verify(graph)
    forbidden: frozenset[str] = frozenset()
    for step in PIPELINE:
        if step.name in disable:
            continue
        begin = time.perf_counter()
        graph = step.run(graph)
        seconds = time.perf_counter() - begin
        forbidden |= step.forbids
        verify(graph, forbidden)
        if trace is not None:
            trace(step.name, graph, seconds)
    return graph
