"""Single kernels of the loop IR, compiled and called on arrays."""

import ctypes

import numpy as np

from graphc.backends.llvm.engine import compile_object, host_target
from graphc.backends.llvm.function import KernelFunction
from graphc.backends.llvm.jit import load_object
from graphc.backends.loops.stmt import LoopKernel
from graphc.backends.loops.vectorise import vectorise


class Compiled:
    """A kernel as a function of its buffers and sizes, in their order."""

    def __init__(self, kernel: LoopKernel):
        text, declarations = KernelFunction(vectorise(kernel), "tested").text()
        entry = (
            "define void @entry(ptr %f, i64 %chunk) {\n"
            "  call void @tested(ptr %f, i64 %chunk)\n  ret void\n}"
        )
        code = compile_object("\n".join([text, *declarations, entry]), host_target())
        self.library = load_object(code, {})
        address = self.library.address("entry")
        self.call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(address)

    def __call__(self, *arrays: np.ndarray, sizes: tuple[int, ...] = (), chunk: int = 0):
        """Runs one chunk; the code and value of the check that failed."""
        status = np.zeros(2, np.int64)
        frame = np.array([a.ctypes.data for a in (status, *arrays)] + list(sizes), np.uint64)
        self.call(frame.ctypes.data, chunk)
        return int(status[0]), int(status[1])
