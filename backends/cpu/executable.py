"""Compiled graphs as callables of this process."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.backends.cpu.caller import make_caller
from graphc.backends.cpu.callspec import (
    NO_ARENA,
    NO_OUTPUT,
    OUT,
    REFUSED,
    CallSpec,
    InputSpec,
    OutputSpec,
    Prepare,
)
from graphc.backends.cpu.entry import Entry, Packed
from graphc.backends.cpu.pool import pool_symbols
from graphc.backends.failures import check_error
from graphc.backends.llvm.loading import Library, load_objects
from graphc.ir.dtypes import as_dtype
from graphc.ir.errors import ArgumentError
from graphc.ir.record import dataclass

Shortage = Callable[[int | None, int, Mapping[str, int]], str]
"""The text for an output's number, or for None and the bytes of an arena; then come the sizes."""


@dataclass(frozen=True, eq=False)
class Native:
    """A callable, and what must live as long as it: the library of its code and the arrays of its
    constants.
    """

    call: Callable[..., Any]
    library: Library
    constants: list[np.ndarray]


def load(
    name: str,
    packed: Packed,
    variables: Sequence[np.ndarray],
    structure: str,
    prepare: Prepare,
    symbols: Mapping[str, int] | None = None,
    shortage: Shortage | None = None,
) -> Native:
    """A callable of compiled code. `variables` are the arrays behind the caller's variables;
    `structure` is "one", "tuple", "list" or "none"; `prepare` turns arguments that do not conform
    into arrays that do. `symbols` are the addresses of other names that the code uses; `shortage`
    is the text of a MemoryError.
    """
    entry = packed.entry
    library = load_objects(packed.objects, {**pool_symbols(), **(symbols or {})})
    held = [variables[k] for k in entry.variables] + list(packed.constants)
    spec = CallSpec(
        name=name,
        inputs=tuple(
            InputSpec(sys.intern(n), as_dtype(dtype).numpy, dims) for n, dtype, dims in entry.inputs
        ),
        outputs=tuple(OutputSpec(as_dtype(dtype).numpy, rank) for dtype, rank in entry.outputs),
        variables=tuple(int(array.ctypes.data) for array in held),
        sizes=entry.sizes,
        structure=structure,
        plan=library.address(entry.plan),
        run=library.address(entry.run),
        stateful=entry.stateful,
        prepare=prepare,
        fail=_Failing(name, entry, prepare, shortage),
        owners=(library, *held),
        out="" if any(n == OUT for n, *_ in entry.inputs) else OUT,
    )
    return Native(make_caller(spec), library, held)


@dataclass(frozen=True, eq=False)
class _Failing:
    """Raises the errors of a call: of arguments that `plan` refuses, of memory that is out, and of
    checks.
    """

    name: str
    entry: Entry
    prepare: Prepare
    shortage: Shortage | None

    def __call__(self, code: int, value: int, sizes: tuple[int, ...], buffers: int) -> object:
        named = dict(zip(self.entry.names, sizes, strict=False))
        if code < 0:
            output = None if code == NO_ARENA else NO_OUTPUT - code
            text = self.shortage(output, value, named) if self.shortage else self.name
            raise MemoryError(text)
        if code == REFUSED:
            self.prepare(
                tuple(self._argument(k, sizes, buffers) for k in range(len(self.entry.inputs))),
                None,
            )
            raise ArgumentError(f"{self.name}: the sizes of the arguments do not fit: {named}")
        failure = self.entry.failures[code - 1]
        arguments = {
            k: (self.entry.inputs[k][0], self._argument(k, sizes, buffers)) for k in failure[3]
        }
        raise check_error(failure, value, named, arguments)

    def _argument(self, k: int, sizes: tuple[int, ...], buffers: int) -> np.ndarray:
        """Argument k of the call, where it lies."""
        _, name, dims = self.entry.inputs[k]
        dtype = as_dtype(name).numpy
        shape = [n if kind == "const" else sizes[n] for kind, n in dims]
        address = ctypes.c_size_t.from_address(buffers + 8 * k).value
        count = math.prod(shape) * dtype.itemsize
        raw = np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(address))
        return raw.view(dtype).reshape(shape)
