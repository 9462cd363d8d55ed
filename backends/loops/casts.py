"""Conversions of 16-bit floats as integer arithmetic: the same bits on every target, with or
without hardware for them.
"""

from __future__ import annotations

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.ir.dtypes import (
    DType,
    bfloat16,
    float16,
    float32,
    float64,
    uint16,
    uint32,
)  # fmt: skip


def expand_cast(x: Expr) -> Expr | None:
    """A cast from or to a 16-bit float in simpler steps, None where it is one already."""
    (source,) = x.args
    have, want = source.dtype, x.dtype
    if have is bfloat16:
        wide = e.bitcast(e.cast(e.bitcast(source, uint16), uint32) << 16, float32)
        return e.cast(wide, want) if want is not float32 else wide
    if want is bfloat16:
        return _to_bfloat16(e.cast(source, float32))
    if have is float16 and want is not float32:
        return e.cast(e.cast(source, float32), want)
    if want is float16 and have is not float32:
        return e.cast(_narrow_odd(e.cast(source, float64)), float16)
    return None


def _to_bfloat16(x: Expr) -> Expr:
    """Rounds to nearest, halves to even; a NaN stays one and keeps its sign."""
    bits = e.bitcast(x, uint32)
    rounded = (bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16
    nan = (bits >> 16) | 0x40
    chosen = e.select(e.not_equal(x, x), nan, rounded)
    return e.bitcast(e.cast(chosen, uint16), bfloat16)


def _narrow_odd(x: Expr) -> Expr:
    """float64 to float32 rounded to odd, so that a second rounding is as good as one."""
    near = e.cast(x, float32)
    back = e.cast(near, float64)
    bits = e.bitcast(near, uint32)
    down = e.select(e.absolute(back) > e.absolute(x), bits - 1, bits)
    inexact = (back < x) | (back > x)
    return e.bitcast(e.select(inexact, down | 1, bits), float32)


def storage(dtype: DType) -> DType:
    """The integer dtype of a 16-bit float's bits, or the dtype itself."""
    return uint16 if dtype is bfloat16 else dtype
