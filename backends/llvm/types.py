"""Names of types and literals in LLVM IR."""

from __future__ import annotations

import functools
import struct

import numpy as np

from graphc.backends.loops.expr import Expr
from graphc.ir.dtypes import DType, bfloat16


@functools.cache
def scalar_type(dtype: DType) -> str:
    """The type of a value in a register."""
    if dtype is bfloat16:
        return "i16"
    if dtype.is_float:
        return {16: "half", 32: "float", 64: "double"}[dtype.bits]
    return f"i{dtype.bits}"


@functools.cache
def memory_type(dtype: DType) -> str:
    """The type of an element in memory: a bool takes a byte."""
    return "i8" if dtype.kind == "b" else scalar_type(dtype)


def vector_type(element: str, lanes: int) -> str:
    """So many of an element; one is no vector."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


def every(element: str, lanes: int, value: float | str) -> str:
    """A constant in every lane, without its type."""
    return f"splat ({element} {value})" if lanes > 1 else str(value)


def type_of(x: Expr) -> str:
    """The type of an expression's value in a register."""
    return _type(x.dtype, x.lanes)


@functools.cache
def _type(dtype: DType, lanes: int) -> str:
    return vector_type(scalar_type(dtype), lanes)


@functools.cache
def mangled(dtype: DType, lanes: int) -> str:
    """The suffix of an intrinsic's name for this type."""
    base = {"half": "f16", "float": "f32", "double": "f64"}.get(
        scalar_type(dtype), scalar_type(dtype)
    )
    return base if lanes == 1 else f"v{lanes}{base}"


def literal(value: bool | int | float, dtype: DType) -> str:
    """A constant in LLVM's spelling, exact to the bit."""
    if dtype.kind == "b":
        return "true" if value else "false"
    if dtype is bfloat16:
        return str(int(np.asarray(value, dtype=bfloat16.numpy).view(np.uint16)))
    if dtype.is_float:
        if dtype.bits == 16:
            return f"0xH{int(np.float16(value).view(np.uint16)):04X}"
        exact = float(np.float32(value)) if dtype.bits == 32 else float(value)
        return f"0x{struct.unpack('<Q', struct.pack('<d', exact))[0]:016X}"
    return str(int(value))
