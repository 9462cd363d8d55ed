"""What passes take and give, and what a pass is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice

from graphc.ir.demand import Demand
from graphc.ir.dim_values import sizes
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass


@dataclass(frozen=True, eq=False)
class Graph:
    """What is compiled: arguments, results, and new values of variables.

    `relaxed` allows rewrites that change what IEEE arithmetic gives. `outer` names sizes of the
    graph that this one is inside of. `trained` says whether there or here gradients of kernels of
    convolutions are taken; None is not known yet. `lengths` are what sizes might make negative.
    `checks` are computed for the errors that they raise.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    updates: tuple[tuple[Tensor, Tensor], ...] = ()
    name: str = "graph"
    relaxed: bool = False
    outer: frozenset[str] = frozenset()
    trained: bool | None = None
    lengths: tuple[Demand, ...] = ()
    checks: tuple[Tensor, ...] = ()

    @property
    def sizes(self) -> frozenset[str]:
        """The named sizes that are known when it runs: lengths of its inputs, and outer ones."""
        return self.outer.union(*(sizes(d) for x in self.inputs for d in x.shape))

    @property
    def results(self) -> tuple[Tensor, ...]:
        """Everything that is computed: the outputs, the variables' new values, the checks."""
        return (*self.outputs, *(new for _, new in self.updates), *self.checks)

    def new_size(self, name: str) -> str:
        """`name`, or what begins so and is not the name of a size already."""
        taken = self.sizes
        names = [name, *(f"{name}{k}" for k in range(len(taken)))]
        return next(n for n in names if n not in taken)

    def with_results(self, results: Sequence[Tensor]) -> Graph:
        """The same graph with other results, in the order of `results`; itself with its own."""
        if all(a is b for a, b in zip(results, self.results, strict=True)):
            return self
        count, rest = len(self.outputs), iter(results)
        outputs = tuple(islice(rest, count))
        updates = tuple((v, new) for (v, _), new in zip(self.updates, rest, strict=False))
        return replace(self, outputs=outputs, updates=updates, checks=tuple(rest))


@dataclass(frozen=True)
class Pass:
    """A function from graph to graph, what it promises, and the ops that do not survive it."""

    name: str
    run: Callable[[Graph], Graph]
    promise: str
    forbids: frozenset[str] = frozenset()
