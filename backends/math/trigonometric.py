"""sin, cos and tan, correct for every argument however great."""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops.expr import Expr, absolute, bitcast, equal, fma, select
from graphc.backends.math.floats import (
    Coefficients,
    flip_sign,
    format_of,
    literal,
    polynomial,
    rarely,
    sign_of,
)
from graphc.backends.math.reduction import HUGE, Angle, huge, ordinary
from graphc.ir.dtypes import float32, float64

# (sin(r) - r) / r^3 and (cos(r) - 1 + r^2/2) / r^4 of r^2, for |r| <= pi/4
SIN: Coefficients = {
    float32: (-0.16666655, 0.008332188, -0.00019518085),
    float64: (
        -0.1666666666666663, 0.00833333333332184, -0.00019841269829358593, 2.755731353856105e-06,
        -2.5050734400027597e-08, 1.5895434088142867e-10,
    ),
}  # fmt: skip
COS: Coefficients = {
    float32: (0.041666646, -0.001388731, 2.4432327e-05),
    float64: (
        0.041666666666666595, -0.0013888888888873316, 2.4801587288974327e-05,
        -2.755731420649569e-07, 2.0875703688234194e-09, -1.1358648999209584e-11,
    ),
}  # fmt: skip


def sine_near(r: Expr, low: Expr) -> Expr:
    """sin(r + low) for |r| <= pi/4."""
    z = _square(r, low)
    return r + fma(r * z, polynomial(z, SIN), low)


def cosine_near(r: Expr, low: Expr) -> Expr:
    """cos(r + low) for |r| <= pi/4."""
    z = _square(r, low)
    return fma(z, fma(z, polynomial(z, COS), literal(-0.5, r)), literal(1.0, r))


def _square(r: Expr, low: Expr) -> Expr:
    """(r + low)^2, rounded about once."""
    return fma(r, r, (r + r) * low)


def _is_odd(n: Expr) -> Expr:
    return ~equal(n & 1, 0)


def _second_bit_as_sign(n: Expr, like: Expr) -> Expr:
    """The sign bit set where bit 1 of n is."""
    form = format_of(like)
    return bitcast((n & 2) << (form.dtype.bits - 2), form.unsigned)


def _of_turned(angle: Angle) -> Expr:
    """sin(n pi/2 + r)."""
    size = select(_is_odd(angle.n), cosine_near(angle.r, angle.low), sine_near(angle.r, angle.low))
    return flip_sign(size, _second_bit_as_sign(angle.n, size))


def _next_quadrant(angle: Angle) -> Angle:
    return Angle(angle.n + 1, angle.r, angle.low)


def _tan_of(angle: Angle) -> Expr:
    """sine / cosine or -cosine / sine, each in two floats, with the quotient's residue added."""
    r = angle.r
    z = r * r
    cosine = fma(z, literal(-0.5, r), literal(1.0, r))
    missed = fma(z, literal(-0.5, r), literal(1.0, r) - cosine)
    sine_low = fma(angle.low, cosine, r * z * polynomial(z, SIN))
    cosine_low = fma(-r, angle.low, fma(z * z, polynomial(z, COS), missed))
    odd = _is_odd(angle.n)
    above, above_low = select(odd, -cosine, r), select(odd, -cosine_low, sine_low)
    below, below_low = select(odd, r, cosine), select(odd, sine_low, cosine_low)
    inverse = literal(1.0, r) / (below + below_low)
    quotient = (above + above_low) * inverse
    residue = fma(-quotient, below, above) + fma(-quotient, below_low, above_low)
    return fma(residue, inverse, quotient)


def _for_all_sizes(of: Callable[[Angle], Expr], size: Expr) -> Expr:
    """A function of the reduced angle; the costly reduction is for lanes that need it."""
    is_huge = size >= literal(HUGE[size.dtype], size)
    return rarely(is_huge, of(huge(size)), of(ordinary(size)))


def sin(x: Expr) -> Expr:
    """The sine; NaN of an infinite x."""
    return flip_sign(_for_all_sizes(_of_turned, absolute(x)), sign_of(x))


def cos(x: Expr) -> Expr:
    """The cosine; NaN of an infinite x."""
    return _for_all_sizes(lambda angle: _of_turned(_next_quadrant(angle)), absolute(x))


def tan(x: Expr) -> Expr:
    """The tangent; NaN of an infinite x."""
    return flip_sign(_for_all_sizes(_tan_of, absolute(x)), sign_of(x))
