"""Angles modulo a right angle: x = n pi/2 + r with |r| <= pi/4 and n known modulo 4.

An ordinary x loses n pi/2 as three floats' sum (Cody and Waite); what a difference rounds away is
kept. For a huge x the bits of 2/pi that matter are those which its exponent selects: they are
multiplied by the integer fraction of x, and whole turns fall off the top of a 64-bit word (Payne
and Hanek).
"""

from __future__ import annotations

from itertools import pairwise

from graphc.backends.loops.expr import Expr, bitcast, cast, const, equal, fma, mulhi, select
from graphc.backends.math.floats import bits_of, format_of, literal, rounded_product
from graphc.ir.dtypes import float32, float64, int64, uint64
from graphc.ir.record import dataclass

HUGE = {float32: 2.0**16, float64: 2.0**30}  # from here on 2/pi is needed with more bits

HALF_PI = {
    float32: (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
    float64: (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
}
TWO_OVER_PI = 0.6366197723675814

# the bits of 2/pi: the first word's last bit counts 4, the second's first 2
WORDS = (
    0x0000000000000000, 0x28BE60DB9391054A, 0x7F09D5F47D4D3770, 0x36D8A5664F10E410,
    0x7F9458EAF7AEF158, 0x6DC91B8E909374B8, 0x01924BBA82746487, 0x3F877AC72C4A69CF,
    0xBA208D7D4BAED121, 0x3A671C09AD17DF90, 0x4E64758E60D4CE7D, 0x272117E2EF7E4A0E,
    0xC7FE25FFF7816603, 0xFBCBC462D6829B47, 0xDB4D9FB3C9F2C26D, 0xD3D18FD9A797FA8B,
    0x5D49EEB1FAF97C5E, 0xCF41CE7DE294A4BA, 0x9AFED7EC47E35742, 0x1580CC11BF1EDAEA,
)  # fmt: skip


@dataclass(frozen=True)
class Angle:
    """n pi/2 + r + low; only the last two bits of the integer n count, and r is rounded."""

    n: Expr
    r: Expr
    low: Expr


def ordinary(x: Expr) -> Angle:
    """x in [0, HUGE) by subtraction: the first float's is exact, and so is what the second's loses.

    That holds since x - n first is a multiple of the last place of n second.
    """
    rounder = literal(format_of(x).rounder, x)
    sums = fma(x, literal(TWO_OVER_PI, x), rounder)
    n = sums - rounder
    first, second, third = (literal(part, x) for part in HALF_PI[x.dtype])
    begun = fma(n, -first, x)
    product = rounded_product(n, second)
    r = begun - product
    missed = ((begun - r) - product) - fma(n, second, -product)
    return Angle(bits_of(sums), r, fma(n, -third, missed))


def huge(x: Expr) -> Angle:
    """x >= HUGE by the bits of 2/pi; an infinite x gives NaN."""
    form = format_of(x)
    bits = cast(bitcast(x, form.unsigned), uint64)
    whole = (bits & ((1 << form.fraction) - 1)) | (1 << form.fraction)
    offset = (bits >> form.fraction) + (64 - form.bias - form.fraction)
    high, low = _product(whole, offset, narrow=x.dtype is float32)
    n = (high + (1 << 61)) >> 62
    r, missed = _radians(high - (n << 62), low)
    rounded = cast(r, x.dtype)
    low = cast((r - cast(rounded, float64)) + missed, x.dtype)
    finite = x < literal(float("inf"), x)
    return Angle(cast(n, form.signed), select(finite, rounded, literal(float("nan"), x)), low)


def _product(whole: Expr, offset: Expr, narrow: bool) -> tuple[Expr, Expr]:
    """whole times the bits of 2/pi from the offset on, modulo 4, in units of 2^-62 and 2^-126."""
    if narrow:
        first, second = _window(offset, WORDS[:5], 2)
        return whole * first + ((whole * (second >> 32)) >> 32), const(0, uint64)
    first, second, third = _window(offset, WORDS, 3)
    middle = whole * second
    low = middle + mulhi(whole, third)
    carry = select(low < middle, const(1, uint64), const(0, uint64))
    return whole * first + mulhi(whole, second) + carry, low


def _window(offset: Expr, words: tuple[int, ...], count: int) -> list[Expr]:
    """`count` words of the string of bits, from the offset on."""
    index = offset >> 6
    step = 1 << ((len(words) - count - 1).bit_length() - 1)
    padding = (0,) * (2 * step + count - len(words))
    row = [const(word, uint64) for word in words + padding]
    while step:
        kept = step + count
        taken = ~equal(index & step, 0)
        row = [
            select(taken, b, a) for a, b in zip(row[:kept], row[step : step + kept], strict=True)
        ]
        step >>= 1
    shift = offset & 63
    return [(a << shift) | ((b >> 1) >> (const(63, uint64) - shift)) for a, b in pairwise(row)]


def _radians(high: Expr, low: Expr) -> tuple[Expr, Expr]:
    """A signed number of quarter turns in units of 2^-62 and 2^-126, as an angle in float64, and
    what that lacks.
    """
    signed = bitcast(high, int64)
    upper = cast(signed >> 32, float64)
    lower = cast(bitcast(high & 0xFFFFFFFF, int64), float64)
    rest = cast(bitcast(low >> 11, int64), float64) * literal(2.0**-53, upper)
    near = fma(upper, literal(2.0**32, upper), lower)
    missed = fma(upper, literal(2.0**32, upper), -near) + lower
    tail = missed + rest
    turn, turn_low = (literal(part, near) for part in HALF_PI[float64][:2])
    turns = near + tail
    turns_low = tail - (turns - near)
    angle = rounded_product(turns, turn)
    error = fma(turns, turn, -angle)
    correction = error + fma(turns, turn_low, turns_low * turn)
    total, unit = angle + correction, literal(2.0**-62, angle)
    return total * unit, ((angle - total) + correction) * unit
