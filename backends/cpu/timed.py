"""Programs whose kernels are timed one by one, in place: with the data and the caches as they are
when the whole program runs.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Mapping, Sequence

import numpy as np

from graphc.backends.cpu.cache import cached_object
from graphc.backends.cpu.callspec import Prepare
from graphc.backends.cpu.compiling import compiled
from graphc.backends.cpu.executable import load
from graphc.backends.cpu.host import host
from graphc.backends.cpu.search import WHOLE
from graphc.backends.llvm.loading import Library, load_object
from graphc.backends.llvm.target import Target
from graphc.backends.llvm.timers import MOST, TIMERS_IR, Timers
from graphc.backends.program import Program
from graphc.ir.node import Tensor
from graphc.ops.literal import aligned_empty
from graphc.passes.identity import identity_of

#: Seconds that the calls of a sample take together, about, and how many they are.
SAMPLE, FEWEST_CALLS, MOST_CALLS = 4e-4, 2, 50


class Variables:
    """Copies of the arrays behind variables, that are set back before every call."""

    def __init__(self, tensors: Sequence[Tensor]):
        self.tensors = tensors
        self._first = [x.node.attrs["state"].array for x in tensors]
        self.arrays = [_copied(array) for array in self._first]

    def set_back(self) -> None:
        """Gives the copies the present values again."""
        for copied, array in zip(self.arrays, self._first, strict=True):
            copied[...] = array


class Timed:
    """A compiled program that tells how long its kernels take. Its code is never freed."""

    def __init__(self, program: Program, variables: Variables, target: Target, prepare: Prepare):
        timers = Timers()
        packed = compiled(program, variables.tensors, target, timers)
        symbols = {name: _timers().address(name) for name in ("gc_timer_begin", "gc_timer_end")}
        arrays = variables.arrays
        self._native = load(program.name, packed, arrays, "tuple", prepare, symbols)
        self._variables = variables
        names = {body: identity_of(body) for body in timers.bodies}
        self._names = [names[body] for body in timers.bodies]

    def seconds(self, arguments: Sequence[np.ndarray]) -> Mapping[str, float]:
        """How long one call spends in the kernels of each body, and in all (`WHOLE`).

        It is one of several calls in a row, after one that wakes threads and fills caches.
        """
        self._variables.set_back()
        call, spent = self._native.call, _spent()[: len(self._names)]
        begin = time.perf_counter()
        call(*arguments)
        count = int(SAMPLE / (time.perf_counter() - begin))
        count = max(FEWEST_CALLS, min(MOST_CALLS, count))
        spent[:] = 0
        begin = time.perf_counter()
        for _ in range(count):
            call(*arguments)
        found = {WHOLE: (time.perf_counter() - begin) / count}
        for name, nanoseconds in zip(self._names, spent.tolist(), strict=True):
            if name is not None:
                found[name] = found.get(name, 0.0) + nanoseconds * 1e-9 / count
        return found


def _copied(array: np.ndarray) -> np.ndarray:
    data = aligned_empty(array.nbytes)
    return np.ndarray(array.shape, array.dtype, data.data)


@functools.cache
def _timers() -> Library:
    return load_object(cached_object(TIMERS_IR, host()), {}, keep=True)


@functools.cache
def _spent() -> np.ndarray:
    address = ctypes.CFUNCTYPE(ctypes.c_void_p)(_timers().address("gc_timers"))()
    assert address is not None
    return np.ctypeslib.as_array((ctypes.c_int64 * MOST).from_address(address))
