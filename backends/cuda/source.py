"""A program as Python source for Numba's CUDA target and its simulator.

`run(status, inputs, outputs, variables, constants, sizes)` works on flat arrays in the GPU's
memory, which `empty` allocates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from graphc.backends.cuda.device import DeviceKernel
from graphc.backends.cuda.module import device_kernels
from graphc.backends.loops.stmt import Alloc, Barrier, For
from graphc.backends.lower.kernel import Call
from graphc.backends.numba.entry import entry_text, numpy_name
from graphc.backends.numba.kernel import PythonKernel
from graphc.backends.numba.module import functions_in, types_in
from graphc.backends.program import Program
from graphc.ir.dims import Dim
from graphc.ir.dtypes import int64

INTRINSICS = "graphc.backends.numba.intrinsics"
SIMULATED = "graphc.backends.cuda.simulated"

_LAUNCH = '''
def launch(kernel, blocks, threads, *arguments):
    """Runs the kernel on a grid, unless it is empty."""
    if blocks > 0:
        kernel[blocks, threads](*arguments)
'''


class CudaKernel(PythonKernel):
    """The text of a device kernel, as one thread executes it."""

    def __init__(self, kernel: DeviceKernel, name: str, used: set[str]):
        super().__init__(kernel.loops, name, used)
        self.threads = kernel.threads

    def body_of_kernel(self) -> None:
        self.used.add("i64")
        self.emit(f"{self.names.bind('thread', int64)} = i64(cuda.threadIdx.x)")
        self.emit(f"{self.names.bind('block', int64)} = i64(cuda.blockIdx.x)")
        self.body(self.kernel.body)

    def _for(self, s: For) -> None:
        if s.kind != "thread":
            super()._for(s)
            return
        begin, end = self.spelled(s.begin, s.end)
        self.names.push()
        span = f"({begin}) + {self.names['thread']}, {end}, {self.threads}"
        head = f"for {self.names.bind(s.var, int64)} in range({span}):"
        self.scope(head, lambda: self.body(s.body))
        self.names.pop()

    def _alloc(self, s: Alloc) -> None:
        memory = "shared" if s.shared else "local"
        type_ = f"np.{numpy_name(s.dtype)}"
        self.emit(f"{self.names.bind(s.buffer)} = cuda.{memory}.array({s.size}, {type_})")

    def _barrier(self, s: Barrier) -> None:
        self.emit("cuda.syncthreads()")

    def fail(self, code: int, value: str) -> None:
        self.scope(
            f"if cuda.atomic.cas(status, 0, 0, {code}) == 0:",
            lambda: self.emit(f"status[1] = {value}"),
        )


def source_of(program: Program, most_threads: int, functions: str = INTRINSICS) -> str:
    """The module of a program; `functions` is where its primitives come from."""
    used: set[str] = set()
    texts: dict[str, str] = {}
    names: dict[Call, str] = {}
    kernels = device_kernels(program, most_threads)
    for call, kernel in kernels.items():
        name, text = _kernel_text(call, kernel, used)
        names[call], texts[name] = name, text
    entry = entry_text(program, _spell(names, kernels))
    body = [f"@cuda.jit\n{text}" for text in texts.values()]
    return "\n\n".join([_imports(used, functions) + _LAUNCH, *body, entry])


def _kernel_text(call: Call, kernel: DeviceKernel, used: set[str]) -> tuple[str, str]:
    text = CudaKernel(kernel, "NAME", used).text()
    types = " ".join(p.dtype.name for p in kernel.loops.buffers)
    digest = hashlib.sha256(f"{types}\n{text}".encode()).hexdigest()[:8]
    name = f"{call.kernel.name}_{digest}"
    return name, text.replace("def NAME(", f"def {name}(", 1)


def _spell(
    names: Mapping[Call, str], kernels: Mapping[Call, DeviceKernel]
) -> Callable[[Call, Sequence[str], Callable[[Dim], str]], str]:
    def spell(call: Call, arguments: Sequence[str], dim: Callable[[Dim], str]) -> str:
        kernel = kernels[call]
        grid = [kernel.blocks_text(dim(call.chunks)), str(kernel.threads)]
        return f"launch({', '.join([names[call], *grid, *arguments])})"

    return spell


def _imports(used: set[str], functions: str) -> str:
    lines = ["import numpy as np", "from numba import cuda", ""]
    if functions_in(used):
        lines.append(f"from {functions} import {', '.join(functions_in(used))}")
    return "\n".join([*lines, "", "empty = cuda.device_array", *types_in(used)]) + "\n\n"
