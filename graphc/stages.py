"""The stages between a graph as written and the kernels of a target, each made when it is first
asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.ir.cached import Cached
from graphc.passes.pipeline import Graph, optimise

if TYPE_CHECKING:
    from graphc.backends.lower.choices import Choices
    from graphc.backends.lower.kernel import Schedule
    from graphc.backends.program import Program


class Stages:
    """`source` is the graph as written; `vector_bits` the width of the vectors it is lowered for
    (0: scalars; None: it is not), `registers` how many there are (0: as on x86), `dots` the
    products that the machine has instructions for, `choices` what was chosen for some kernels.
    """

    def __init__(
        self,
        source: Graph,
        disable: Sequence[str] = (),
        vector_bits: int | None = None,
        memory_budget: int | None = None,
    ):
        self.source, self.disable, self.vector_bits = source, tuple(disable), vector_bits
        self.memory_budget = memory_budget
        self.registers = 0
        self.dots: tuple[str, ...] = ()
        self.choices: Choices = {}

    @Cached
    def graph(self) -> Graph:
        """The graph after all passes that are not disabled, computing values again where the
        kernels would need too much memory.
        """
        graph = optimise(self.source, self.disable)
        if self.memory_budget is None or self.vector_bits is None:
            return graph
        from graphc.budget import within_budget

        return within_budget(graph, self._schedule(), self.memory_budget)

    @Cached
    def program(self) -> Program | None:
        """The kernels, with every buffer's place."""
        if self.vector_bits is None:
            return None
        from graphc.backends.building import program_of

        graph, schedule = self.graph, self._schedule()
        return program_of(graph, schedule)

    def forget(self) -> None:
        """Frees the graph after all passes and the kernels; they are made again when asked for."""
        self.__dict__.pop("graph", None)
        self.__dict__.pop("program", None)

    def _schedule(self) -> Schedule:
        from graphc.backends.lower.choices import with_choices

        return with_choices(self.plain_schedule(), self.choices)

    def plain_schedule(self) -> Schedule:
        """The schedule of all kernels for which nothing was chosen."""
        from graphc.backends.lower.kernel import Schedule

        assert self.vector_bits is not None
        return Schedule(self.vector_bits, registers=self.registers, dots=self.dots)
