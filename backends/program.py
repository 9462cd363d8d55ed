"""A program: the kernels of a graph in order, with every buffer's place; what backends run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field

from graphc.backends.failures import Failure
from graphc.backends.loops.stmt import Alloc, LoopKernel, walk
from graphc.backends.lower.kernel import Call, Nested
from graphc.backends.memory import Plan
from graphc.ir.cached import Cached
from graphc.ir.dim_values import is_name, sizes
from graphc.ir.dims import Dim, DimExpr
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.passes.fusion.body import Body


@dataclass(frozen=True)
class Frame:
    """The named sizes of the outermost program, and the number of its size slots."""

    sizes: tuple[str, ...]
    slots: int


@dataclass(frozen=True, eq=False)
class Program:
    """Everything a backend needs to emit code.

    Buffers of the native entry are inputs, outputs, variables, constants, in this order. The call
    `first_commit` is the first that writes a variable; no check comes after it. `aliases` names,
    for each call, the buffers that share memory; `owners` the body that it belongs to. A program
    nested in a loop or branch has the `frame` of the outermost one; the kernels of one that is
    `alone` run on the thread that calls it. Sizes that make one of the `lengths` negative are
    refused.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    variables: tuple[Tensor, ...]
    constants: tuple[Tensor, ...]
    bodies: tuple[Body, ...]
    calls: tuple[Call | Nested, ...]
    plan: Plan
    failures: tuple[Failure, ...]
    first_commit: int
    aliases: tuple[frozenset[str], ...] = field(default=())
    owners: tuple[int, ...] = field(default=())
    frame: Frame | None = None
    alone: bool = False
    lengths: tuple[Dim, ...] = ()

    @Cached
    def sizes(self) -> tuple[str, ...]:
        """Names of the symbolic sizes, in the order of the inputs that bring them."""
        return (self.frame or frame_of(self.inputs)).sizes


def frame_of(inputs: Sequence[Tensor]) -> Frame:
    """The named sizes that the inputs bring; they and compound dimensions take the slots."""
    names: dict[str, None] = {}
    compound = 0
    for x in inputs:
        for d in x.shape:
            names.update(dict.fromkeys(sorted(sizes(d))))
            compound += isinstance(d, DimExpr) and not is_name(d)
    return Frame(tuple(names), len(names) + compound)


def walk_calls(program: Program) -> Iterator[Call]:
    """Every kernel call of a program and of those nested in it."""
    for call in program.calls:
        if isinstance(call, Nested):
            for inner in call.programs:
                yield from walk_calls(inner)
        else:
            yield call


def stack_bytes(program: Program) -> int:
    """Bytes of stack that one of its threads needs at most: the largest scratch memory of a kernel,
    and room for what is spilled and for the functions around it.
    """
    return 16384 + max((_scratch_bytes(c.kernel) for c in walk_calls(program)), default=0)


def _scratch_bytes(kernel: LoopKernel) -> int:
    places = {s.buffer: s for s in walk(kernel.body) if isinstance(s, Alloc)}
    return sum(-(-s.size * s.dtype.bytes // 64) * 64 for s in places.values())


def compound_dims(program: Program) -> list[tuple[int, Dim]]:
    """(slot, expression) of every input dimension that is neither an integer nor a single named
    size.
    """
    found: list[tuple[int, Dim]] = []
    for x in () if program.frame else program.inputs:
        for d in x.shape:
            if isinstance(d, DimExpr) and not is_name(d):
                found.append((len(program.sizes) + len(found), d))
    return found


def slots(program: Program) -> int:
    """Number of 64-bit size slots: named sizes, then compound dimensions as they came."""
    return (
        program.frame.slots if program.frame else len(program.sizes) + len(compound_dims(program))
    )


def total_bytes(program: Program) -> Dim:
    """Bytes of all inputs, outputs and arena: how much work there is, roughly."""
    total: Dim = program.plan.arena_bytes
    for x in (*program.inputs, *program.outputs, *program.variables):
        total = total + x.type.bytes
    return total
