"""A program for a GPU: its kernels, dealt to threads, and the launches in order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from types import MappingProxyType

from graphc.backends.building import LOWERINGS, build_program
from graphc.backends.cuda.device import DeviceKernel, DeviceSchedule
from graphc.backends.cuda.function import DeviceFunction
from graphc.backends.cuda.product import lower_product
from graphc.backends.cuda.threads import MOST, deal
from graphc.backends.loops.tidy import tidy
from graphc.backends.lower.kernel import Call
from graphc.backends.program import Program
from graphc.ir.record import dataclass
from graphc.passes.pipeline import Graph


@dataclass(frozen=True, eq=False)
class Launch:
    """A call of a program, the kernel that runs it and the name of its function."""

    call: Call
    kernel: DeviceKernel
    name: str


@dataclass(frozen=True, eq=False)
class DeviceModule:
    """LLVM IR text of all kernels, and a launch for every call."""

    text: str
    launches: dict[Call, Launch]

    @property
    def kernels(self) -> dict[str, DeviceKernel]:
        """The different kernels by name."""
        return {launch.name: launch.kernel for launch in self.launches.values()}


def device_program(graph: Graph, schedule: DeviceSchedule | None = None) -> Program:
    """The program of an optimised graph, with kernels that suit a GPU."""
    return build_program(
        graph.inputs,
        graph.outputs,
        graph.updates,
        schedule or DeviceSchedule(),
        graph.name,
        MappingProxyType({**LOWERINGS, "contraction": lower_product}),
    )


def device_kernels(program: Program, most_threads: int = MOST) -> dict[Call, DeviceKernel]:
    """What the GPU runs for every call of a program and of those nested in it."""
    return {call: deal(tidy(call.kernel), most_threads, a) for call, a in _calls(program)}


def module_of(program: Program) -> DeviceModule:
    """The module of a program, with those nested in it; equal kernels are written once."""
    functions: dict[str, str] = {}
    declarations: dict[str, None] = {}
    launches: dict[Call, Launch] = {}
    kernels = device_kernels(program)
    for call, aliased in _calls(program):
        kernel = kernels[call]
        text, needed = DeviceFunction(kernel, "KERNEL", aliased).text()
        digest = hashlib.sha256(f"{kernel.threads}\n{text}".encode()).hexdigest()[:12]
        name = f"{call.kernel.name}_{digest}"
        functions[name] = text.replace("@KERNEL", f"@{name}")
        declarations.update(needed)
        launches[call] = Launch(call, kernel, name)
    return DeviceModule("\n".join([*functions.values(), *declarations]) + "\n", launches)


def _calls(program: Program) -> Iterator[tuple[Call, frozenset[str]]]:
    for call, aliased in zip(program.calls, program.aliases, strict=True):
        if isinstance(call, Call):
            yield call, aliased
        else:
            for inner in call.programs:
                yield from _calls(inner)
