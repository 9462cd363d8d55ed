"""Loads the native caller into this interpreter and makes builtins from it."""

from __future__ import annotations

import ctypes
import functools
import importlib
import os
import re
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.backends.cpu import cache
from graphc.backends.cpu.ahead import once
from graphc.backends.cpu.callspec import CallSpec
from graphc.backends.cpu.entry_ir import call_ir
from graphc.backends.cpu.host import host
from graphc.backends.cpu.record import native_record
from graphc.backends.llvm.loading import Library, load_object
from graphc.ir.record import dataclass

NUMPY_SLOTS = {"PyArray_Type": 2, "PyArray_NewFromDescr": 94, "PyArray_SetBaseObject": 282}
"""Places in NumPy's table of C functions, which are part of its binary interface."""

FASTCALL_WITH_KEYWORDS = 0x0080 | 0x0002


class _MethodDef(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


@dataclass(frozen=True, slots=True)
class NativeCaller:
    """The loaded native code and the two C functions that make a builtin of it."""

    library: Library
    new_capsule: Callable[[int, None, int], object]
    new_function: Callable[[Any, tuple[object, ...], None], Callable[..., Any]]

    def make(self, spec: CallSpec) -> Callable[..., Any]:
        """A builtin that calls the compiled function."""
        record = native_record(spec)
        capsule = self.new_capsule(record, None, self.library.address("call_destroy"))
        names = ", ".join(item.name for item in spec.inputs)
        method = _MethodDef(
            spec.name.encode(),
            self.library.address("call_entry"),
            FASTCALL_WITH_KEYWORDS,
            f"{spec.name}({names})\n--\n\n".encode(),
        )
        # The builtin's self owns all that its C code borrows, where the garbage collector sees it.
        return self.new_function(ctypes.byref(method), (capsule, spec, method), None)

    def kept_bytes(self) -> int:
        """Bytes of the blocks that the pool keeps for reuse."""
        return ctypes.c_int64.from_address(self.library.address("block_kept_bytes")).value

    def limit_pool(self, limit: int) -> None:
        """Let the pool keep at most `limit` bytes; what it keeps now is freed."""
        ctypes.c_int64.from_address(self.library.address("block_limit_bytes")).value = limit
        ctypes.PYFUNCTYPE(None)(self.library.address("block_trim"))()


@functools.cache
def caller_code() -> bytes | memoryview:
    """The object code of the native caller."""
    return cache.cached_object(_text(), host(), level=0)


def _text() -> str:
    return call_ir(14 if sys.platform == "linux" else 0)


@once
def native_caller() -> NativeCaller | None:
    """The native caller, or None where this interpreter or NumPy is not laid out as it assumes."""
    if not layout_holds():
        return None
    library = load_object(caller_code(), _symbols(_text()), keep=True)
    api = ctypes.pythonapi
    caller = NativeCaller(
        library,
        ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(
            ("PyCapsule_New", api)
        ),
        ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
            ("PyCFunction_NewEx", api)
        ),
    )
    _reset_state_lock(library)
    os.register_at_fork(after_in_child=functools.partial(_reset_state_lock, library))
    caller.limit_pool(default_pool_limit())
    return caller


def default_pool_limit() -> int:
    """An eighth of the machine's memory, at most 1 GiB."""
    return min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 8, 1 << 30)


def layout_holds() -> bool:
    """Whether arrays and the interpreter are laid out in memory as the native code assumes."""
    plain = sys.implementation.name == "cpython" and struct.calcsize("P") == 8
    if not plain or sys.byteorder != "little" or "t" in sys.abiflags:
        return False
    table = _numpy_table()
    version = ctypes.CFUNCTYPE(ctypes.c_uint)(table[0])() >> 24
    if version != 2 or table[NUMPY_SLOTS["PyArray_Type"]] != id(np.ndarray):
        return False
    samples = (np.zeros((3, 5), np.float32), np.zeros((2, 7, 4), np.int8)[:, 1:3], np.ones(()))
    return all(_array_layout_holds(sample) for sample in samples)


def _array_layout_holds(array: np.ndarray[Any, Any]) -> bool:
    def word(offset: int) -> int:
        return ctypes.c_int64.from_address(id(array) + offset).value

    flags = ctypes.c_int32.from_address(id(array) + 64).value
    expected = array.flags.c_contiguous * 1 + array.flags.aligned * 256
    extents = (ctypes.c_int64 * array.ndim).from_address(word(32) or id(array))
    return (
        word(8) == id(np.ndarray)
        and word(16) == array.ctypes.data
        and ctypes.c_int32.from_address(id(array) + 24).value == array.ndim
        and tuple(extents) == array.shape
        and word(56) == id(array.dtype)
        and flags & 257 == expected
    )


def _symbols(text: str) -> dict[str, int]:
    """Addresses of all that the IR `text` takes from Python and NumPy."""
    table = _numpy_table()
    symbols = {name: table[slot] for name, slot in NUMPY_SLOTS.items()}
    for name in set(re.findall(r"@(_?Py\w+)", text)) - NUMPY_SLOTS.keys():
        symbols[name] = ctypes.addressof(ctypes.c_byte.in_dll(ctypes.pythonapi, name))
    return symbols


def _numpy_table() -> ctypes.Array[Any]:
    """NumPy's table of C functions."""
    capsule = importlib.import_module("numpy._core._multiarray_umath")._ARRAY_API
    pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    address = pointer(capsule, None)
    return (ctypes.c_size_t * (max(NUMPY_SLOTS.values()) + 1)).from_address(address)


def _reset_state_lock(library: Library) -> None:
    """An open lock for stateful calls: at start, and in a child whose parent may have held it."""
    ctypes.CDLL(None).pthread_mutex_init(ctypes.c_void_p(library.address("state_lock")), None)
