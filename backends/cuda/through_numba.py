"""A program as a callable that runs on a GPU through Numba's CUDA target."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda

from graphc.backends.cuda.calls import Array, Run, device_call
from graphc.backends.cuda.source import source_of
from graphc.backends.cuda.threads import MOST
from graphc.backends.program import Program
from graphc.ir.errors import UnsupportedError


class NumbaArrays:
    """Arrays in the memory of Numba's current GPU."""

    def empty(self, size: int, dtype: Any) -> Any:
        return cuda.device_array(size, dtype)

    def upload(self, array: Array) -> Any:
        return cuda.to_device(array)

    def download(self, array: Any) -> Array:
        found: Array = array.copy_to_host()
        return found


def build(program: Program) -> Run:
    """A function of conforming arrays and named sizes that returns new output arrays."""
    available: Callable[[], bool] = cuda.is_available
    if not available():
        raise UnsupportedError(
            "the target 'numba-cuda' needs an NVIDIA GPU and the CUDA toolkit: Numba finds none"
        )
    source = source_of(program, MOST)
    name = f"<graphc numba-cuda {program.name}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    names: dict[str, Any] = {"np": np, "__name__": name}
    exec(compile(source, name, "exec"), names)
    return device_call(program, names["run"], NumbaArrays())
