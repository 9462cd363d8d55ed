"""Spells conversions of vectors of floats to integers as LLVM IR: what does not fit becomes the
nearest number that does, NaN 0, as the instructions for scalars have it.
"""

from __future__ import annotations

from math import inf

from graphc.backends.llvm.types import type_of
from graphc.backends.llvm.vectors import Vectors
from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.ir.dtypes import DType

Range = tuple[float, float]
#: Functions that keep their argument within whole numbers.
_WHOLE = ("floor", "ceil", "trunc", "rint")


def converted(values: Vectors, x: Expr, a: Expr) -> str:
    """The vector x of integers of at least 32 bits, made of the floats a.

    LLVM would take its own saturating conversion of a vector apart, lane by lane.
    """
    least, end = _limits(x.dtype)
    within = fits(a, x.dtype)
    inside = e.equal(a, a) if within else (a >= least) & (a < end)
    safe = e.select(inside, a, e.const(0.0, a.dtype))
    opcode = "fptosi" if x.dtype.kind == "i" else "fptoui"
    made = values.assign(f"{opcode} {values.typed(safe)} to {type_of(x)}")
    if within:
        return made
    made = _chosen(values, x, a >= end, int(end) - 1, made)
    return _chosen(values, x, a < least, int(least), made) if least < 0 else made


def fits(a: Expr, dtype: DType) -> bool:
    """Whether a float certainly is a number of this dtype once it is rounded towards zero, or
    NaN.
    """
    (least, end), (low, high) = _limits(dtype), bounds_of(a)
    return low >= least and high < end


def _limits(dtype: DType) -> Range:
    """The least number of an integer dtype, and the one behind the greatest; floats hold both."""
    bits = dtype.bits
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1)) if dtype.kind == "i" else (0.0, 2.0**bits)


def bounds_of(a: Expr) -> Range:
    """Between which numbers a float certainly lies, if it is no NaN."""
    if a.op == "const":
        return (a.attr, a.attr) if a.attr == a.attr else (-inf, inf)
    if a.op == "broadcast":
        return bounds_of(a.args[0])
    if a.op in _WHOLE:
        low, high = bounds_of(a.args[0])
        return low - 1, high + 1
    if a.op in ("min", "max"):
        (low, high), (other_low, other_high) = map(bounds_of, a.args)
        chosen = min if a.op == "min" else max
        return chosen(low, other_low), chosen(high, other_high)
    return -inf, inf


def _chosen(values: Vectors, x: Expr, condition: Expr, number: int, made: str) -> str:
    """The number in lanes where the condition holds."""
    constant = values.typed(e.broadcast(e.const(number, x.dtype), x.lanes))
    return values.assign(f"select {values.typed(condition)}, {constant}, {type_of(x)} {made}")
