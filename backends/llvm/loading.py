"""Object code into this process: by our own linker where it can, else by LLVM's."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Protocol

from graphc.backends.llvm import elf


class LinkError(RuntimeError):
    """Object code that names something this process does not have."""


class Library(Protocol):
    """Loaded object code; its functions and data live as long as this object does."""

    def address(self, name: str) -> int:
        """Where the exported function or datum `name` lies; LinkError if it cannot be had."""


class LinkedLibrary:
    """What our own linker has put into memory."""

    def __init__(self, linked: elf.Linked):
        self._linked = linked

    def address(self, name: str) -> int:
        if name not in self._linked.exported:
            raise LinkError(f"cannot link {name!r}: it is not exported")
        return self._linked.exported[name]


def load_object(
    data: bytes | memoryview, symbols: Mapping[str, int], *, keep: bool = False
) -> Library:
    """Link `data` into this process.

    Undefined names are looked up in `symbols` (name -> address), then in the process (libc, libm,
    pthread). With `keep` the code stays until the process ends, whatever becomes of the result.
    """
    process = ctypes.CDLL(None)

    def outside(name: str) -> int:
        if name in symbols:
            return symbols[name]
        try:
            return ctypes.addressof(ctypes.c_byte.in_dll(process, name))
        except ValueError as error:
            raise LinkError(f"cannot link {name!r}: {error}") from error

    try:
        library = LinkedLibrary(elf.link(memoryview(data), outside))
    except elf.NotLinkable:
        from graphc.backends.llvm import engine

        return engine.load_object(bytes(data), symbols, keep=keep)
    if keep:
        keep_for_ever(library)
    return library


def keep_for_ever(thing: object) -> None:
    """Never free `thing`, not even while the interpreter ends: threads may still run its code."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
