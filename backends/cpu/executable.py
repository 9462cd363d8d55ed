"""Compiled graphs as callables of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.backends.cpu.caller import make_caller
from graphc.backends.cpu.callspec import (
    NO_ARENA,
    NO_OUTPUT,
    CallSpec,
    Fail,
    InputSpec,
    OutputSpec,
    Prepare,
)
from graphc.backends.cpu.entry import Packed
from graphc.backends.cpu.pool import pool_symbols
from graphc.backends.llvm.loading import Library, load_objects
from graphc.ir.dtypes import as_dtype
from graphc.ir.errors import ArgumentError, IndexRangeError
from graphc.ir.record import dataclass

Shortage = Callable[[int | None, int, tuple[int, ...]], str]
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
    library = load_objects(packed.objects, {**pool_symbols(), **(symbols or {})}, keep=True)
    held = [variables[k] for k in entry.variables] + list(packed.constants)
    spec = CallSpec(
        name=name,
        inputs=tuple(InputSpec(n, as_dtype(dtype).numpy, dims) for n, dtype, dims in entry.inputs),
        outputs=tuple(OutputSpec(as_dtype(dtype).numpy, rank) for dtype, rank in entry.outputs),
        variables=tuple(int(array.ctypes.data) for array in held),
        sizes=entry.sizes,
        structure=structure,
        plan=library.address(entry.plan),
        run=library.address(entry.run),
        stateful=entry.stateful,
        prepare=prepare,
        fail=_failure(name, entry.failures, shortage),
    )
    return Native(make_caller(spec), library, held)


def _failure(name: str, messages: Sequence[str], shortage: Shortage | None) -> Fail:
    """The function that raises the error of a failed check, or of memory that is out."""

    def fail(code: int, value: int, sizes: tuple[int, ...]) -> object:
        if code < 0:
            output = None if code == NO_ARENA else NO_OUTPUT - code
            raise MemoryError(shortage(output, value, sizes) if shortage else f"{name}: {value}")
        if code > len(messages):
            raise ArgumentError(
                f"{name}: the sizes of the arguments do not fit each other: {sizes}"
            )
        raise IndexRangeError(messages[code - 1].format(value=value))

    return fail
