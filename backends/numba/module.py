"""A program as one Python module: its kernels, and `run`, which calls them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from graphc.backends.loops.settle import settled
from graphc.backends.loops.stmt import LoopKernel
from graphc.backends.loops.tidy import tidy
from graphc.backends.loops.vectorise import vectorise
from graphc.backends.numba.entry import entry_text, numpy_name
from graphc.backends.numba.kernel import PythonKernel
from graphc.backends.numba.meaning import MEANINGS, TYPED
from graphc.backends.program import Program, walk_calls
from graphc.ir.dtypes import ALL
from graphc.ir.record import dataclass


@dataclass(frozen=True)
class Source:
    """The text of a module, and its kernels by name, of which some may run several times."""

    text: str
    kernels: dict[str, LoopKernel]


def source_of(program: Program) -> Source:
    """The module of a program; equal kernels are written once."""
    calls = list(walk_calls(program))
    names, kernels, text = _kernels([call.kernel for call in calls])
    named = dict(zip(calls, names, strict=True))
    entry = entry_text(program, lambda call, args, dim: f"{named[call]}({', '.join(args)})")
    head = f'"""{program.name}: {len(kernels)} kernels in {len(names)} calls."""\n\n'
    return Source(f"{head}{text}\n\n{entry}", kernels)


def module_text(kernels: Sequence[LoopKernel]) -> str:
    """Kernels as a module, without a program that calls them."""
    return _kernels(kernels)[2]


def _kernels(loops: Sequence[LoopKernel]) -> tuple[list[str], dict[str, LoopKernel], str]:
    """The name of each kernel, the different ones by name, and the text of the module so far."""
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
    text = PythonKernel(tidy(vectorise(settled(kernel))), "NAME", used).text()
    types = " ".join(p.dtype.name for p in kernel.buffers)
    digest = hashlib.sha256(f"{types}\n{text}".encode()).hexdigest()[:8]
    name = f"{kernel.name}_{digest}"
    return name, text.replace("def NAME(", f"def {name}(", 1)


def _imports(used: set[str]) -> str:
    lines = ["import numpy as np", "", "from graphc.backends.numba.compiling import kernel"]
    functions = functions_in(used)
    if functions:
        lines.append(f"from graphc.backends.numba.intrinsics import {', '.join(functions)}")
    return "\n".join([*lines, "", "empty = np.empty", *types_in(used)]) + "\n"


def functions_in(used: set[str]) -> list[str]:
    """The functions of `meaning` among these names."""
    return sorted(name for name in used if name in MEANINGS or name in TYPED)


def types_in(used: set[str]) -> list[str]:
    """Definitions of the element types among these names."""
    types = sorted((d for d in ALL if d.short in used), key=lambda d: d.short)
    return [f"{d.short} = np.{numpy_name(d)}" for d in types]
