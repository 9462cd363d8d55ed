"""Object code into this process: by our own linker where it can, else by LLVM's."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
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

    def __init__(self, parts: Sequence[elf.Linked], exported: Mapping[str, int]):
        self._parts, self._exported = parts, exported

    def address(self, name: str) -> int:
        if name not in self._exported:
            raise LinkError(f"cannot link {name!r}: it is not exported")
        return self._exported[name]


def load_object(
    data: bytes | memoryview, symbols: Mapping[str, int], *, keep: bool = False
) -> Library:
    """Link `data` into this process; see `load_objects`."""
    return load_objects([data], symbols, keep=keep)


def load_objects(
    parts: Sequence[bytes | memoryview], symbols: Mapping[str, int], *, keep: bool = False
) -> Library:
    """Link objects into this process.

    Undefined names are looked up in the parts before, in `symbols` (name -> address), then in the
    process (libc, libm, pthread). With `keep` the code stays until the process ends, whatever
    becomes of the result.
    """
    process = ctypes.CDLL(None)
    exported: dict[str, int] = {}

    def outside(name: str) -> int:
        known = exported.get(name, symbols.get(name))
        if known is not None:
            return known
        try:
            return ctypes.addressof(ctypes.c_byte.in_dll(process, name))
        except ValueError as error:
            raise LinkError(f"cannot link {name!r}: {error}") from error

    linked: list[elf.Linked] = []
    try:
        for part in parts:
            linked.append(elf.link(memoryview(part), outside))
            exported.update(linked[-1].exported)
    except elf.NotLinkable:
        from graphc.backends.llvm import jit

        return jit.load_objects([bytes(part) for part in parts], symbols, keep=keep)
    library = LinkedLibrary(linked, exported)
    if keep:
        keep_for_ever(library)
    return library


def keep_for_ever(thing: object) -> None:
    """Never free `thing`, not even while the interpreter ends: threads may still run its code."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
