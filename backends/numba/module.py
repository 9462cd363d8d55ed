"""A program as one Python module: its kernels, and `run`, which calls them in order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from graphc.backends.loops.stmt import LoopKernel
from graphc.backends.loops.tidy import tidy
from graphc.backends.loops.vectorise import vectorise
from graphc.backends.lower.kernel import Buffer, Temporary
from graphc.backends.memory import holder
from graphc.backends.numba.dims import dim_text
from graphc.backends.numba.kernel import PythonKernel
from graphc.backends.numba.meaning import MEANINGS, TYPED
from graphc.backends.numba.spelling import stored
from graphc.backends.program import Program
from graphc.ir.dims import Dim
from graphc.ir.dtypes import ALL, DType


@dataclass(frozen=True)
class Source:
    """The text of a module, and its kernels by name, of which some may run several times."""

    text: str
    kernels: dict[str, LoopKernel]


def source_of(program: Program) -> Source:
    """The module of a program; equal kernels are written once."""
    names, kernels, text = _kernels([call.kernel for call in program.calls])
    head = f'"""{program.name}: {len(kernels)} kernels in {len(names)} calls."""\n\n'
    return Source(f"{head}{text}\n\n{_Run(program, names).text()}", kernels)


def module_text(kernels: Sequence[LoopKernel]) -> str:
    """Kernels as a module, without a program that calls them."""
    return _kernels(kernels)[2]


def _kernels(loops: Sequence[LoopKernel]) -> tuple[list[str], dict[str, LoopKernel], str]:
    """The name of each kernel, the different ones by name, and the module's text up to `run`."""
    used: set[str] = set()
    texts: dict[str, str] = {}
    names: list[str] = []
    for each in loops:
        name, text = _kernel_text(each, used)
        texts[name] = text
        names.append(name)
    body = [f"@kernel\n{text}" for text in texts.values()]
    return names, dict(zip(names, loops, strict=True)), "\n\n".join([_imports(used), *body])


def _kernel_text(kernel: LoopKernel, used: set[str]) -> tuple[str, str]:
    text = PythonKernel(tidy(vectorise(kernel)), "NAME", used).text()
    types = " ".join(p.dtype.name for p in kernel.buffers)
    digest = hashlib.sha256(f"{types}\n{text}".encode()).hexdigest()[:8]
    name = f"{kernel.name}_{digest}"
    return name, text.replace("def NAME(", f"def {name}(", 1)


def _imports(used: set[str]) -> str:
    functions = sorted(name for name in used if name in MEANINGS or name in TYPED)
    types = sorted((d for d in ALL if d.short in used), key=lambda d: d.short)
    lines = ["import numpy as np", "", "from graphc.backends.numba.compiling import kernel"]
    if functions:
        lines.append(f"from graphc.backends.numba.intrinsics import {', '.join(functions)}")
    lines += [""] * bool(types)
    lines += [f"{d.short} = np.{numpy_name(d)}" for d in types]
    return "\n".join(lines) + "\n"


def numpy_name(dtype: DType) -> str:
    """The name in NumPy of the type that elements are stored as."""
    return stored(dtype).name if dtype.kind != "b" else "bool_"


_TAKEN = ("inputs", "outputs", "variables", "constants", "sizes", "status", "np", "max", "min")


class _Run:
    """Writes `run(inputs, outputs, variables, constants, sizes) -> status`."""

    def __init__(self, program: Program, names: list[str]):
        self.program, self.names = program, names
        self.sizes = {s: f"{s}_" if s in _TAKEN else s for s in program.sizes}
        self.temporaries: dict[Buffer, str] = {}
        self.lines = [
            "def run(inputs, outputs, variables, constants, sizes):",
            '    """Runs every kernel on flat arrays; returns a failed check and its value."""',
        ]

    def _dim(self, d: Dim) -> str:
        return dim_text(d, self.sizes)

    def emit(self, line: str) -> None:
        self.lines.append("    " + line)

    def text(self) -> str:
        program = self.program
        for size in program.sizes:
            self.emit(f"{self.sizes[size]} = sizes[{size!r}]")
        self.emit("status = np.zeros(2, np.int64)")
        self._arena()
        for k, (call, name) in enumerate(zip(program.calls, self.names, strict=True)):
            if k == program.first_commit and program.failures:
                self.emit("if status[0]:")
                self.emit("    return status")
            arguments = ["status", *map(self._argument, call.arguments)]
            arguments += [self.sizes[size] for size in call.kernel.sizes]
            self.emit(f"{name}({', '.join(arguments)})")
        return "\n".join([*self.lines, "    return status"]) + "\n"

    def _arena(self) -> None:
        """The slots one after the other, in one array."""
        end = "0"
        for k, slot in enumerate(self.program.plan.slots):
            self.emit(f"_slot{k} = {end}")
            end = f"_slot{k} + {self._dim(slot.bytes)}"
        if end != "0":
            self.emit(f"_arena = np.empty({end}, np.uint8)")

    def _argument(self, buffer: Buffer) -> str:
        whole = holder(buffer)
        place = self.program.plan.places[whole]
        if place.kind != "arena":
            return f"{place.kind}s[{place.number}]"
        if whole not in self.temporaries:
            name = self.temporaries[whole] = f"_value{len(self.temporaries)}"
            size: Dim = whole.bytes if isinstance(whole, Temporary) else whole.type.bytes
            span = f"_slot{place.number}:_slot{place.number} + {self._dim(size)}"
            self.emit(f"{name} = _arena[{span}].view(np.{numpy_name(whole.dtype)})")
        return self.temporaries[whole]
