"""Compiles the source of a program with Numba; equal sources are compiled once in a process."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Mapping
from typing import Any

import numba
from numba import types

from graphc.backends.loops.stmt import LoopKernel, Param
from graphc.backends.numba.intrinsics import NUMBA_TYPES
from graphc.backends.numba.module import Source

_compiled: dict[str, Mapping[str, Any]] = {}


def kernel(function: Callable[..., None]) -> Any:
    """A function that Numba compiles: IEEE arithmetic as written, and no lock held meanwhile.

    Nothing counts references in one that makes no array, and nobody calls it from C: both would
    take a third of its compilation.
    """
    options: dict[str, Any] = {
        "error_model": "numpy",
        "nogil": True,
        "no_cfunc_wrapper": True,
        "_nrt": "empty" in function.__code__.co_names,
    }
    return numba.njit(**options)(function)


def namespace_of(source: Source) -> Mapping[str, Any]:
    """The names that the module defines, kernels compiled for their types."""
    found = _compiled.get(source.text)
    if found is None:
        found = _compiled[source.text] = _compile(source)
    return found


def _compile(source: Source) -> Mapping[str, Any]:
    filename = f"<graphc numba {len(_compiled)}>"
    linecache.cache[filename] = (len(source.text), None, source.text.splitlines(True), filename)
    names: dict[str, Any] = {"__name__": filename}
    exec(compile(source.text, filename, "exec"), names)
    for name, loops in source.kernels.items():
        names[name].compile(signature_of(loops))
        names[name].disable_compile()
    return names


def signature_of(loops: LoopKernel) -> Any:
    """The types of a kernel's parameters."""
    sizes = [types.int64] * len(loops.sizes)
    return types.void(types.int64[::1], *map(_array_type, loops.buffers), *sizes)


def _array_type(p: Param) -> Any:
    return types.Array(NUMBA_TYPES[p.dtype], 1, "C", readonly=not p.writes)
