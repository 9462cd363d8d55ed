"""The stages between a graph as written and the kernels of a target, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from graphc.passes.pipeline import Graph, optimise

if TYPE_CHECKING:
    from graphc.backends.lower.kernel import Schedule
    from graphc.backends.program import Program


class Stages:
    """`source` is the graph as written; `schedule` says for what machine it is lowered (None: it is not)."""

    def __init__(self, source: Graph, disable: Sequence[str] = (), schedule: Schedule | None = None):
        self.source, self.disable, self.schedule = source, tuple(disable), schedule

    @cached_property
    def graph(self) -> Graph:
        """The graph after all passes that are not disabled."""
        return optimise(self.source, self.disable)

    @cached_property
    def program(self) -> Program | None:
        """The kernels, with every buffer's place."""
        from graphc.backends.program import build_program

        if self.schedule is None:
            return None
        graph = self.graph
        return build_program(graph.inputs, graph.outputs, graph.updates, self.schedule, graph.name)
