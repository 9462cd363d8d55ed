"""What `compile` returns: a function, and everything there is to know about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.arguments import Signature
from graphc.ir.dim_values import evaluate, sizes
from graphc.ir.dims import Dim
from graphc.ir.errors import ArgumentError, GraphError, no_such
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass

if TYPE_CHECKING:
    from graphc.backends.program import Program
    from graphc.passes.pipeline import Graph
    from graphc.stages import Stages


@dataclass(frozen=True)
class Memory:
    """Bytes of a call, as expressions over the symbolic sizes: `arena` for what lies between
    kernels, `variables`, `inputs` and `outputs`. `peak` is all of them.
    """

    arena: Dim
    inputs: Dim
    outputs: Dim
    variables: Dim

    @property
    def peak(self) -> Dim:
        return self.arena + self.inputs + self.outputs + self.variables

    def at(self, **sizes: int) -> Memory:
        """The same with sizes filled in."""
        return Memory(*_at((self.arena, self.inputs, self.outputs, self.variables), sizes))


@dataclass(frozen=True)
class Cost:
    """Arithmetic operations and compulsory bytes (inputs, variables and outputs once each) of a
    call.
    """

    flops: Dim
    bytes: Dim

    def at(self, **sizes: int) -> Cost:
        """The same with sizes filled in."""
        return Cost(*_at((self.flops, self.bytes), sizes))


@dataclass(frozen=True)
class KernelInfo:
    """A kernel: its name, the ops fused into it, its arithmetic and the bytes that it reads and
    writes.
    """

    name: str
    kind: str
    ops: tuple[str, ...]
    flops: Dim
    bytes: Dim

    def at(self, **sizes: int) -> KernelInfo:
        """The same with sizes filled in."""
        return KernelInfo(self.name, self.kind, self.ops, *_at((self.flops, self.bytes), sizes))


class Executable:
    """A compiled function. Call it by position or by name; the outputs have the structure that was
    given to `compile`. `machine` is what its code was made for, on the CPU.

    Results are new arrays, unless `out=` gives arrays for them, in the same structure: of their
    dtypes and shapes, in C order and writeable, none of which share memory. These are what is
    returned then. An argument that shares memory with them is copied first. What they hold after a
    call that failed is undefined. A function with an argument called `out` has no such thing.
    """

    name: str
    target: str
    signature: Signature
    stages: Stages
    compile_seconds: float
    structure: Any = None
    """The outputs, as `compile` was given them."""
    from_cache: bool = False
    machine: Any = None
    native: Any = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.signature} on {self.target}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> None:
            if hasattr(type(self), name):
                object.__getattribute__(self, name)  # a property that failed says why
            text = no_such("a compiled function", name, "function")
            raise AttributeError(text, name=name, obj=self)

    def __reduce_ex__(self, _: Any) -> Any:
        raise GraphError(
            f"a compiled function can be neither copied nor pickled\n  {self}\n"
            "  hint: compile it where it is needed, which the cache makes quick, or use gc.export"
        )

    @property
    def graph(self) -> Graph:
        """The graph after all passes."""
        return self.stages.graph

    @property
    def program(self) -> Program | None:
        """The kernels in order and the memory plan; None on the reference target."""
        return self.stages.program

    @property
    def memory(self) -> Memory:
        """Bytes that a call needs, known before the first one."""
        graph = self.graph
        arena: Dim = self.program.plan.arena_bytes if self.program is not None else 0
        variables = {x: None for x in _leaves(graph) if x.node.op.name == "variable"}
        return Memory(arena, _bytes(graph.inputs), _bytes(graph.outputs), _bytes(list(variables)))

    @property
    def cost(self) -> Cost:
        """Operations and bytes of a call."""
        from graphc.ir.subgraph import total_cost

        flops = total_cost([*self.graph.outputs, *(new for _, new in self.graph.updates)])
        memory = self.memory
        written = _bytes([new for _, new in self.graph.updates])
        return Cost(flops, memory.inputs + memory.outputs + memory.variables + written)

    @property
    def kernels(self) -> tuple[KernelInfo, ...]:
        """The kernels in the order in which they run; none on the reference target."""
        from graphc.dump.kernels import kernel_infos

        return kernel_infos(self.program) if self.program is not None else ()

    def dump(
        self, stage: str = "optimised", format: str = "text", path: str | Path | None = None
    ) -> Any:
        """The function at a stage of compilation; see `graphc.dump`."""
        from graphc.dump import dump

        return dump(self, stage, format, path)


def _bytes(tensors: Sequence[Tensor]) -> Dim:
    total: Dim = 0
    for x in tensors:
        total = total + x.type.bytes
    return total


def _leaves(graph: Graph) -> list[Tensor]:
    from graphc.ir.walk import topological

    results = [*graph.outputs, *(new for _, new in graph.updates)]
    found = [
        x for node in topological(results) for x in node.outputs if node.op.lowering == "source"
    ]
    return [*found, *(variable for variable, _ in graph.updates)]


def _at(dims: Sequence[Dim], values: Mapping[str, int]) -> list[int]:
    """What dimensions are for the values of sizes."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
            raise ArgumentError(f"a size is a whole number from 0 on, not {name} = {value!r}")
    needed = {name for d in dims for name in sizes(d)}
    missing, others = sorted(needed - values.keys()), sorted(values.keys() - needed)
    if missing:
        more = f"; {', '.join(others)} is none of its sizes" if others else ""
        example = ", ".join(f"{name}=..." for name in sorted(needed))
        raise ArgumentError(
            f"a value is needed for the size {', '.join(missing)}{more}\n  hint: at({example})"
        )
    return [evaluate(d, {name: int(value) for name, value in values.items()}) for d in dims]
