"""A program as one LLVM module: its kernels, `plan` (checks, sizes, memory) and `run` (the kernels
in order).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from graphc.backends.llvm.entry import Entry
from graphc.backends.llvm.function import KernelFunction
from graphc.backends.llvm.parts import Parts
from graphc.backends.loops.explicit import explicit
from graphc.backends.lower.kernel import Call, Nested
from graphc.backends.program import Program
from graphc.ir.record import dataclass

if TYPE_CHECKING:
    from graphc.backends.llvm.timers import Timers

Written = dict[tuple[int, frozenset[str]], tuple[str, str, dict[str, None]]]
"""Name, text and declarations of kernels, by their object and the buffers that share memory."""
PLAN, RUN = "gc_plan", "gc_run"
"""The functions of a module that a caller calls."""


@dataclass(frozen=True)
class Module:
    """LLVM IR text with the functions `PLAN` and `RUN`; `kernels` are the names of the kernel
    functions, one a call.
    """

    text: str
    kernels: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """The functions of one program: by name, so that parts of one module share equal kernels.
    `kernels` are the names of its calls.
    """

    functions: dict[str, str]
    declarations: dict[str, None]
    kernels: tuple[str, ...]


def part_of(
    program: Program,
    prefix: str,
    parts: Parts | None = None,
    timers: Timers | None = None,
    written: Written | None = None,
) -> Part:
    """The kernels of a program under their content hashes, with PREFIX_plan and PREFIX_run.

    `parts` gets each kernel when it is written, or is among those that were `written` before; with
    `timers` their calls are timed.
    """
    written = {} if written is None else written
    functions: dict[str, str] = {}
    declarations: dict[str, None] = {"declare void @gc_parallel(ptr, ptr, i64)": None}
    names: list[str] = []
    for k, (call, aliased) in enumerate(zip(program.calls, program.aliases, strict=True)):
        if isinstance(call, Nested):
            for j, inner in enumerate(call.programs):
                part = part_of(inner, f"{prefix}.{k}.{j}", parts, timers, written)
                functions.update(part.functions)
                declarations.update(part.declarations)
            names.append(f"{prefix}.{k}")
            continue
        key = id(call.kernel), aliased
        if key not in written:
            written[key] = _kernel(call, aliased)
        name, text, needed = written[key]
        functions[name] = text
        if parts is not None:
            parts.add(name, text, needed)
        declarations.update(needed)
        names.append(name)
    entry = Entry(program, names, prefix, timers)
    functions[f"{prefix}_plan"], functions[f"{prefix}_run"] = entry.plan(), entry.run()
    functions.update(entry.outlined)
    if program.frame is not None:
        del functions[f"{prefix}_plan"]
    declarations.update(entry.declarations)
    return Part(functions, declarations, tuple(names))


def module_of(program: Program) -> Module:
    """The module of a program. Equal kernels are emitted once, under the hash of what they do."""
    part = part_of(program, "gc")
    text = "\n".join([*part.functions.values(), *part.declarations]) + "\n"
    return Module(text, part.kernels)


def emit_parts(
    program: Program, ready: Callable[[str], None], timers: Timers | None = None
) -> tuple[str, int]:
    """The module of a program, or its last part, and the level to compile it at: `ready` is called
    with each of the others as soon as it is written.
    """
    parts = Parts(ready)
    part = part_of(program, "gc", parts, timers)
    known = {*parts.open, *parts.closed, PLAN, RUN}
    rest = {name: text for name, text in part.functions.items() if name not in known}
    entry = {name: part.functions[name] for name in (PLAN, RUN)}
    return parts.last(rest, entry, part.declarations)


def _kernel(call: Call, aliased: frozenset[str]) -> tuple[str, str, dict[str, None]]:
    function = KernelFunction(explicit(call.kernel), "KERNEL", aliased)
    text, declarations = function.text()
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    name = f"{call.kernel.name}_{digest}"
    return name, text.replace("@KERNEL", f"@{name}"), declarations
