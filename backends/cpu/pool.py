"""The thread pool of this process."""

from __future__ import annotations

import ctypes
import functools

from graphc.backends.cpu.ahead import once
from graphc.backends.cpu.cache import cached_object
from graphc.backends.cpu.host import host
from graphc.backends.cpu.runtime import runtime_ir
from graphc.backends.llvm.loading import Library, load_object
from graphc.ir.plain import plain
from graphc.ir.threads import default_threads


def pool_symbols() -> dict[str, int]:
    """Addresses of the pool's functions, for linking compiled code to them."""
    names = ("gc_parallel", "gc_set_threads", "gc_get_threads")
    return {name: _pool().address(name) for name in names}


def set_num_threads(count: int) -> None:
    """Let parallel work use `count` threads from now on, the calling one included."""
    count = plain(count)
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"the number of threads is an int of at least 1, not {count!r}")
    ctypes.CFUNCTYPE(None, ctypes.c_int32)(_pool().address("gc_set_threads"))(min(count, 1 << 30))


def get_num_threads() -> int:
    """How many threads parallel work uses, the calling one included."""
    return int(ctypes.CFUNCTYPE(ctypes.c_int32)(_pool().address("gc_get_threads"))())


@functools.cache
def pool_code() -> bytes | memoryview:
    """The object code of the pool."""
    return cached_object(runtime_ir(host().triple), host(), level=0)


@once
def _pool() -> Library:
    library = load_object(pool_code(), {}, keep=True)
    start = ctypes.CFUNCTYPE(None, ctypes.c_int32)(library.address("gc_set_threads"))
    start(default_threads())
    return library
