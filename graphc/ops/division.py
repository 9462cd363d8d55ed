"""Whole quotients, and remainders with the sign of the divisor or (fmod) of the dividend.

Of integers, a zero divisor gives 0 and the one quotient that overflows wraps around, as in NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.dtypes import NUMBERS, float32, float64, int64
from graphc.ir.node import Tensor
from graphc.ops.classify import bits_of
from graphc.ops.elementwise import elementwise, uniform
from graphc.ops.rounding import trunc


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
    """x - trunc(x/y)*y, exactly.

    With x = m*2^d and y = n in units in which n is a 53-bit integer, the rest is m*2^d mod n, and
    2^d mod n comes from repeated squaring.
    """
    whole, top = b.cast(b.absolute(x), float64), b.cast(b.absolute(y), float64)
    m, x_unit = _scaled(b, whole)
    n, y_unit = _scaled(b, top)
    gap = x_unit - y_unit
    gap = b.select(gap < 0, 0, gap)
    m = b.select(m >= n, m - n, m)
    rest = _product_modulo(b, m, _power_of_two_modulo(b, gap, n, 3 if x.dtype is float32 else 6), n)
    half = y_unit >> 1  # twice, as 2^unit alone can underflow
    rest = rest * _power_of_two(b, half) * _power_of_two(b, y_unit - half)
    rest = b.select(whole < top, whole, rest)
    invalid = ~(whole < np.inf) | b.equal(top, 0) | b.not_equal(top, top)
    return _signed(b, b.cast(b.select(invalid, np.nan, rest), x.dtype), x)


def _scaled(b: Any, x: Any) -> tuple[Any, Any]:
    """(m, e) with x = m * 2^e and 2^52 <= m < 2^53, for finite x > 0."""
    tiny = x < 2.0**-1022
    bits = b.bitcast(b.select(tiny, x * 2.0**64, x), int64)
    mantissa = (bits & (2**52 - 1)) | (1075 << 52)
    exponent = (bits >> 52) - b.select(tiny, b.const(1075 + 64, int64), 1075)
    return b.bitcast(mantissa, float64), exponent


def _power_of_two(b: Any, exponent: Any) -> Any:
    return b.bitcast((exponent + 1023) << 52, float64)


def _power_of_two_modulo(b: Any, exponent: Any, n: Any, squarings: int) -> Any:
    """2^exponent mod n, for an exponent below 50 * 2^squarings."""
    power = _power_of_two(b, exponent >> squarings)
    for bit in reversed(range(squarings)):
        power = _product_modulo(b, power, power, n)
        double = power + power
        double = b.select(double >= n, double - n, double)
        power = b.select(b.equal((exponent >> bit) & 1, 0), power, double)
    return power


def _product_modulo(b: Any, x: Any, y: Any, n: Any) -> Any:
    """x*y mod n of integers below n, itself a 53-bit integer; no step rounds.

    The product is `high + low`, each a float64; the rest of `high` is at most 3/4 n in magnitude,
    and given the sign opposite to `low` before the two are added.
    """
    high = x * y
    low = b.fma(x, y, -high)
    rest = b.fma(-b.rint(high / n), n, high)
    rest = b.select((rest > 0) & (low > 0), rest - n, rest)
    rest = b.select((rest < 0) & (low < 0), rest + n, rest)
    rest = rest + low
    rest = b.select(rest < 0, rest + n, rest)
    return b.select(rest >= n, rest - n, rest)


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
    flops=100,
    doc="The whole quotient x // y, rounded down; its gradient is zero",
)
remainder = elementwise(
    "remainder",
    reference=np.remainder,
    emit=_by_kind(_float_remainder, _int_remainder),
    grad=lambda node, g: (g, _negated_times(g, floor_divide(*node.inputs))),
    takes=NUMBERS,
    sample=_sample,
    flops=100,
    doc="x % y: what floor_divide leaves, with the sign of y",
)
fmod = elementwise(
    "fmod",
    reference=np.fmod,
    emit=_by_kind(_float_fmod, _int_fmod),
    grad=lambda node, g: (g, _negated_times(g, trunc(node.inputs[0] / node.inputs[1]))),
    takes=NUMBERS,
    sample=_sample,
    flops=100,
    doc="x - trunc(x / y) * y: the remainder with the sign of x",
)
