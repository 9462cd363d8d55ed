"""The passes in the order in which they run, and what is handed from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphc.ir.node import Tensor


@dataclass(frozen=True, eq=False)
class Graph:
    """What is compiled: arguments, results, and new values of variables."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    updates: tuple[tuple[Tensor, Tensor], ...] = ()
    name: str = "graph"


@dataclass(frozen=True)
class Pass:
    """A function from graph to graph, and what it promises."""

    name: str
    run: Callable[[Graph], Graph]
    promise: str


PIPELINE: tuple[Pass, ...] = ()


def optimise(graph: Graph, disable: Sequence[str] = ()) -> Graph:
    """The graph after every pass that is not disabled."""
    for step in PIPELINE:
        if step.name not in disable:
            graph = step.run(graph)
    return graph
