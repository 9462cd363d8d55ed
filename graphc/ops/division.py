"""Whole quotients, and remainders with the sign of the divisor or (fmod) of the dividend.

Of integers, a zero divisor gives 0 and the one quotient that overflows wraps around, as in NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.dtypes import NUMBERS, float32, float64
from graphc.ir.node import Tensor
from graphc.ops.classify import bits_of
from graphc.ops.elementwise import elementwise, uniform
from graphc.ops.rounding import trunc

# Each step takes 53 bits off the quotient: six cover every float32, four a quotient to 2^200.
_STEPS = {float32: 6, float64: 4}
_MAX_QUOTIENT = 2.0**200


def _safe(b: Any, y: Any) -> Any:
    """The divisor with 0, and -1 whose quotient can overflow, replaced by 1."""
    unsafe = b.equal(y, 0)
    if y.dtype.kind == "i":
        unsafe = unsafe | b.equal(y, -1)
    return b.select(unsafe, 1, y)


def _int_fmod(b: Any, x: Any, y: Any) -> Any:
    return b.rem(x, _safe(b, y))


def _opposite(b: Any, r: Any, y: Any) -> Any:
    """Whether a remainder is not zero and has not the divisor's sign."""
    return b.not_equal(r, 0) & ((r ^ y) < 0)


def _int_remainder(b: Any, x: Any, y: Any) -> Any:
    r = _int_fmod(b, x, y)
    return b.select(_opposite(b, r, y), r + y, r) if x.dtype.kind == "i" else r


def _int_floor_divide(b: Any, x: Any, y: Any) -> Any:
    safe = _safe(b, y)
    quotient = x / safe
    if x.dtype.kind == "i":
        down = _opposite(b, b.rem(x, safe), safe)
        quotient = b.select(down, quotient - 1, quotient)
        quotient = b.select(b.equal(y, -1), -x, quotient)
    return b.select(b.equal(y, 0), 0, quotient)


def _float_fmod(b: Any, x: Any, y: Any) -> Any:
    """x - trunc(x/y)*y without rounding; NaN for a quotient of float64 above 2^200.

    Each step subtracts a quotient correct to 53 bits, which leaves an exactly representable rest.
    """
    divisor = b.cast(b.absolute(y), float64)
    rest = start = b.cast(b.absolute(x), float64)
    for _ in range(_STEPS[x.dtype]):
        rest = b.fma(-b.trunc(rest / divisor), divisor, rest)
    rest = b.select(rest < 0, rest + divisor, rest)
    rest = b.select(start < divisor, start, rest)
    if x.dtype is float64:
        rest = b.select(start / _MAX_QUOTIENT < divisor, rest, np.nan)
    rest = b.select(start < np.inf, rest, np.nan)
    return _signed(b, b.cast(rest, x.dtype), x)


def _signed(b: Any, magnitude: Any, like: Any) -> Any:
    """A number that is not negative, with the sign of `like`."""
    return b.select(bits_of(b, like) < 0, -magnitude, magnitude)


def _float_remainder(b: Any, x: Any, y: Any) -> Any:
    r = _float_fmod(b, x, y)
    zero = _signed(b, b.const(0, x.dtype), y)
    differs = (r < 0) ^ (y < 0)
    return b.select(b.equal(r, 0), zero, b.select(differs, r + y, r))


def _float_floor_divide(b: Any, x: Any, y: Any) -> Any:
    """The quotient from the exact remainder, as x/y rounded could be a whole number too large."""
    r = _float_fmod(b, x, y)
    quotient = (x - r) / y
    quotient = b.select(b.not_equal(r, 0) & ((r < 0) ^ (y < 0)), quotient - 1, quotient)
    whole = b.floor(quotient)
    whole = b.select(quotient - whole > 0.5, whole + 1, whole)
    whole = b.select(b.equal(quotient, 0), _signed(b, b.const(0, x.dtype), x / y), whole)
    return b.select(b.equal(y, 0), x / y, whole)


def _by_kind(of_floats: Any, of_integers: Any) -> Any:
    return lambda b, x, y: (of_floats if x.dtype.is_float else of_integers)(b, x, y)


def _negated_times(g: Tensor, quotient: Tensor) -> Tensor:
    return -g * quotient


_sample = (*uniform(-50, 50), *uniform(1, 9))

floor_divide = elementwise(
    "floor_divide",
    reference=np.floor_divide,
    emit=_by_kind(_float_floor_divide, _int_floor_divide),
    grad=lambda node, g: (None, None),
    takes=NUMBERS,
    sample=_sample,
    flops=20,
    doc="The whole quotient x // y, rounded down; its gradient is zero",
)
remainder = elementwise(
    "remainder",
    reference=np.remainder,
    emit=_by_kind(_float_remainder, _int_remainder),
    grad=lambda node, g: (g, _negated_times(g, floor_divide(*node.inputs))),
    takes=NUMBERS,
    sample=_sample,
    flops=20,
    doc="x % y: what floor_divide leaves, with the sign of y",
)
fmod = elementwise(
    "fmod",
    reference=np.fmod,
    emit=_by_kind(_float_fmod, _int_fmod),
    grad=lambda node, g: (g, _negated_times(g, trunc(node.inputs[0] / node.inputs[1]))),
    takes=NUMBERS,
    sample=_sample,
    flops=20,
    doc="x - trunc(x / y) * y: the remainder with the sign of x",
)
