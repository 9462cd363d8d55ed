"""The functions that a kernel spelled in Python calls, each as the expression that it means.

Numba compiles these expressions, and CUDA's simulator evaluates the same ones, so no function has a
second definition. 16-bit floats are passed as `uint16`, their bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.math import FUNCTIONS
from graphc.ir.dtypes import DType, bfloat16, float16, float32, uint16

Make = Callable[..., Expr]


def _math(name: str) -> Make:
    return lambda *operands: e.math(name, *operands)


def quotient(a: Expr, b: Expr) -> Expr:
    """a / b of integers, rounded towards zero."""
    return a / b


def nonzero(x: Expr) -> Expr:
    """Whether x is not 0."""
    return e.not_equal(x, 0)


def half_to_float(bits: Expr) -> Expr:
    """The float16 with these bits, as a float32."""
    return e.cast(e.bitcast(bits, float16), float32)


def brain_to_float(bits: Expr) -> Expr:
    """The bfloat16 with these bits, as a float32."""
    return e.cast(e.bitcast(bits, bfloat16), float32)


def to_half(x: Expr) -> Expr:
    """The bits of x as a float16."""
    return e.bitcast(e.cast(x, float16), uint16)


def to_brain(x: Expr) -> Expr:
    """The bits of x as a bfloat16."""
    return e.bitcast(e.cast(x, bfloat16), uint16)


BY_OP: Mapping[str, tuple[str, Make, int]] = MappingProxyType(
    {
        "fma": ("fma", e.fma, 3),
        "abs": ("absolute", e.absolute, 1),
        "sqrt": ("sqrt", e.sqrt, 1),
        "floor": ("floor", e.floor, 1),
        "ceil": ("ceil", e.ceil, 1),
        "trunc": ("trunc", e.trunc, 1),
        "rint": ("rint", e.rint, 1),
        "min": ("minimum", e.minimum, 2),
        "max": ("maximum", e.maximum, 2),
        "div": ("quotient", quotient, 2),
        "rem": ("remainder", e.rem, 2),
        "mulhi": ("mulhi", e.mulhi, 2),
        "select": ("select", e.select, 3),
    }
)
"""Primitives by their op: name of the function, meaning, number of operands."""

_TWO = ("pow", "hypot", "atan2")

MEANINGS: Mapping[str, tuple[Make, int]] = MappingProxyType(
    {
        **{name: (_math(name), 2 if name in _TWO else 1) for name in FUNCTIONS},
        **{name: (make, arity) for name, make, arity in BY_OP.values()},
        "nonzero": (nonzero, 1),
        "half_to_float": (half_to_float, 1),
        "brain_to_float": (brain_to_float, 1),
        "to_half": (to_half, 1),
        "to_brain": (to_brain, 1),
    }
)
"""Every function of values alone: meaning and number of operands."""

TYPED: Mapping[str, Callable[[Expr, DType], Expr]] = MappingProxyType(
    {"bitcast": e.bitcast, "integer": e.cast}
)
"""Functions of a value and a type: the same bits as that type; a float as that integer type."""
