"""What a caller must know of a compiled function: the types of its ends and where its code lies."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.record import dataclass

Prepare = Callable[[tuple[Any, ...], dict[str, Any] | None], tuple[np.ndarray[Any, Any], ...]]
"""Turns any positional and keyword arguments into conforming arrays, or raises. Behind them may
follow one for each output, of its dtype and shape, which the result is written to.
"""

Fail = Callable[[int, int, tuple[int, ...], int], object]
"""Raises the error for a code, an offending value, the size slots, and where the table is that
begins with the addresses of the arguments.
"""

OUT = sys.intern("out")
"""The keyword under which arrays for the results are given, unless an argument is called so."""

REFUSED, NO_ARENA, NO_OUTPUT = 0, -1, -2
"""Codes that no check has: `plan` refuses the sizes; no memory for an arena of `value` bytes; none
for the first output (each later one has the next lower code).
"""

DIM_KINDS = ("const", "bind", "same", "free")
STRUCTURES = ("one", "tuple", "list", "none")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """An input array: its name (interned), its dtype and, for each axis, what its extent must be or
    where it goes.

    ("const", n): exactly n; ("bind", k): becomes size k; ("same", k): equals size k, which an
    earlier axis has bound; ("free", k): becomes size k and `plan` judges it.
    """

    name: str
    dtype: np.dtype[Any]
    dims: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """An output array; its extents come from `plan`."""

    dtype: np.dtype[Any]
    ndim: int


@dataclass(frozen=True, slots=True)
class CallSpec:
    """A compiled function as its caller sees it.

    plan: address of `i64 plan(ptr sizes, ptr out)`. Returns 0 or an error code; writes to `out` the
        arena's bytes, the work estimate in bytes, then the extents of all outputs in order.
    run: address of `i64 run(ptr buffers, ptr sizes, ptr arena)`; buffers are inputs, outputs and
        variables in order. Returns 0 or an error code.
    sizes: number of named sizes S. The array has two more slots: an error writes its code to slot S
        and the offending value to slot S + 1.
    variables: addresses of buffers that outlive the caller.
    owners: what code and buffers belong to; it lives as long as the caller.
    stateful: such calls run one at a time in the whole process.
    prepare: called when the arguments are not the expected positional arrays as they are.
    fail: must raise.
    out: the interned keyword under which arrays for the results may be given, if there is one.
    """

    name: str
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    variables: tuple[int, ...]
    sizes: int
    structure: str
    plan: int
    run: int
    stateful: bool
    prepare: Prepare
    fail: Fail
    owners: tuple[object, ...] = ()
    out: str = ""

    def __post_init__(self) -> None:
        assert self.structure in STRUCTURES, f"unknown result structure {self.structure!r}"
        assert self.structure != "one" or len(self.outputs) == 1, (
            f"structure 'one' needs one output, {self.name} has {len(self.outputs)}"
        )
        assert self.structure != "none" or not self.outputs, (
            f"structure 'none' drops {len(self.outputs)} outputs of {self.name}"
        )
        self._check_sizes()

    def _check_sizes(self) -> None:
        bound: set[int] = set()
        for kind, value in (dim for spec in self.inputs for dim in spec.dims):
            assert kind in DIM_KINDS, f"unknown kind of dimension {kind!r}"
            if kind == "const":
                continue
            assert 0 <= value < self.sizes, f"size {value} is not one of {self.sizes}"
            assert kind != "same" or value in bound, f"size {value} is used before it is bound"
            bound.add(value)
