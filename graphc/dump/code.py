"""The kernels of a program as text: what is fused, loops, vectors, LLVM IR, assembly, memory."""

from __future__ import annotations

import re

from graphc.backends.program import Program
from graphc.dump.kernels import fused_nodes, kernel_info
from graphc.ir.dims import Dim
from graphc.ir.node import Tensor


def kernels_text(program: Program) -> str:
    """What each kernel fuses, with the lines where the user wrote it."""
    parts: list[str] = []
    for k, body in enumerate(program.bodies):
        info = kernel_info(k, body)
        over = f" over [{', '.join(map(str, body.domain))}]" + (f", rows along {list(body.row_axes)}" if body.row_axes else "")
        parts.append(f"kernel {info.name} ({info.kind}{over}): {info.flops} flops, {info.bytes} bytes")
        parts += [f"  reads  {_value(x)}" for x in body.inputs]
        for node in fused_nodes(body):
            inputs = ", ".join(x.label or x.node.op.name for x in node.inputs)
            parts.append(f"    {node.op.name}({inputs}): {node.types[0]}" + (f"  # {node.source}" if node.source else ""))
        parts += [f"  writes {_value(x)}" for x in body.outputs] + [""]
    return "\n".join(parts)


def _value(x: Tensor) -> str:
    return f"{x.label or x.node.op.name}: {x.type}"


def loops_text(program: Program, vectors: bool = False) -> str:
    """The loop IR of every kernel, before or after loops become vectors."""
    from graphc.backends.loops.text import kernel_text
    from graphc.backends.loops.vectorise import vectorise

    return "\n".join(kernel_text(vectorise(c.kernel) if vectors else c.kernel) for c in program.calls)


def llvm_text(program: Program) -> str:
    """The module that is handed to LLVM."""
    from graphc.backends.llvm.module import module_of

    return module_of(program).text


def assembly_text(program: Program, isa: str = "host") -> str:
    """The assembly of the whole program."""
    from graphc.backends.llvm.engine import assembly, named_target

    return assembly(llvm_text(program), named_target(isa))


def assembly_of_kernels(program: Program, isa: str = "host") -> dict[str, str]:
    """The assembly of each kernel function, by its name."""
    text = assembly_text(program, isa)
    found: dict[str, str] = {}
    for match in re.finditer(r"^(\w+):\s*#? ?.*?\n(.*?)^\.Lfunc_end\d+:", text, re.M | re.S):
        lines = [line for line in match[2].splitlines() if not re.match(r"\s*\.(cfi|p2align)", line)]
        found[match[1]] = "\n".join(lines)
    return found


def memory_text(program: Program) -> str:
    """Where every value lies, and the arena's slots."""
    plan = program.plan
    lines = [f"arena: {plan.arena_bytes} bytes in {len(plan.slots)} slots"]
    for k, slot in enumerate(plan.slots):
        lines.append(f"  slot {k} at {slot.offset}: {slot.bytes} bytes")
    for k, call in enumerate(program.calls):
        lines.append(f"{k}: {call.kernel.name}, chunks {_short(call.chunks)}")
        for param, buffer in zip(call.kernel.buffers, call.arguments, strict=True):
            from graphc.backends.memory import holder

            place = plan.places[holder(buffer)]
            what = _value(buffer) if isinstance(buffer, Tensor) else f"scratch: {buffer.dtype}[{buffer.elements}]"
            lines.append(f"  {param.name:4} {place.kind} {place.number}  {what}")
    return "\n".join(lines) + "\n"


def _short(d: Dim) -> str:
    text = str(d)
    return text if len(text) <= 60 else text[:57] + "..."
