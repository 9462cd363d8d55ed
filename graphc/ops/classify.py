"""What kind of number an element is: NaN, infinite, finite, negative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.dtypes import FLOATS, NUMBERS, bool_, int32, int64
from graphc.ops.elementwise import elementwise, uniform

_any = uniform(-4, 4)


def bits_of(b: Any, x: Any) -> Any:
    """The bits of a float as a signed integer."""
    return b.bitcast(x, int32 if x.dtype.bits == 32 else int64)


def _of_floats(emit: Callable[[Any, Any], Any], otherwise: str) -> Callable[[Any, Any], Any]:
    """The emitter for floats; integers give the same answer always: x `otherwise` x."""
    return lambda b, x: emit(b, x) if x.dtype.is_float else getattr(b, otherwise)(x, x)


def _emit_signbit(b: Any, x: Any) -> Any:
    if x.dtype.is_float:
        return bits_of(b, x) < 0
    return x < 0 if x.dtype.kind == "i" else b.not_equal(x, x)


isnan = elementwise(
    "isnan",
    reference=lambda x: x != x,
    emit=lambda b, x: b.not_equal(x, x),
    gives=bool_,
    sample=_any,
    doc="Whether x is not a number",
)
isinf = elementwise(
    "isinf",
    reference=np.isinf,
    emit=_of_floats(lambda b, x: b.equal(b.absolute(x), np.inf), "not_equal"),
    gives=bool_,
    sample=_any,
    doc="Whether x is infinite",
)
isfinite = elementwise(
    "isfinite",
    reference=np.isfinite,
    emit=_of_floats(lambda b, x: b.absolute(x) < np.inf, "equal"),
    gives=bool_,
    sample=_any,
    doc="Whether x is neither infinite nor NaN",
)
signbit = elementwise(
    "signbit",
    reference=lambda x: np.signbit(x) if x.dtype.kind == "f" else x < 0,
    emit=_emit_signbit,
    takes=NUMBERS,
    gives=bool_,
    sample=_any,
    doc="Whether x is negative; true of -0.0",
)


def _emit_copysign(b: Any, x: Any, y: Any) -> Any:
    flipped = (bits_of(b, x) ^ bits_of(b, y)) < 0
    return b.select(flipped, -x, x)


copysign = elementwise(
    "copysign",
    reference=np.copysign,
    emit=_emit_copysign,
    grad=lambda node, g: (_same_sign(node, g), None),
    takes=FLOATS,
    floating=True,
    sample=uniform(-4, 4, 2),
    doc="The magnitude of x with the sign of y",
)


def _same_sign(node: Any, g: Any) -> Any:
    from graphc.ops.select import where

    x, y = node.inputs
    return where(signbit(x) == signbit(y), g, -g)
