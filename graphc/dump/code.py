"""The kernels of a program as text: what is fused, loops, vectors, LLVM IR, assembly, memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from textwrap import indent

from graphc.backends.llvm.module import module_of, part_of
from graphc.backends.loops.explicit import explicit
from graphc.backends.loops.text import kernel_text
from graphc.backends.lower.kernel import Buffer, Call, Nested
from graphc.backends.memory import holder
from graphc.backends.program import Program
from graphc.dump.kernels import fused_nodes, kernel_info
from graphc.ir.dims import Dim
from graphc.ir.node import Tensor
from graphc.ir.text import names_of
from graphc.ir.walk import topological
from graphc.passes.pipeline import Graph


def kernels_text(program: Program, graph: Graph) -> str:
    """What each kernel fuses, with the lines where the user wrote it; values have the names that
    they have in the text of the optimised graph.
    """
    names = _names(graph)
    parts: list[str] = []
    for k, body in enumerate(program.bodies):
        info = kernel_info(k, body)
        over = f" over [{', '.join(map(str, body.domain))}]"
        rows = f", rows along {list(body.row_axes)}" if body.row_axes else ""
        size = f"{_short(info.flops)} flops, {_short(info.bytes)} bytes"
        parts.append(f"kernel {info.name} ({info.kind}{over}{rows}): {size}")
        parts += [f"  reads  {names(x)}: {x.type}" for x in body.inputs]
        for node in fused_nodes(body):
            inputs = ", ".join(map(names, node.inputs))
            outputs = ", ".join(map(names, node.outputs))
            where = f"  # {node.source}" if node.source else ""
            types = ", ".join(map(str, node.types))
            parts.append(f"    {outputs}: {types} = {node.op.name}({inputs}){where}")
        parts += [f"  writes {names(x)}: {x.type}" for x in body.outputs] + [""]
    return "\n".join(parts)


def _names(graph: Graph) -> Callable[[Tensor], str]:
    updates = [x for pair in graph.updates for x in pair]
    known = names_of(topological([*graph.inputs, *graph.outputs, *updates]))

    def name(x: Tensor) -> str:
        if x.node.op.name == "constant" and x.size == 1:
            return repr(x.node.attrs["value"])
        if x in known:
            return f"%{known[x]}"
        return f"{name(x.node.inputs[0])}.copy"

    return name


def _value(x: Tensor) -> str:
    return f"{x.label or x.node.op.name}: {x.type}"


def loops_text(program: Program) -> str:
    """The loop IR of every kernel, before loops become vectors."""
    return calls_text(program.calls)


def vectors_text(program: Program) -> str:
    """The loop IR of every kernel, with explicit vectors."""
    return calls_text(program.calls, vectors=True)


def calls_text(calls: Sequence[Call | Nested], vectors: bool = False) -> str:
    """The loop IR of kernels; those of a loop or branch are indented below it."""
    parts: list[str] = []
    for call in calls:
        if isinstance(call, Nested):
            head = f"{call.node.op.name} of {len(call.programs)}:\n"
            inner = [calls_text(program.calls, vectors) for program in call.programs]
            parts.append(head + indent("\n".join(inner), "  "))
        else:
            parts.append(kernel_text(explicit(call.kernel) if vectors else call.kernel))
    return "\n".join(parts)


def llvm_text(program: Program) -> str:
    """The module that is handed to LLVM."""
    return module_of(program).text


def assembly_text(program: Program, isa: str = "host") -> str:
    """The assembly of the whole program."""
    from graphc.backends.llvm.engine import assembly, named_target

    return assembly(llvm_text(program), named_target(isa))


def assembly_of_calls(program: Program, isa: str = "host") -> list[str]:
    """The assembly of each call: of its kernel, or of all that a loop or branch runs."""
    found: dict[str, str] = {}
    functions = r"^([A-Za-z_][\w.]*):[^\n]*\n(.*?)^\.Lfunc_end\d+:"
    for match in re.finditer(functions, assembly_text(program, isa), re.M | re.S):
        lines = [s for s in match[2].splitlines() if not re.match(r"\s*\.(cfi|p2align)", s)]
        found[match[1]] = "\n".join(lines)
    names = [
        functions_of(call, name)
        for call, name in zip(program.calls, module_of(program).kernels, strict=True)
    ]
    return ["\n\n".join(f"{n}:\n{found.get(n, '')}" for n in each) for each in names]


#: Ops whose loops are functions, and what those are called.
_OUTLINED = (("strips", "strip"), ("bands", "bands"))


def functions_of(call: Call | Nested, name: str) -> list[str]:
    """The functions of a call that goes by `name` in the module."""
    if isinstance(call, Call):
        return [name]
    found: list[str] = []
    for k, program in enumerate(call.programs):
        inner = part_of(program, f"{name}.{k}").kernels
        for each, its_name in zip(program.calls, inner, strict=True):
            found += functions_of(each, its_name)
        found.append(f"{name}.{k}_run")
    return [*found, *(f"{name}.{own}" for op, own in _OUTLINED if call.node.op.name == op)]


def memory_text(program: Program) -> str:
    """Where every value lies, and the arena's slots."""
    plan = program.plan
    lines = [f"arena: {_short(plan.arena_bytes)} bytes in {len(plan.slots)} slots"]
    for k, slot in enumerate(plan.slots):
        lines.append(f"  slot {k} at {_short(slot.offset)}: {_short(slot.bytes)} bytes")
    for k, call in enumerate(program.calls):
        if isinstance(call, Call):
            lines.append(f"{k}: {call.kernel.name}, chunks {_short(call.chunks)}")
            params = [param.name for param in call.kernel.buffers]
        else:
            lines.append(f"{k}: {call.node.op.name}")
            params = ["in"] * len(call.node.inputs) + ["out"] * len(call.node.outputs)
            params += ["tmp"] * len(call.scratch)
        for param, buffer in zip(params, call.arguments, strict=True):
            place = plan.places[holder(buffer)]
            lines.append(f"  {param:4} {place.kind} {place.number}  {_contents(buffer)}")
    return "\n".join(lines) + "\n"


def _contents(buffer: Buffer) -> str:
    if isinstance(buffer, Tensor):
        return _value(buffer)
    return f"scratch: {buffer.dtype}[{_short(buffer.elements)}]"


def _short(d: Dim) -> str:
    text = str(d)
    return text if len(text) <= 60 else text[:57] + "..."
