"""asin, acos, atan and atan2.

Polynomials on a short interval, and the rest of a right angle by symmetry.
"""

from __future__ import annotations

from graphc.backends.loops.expr import Expr, absolute, equal, fma, select, sqrt
from graphc.backends.math.floats import (
    Coefficients,
    bits_of,
    literal,
    polynomial,
    sign_of,
    with_sign,
)
from graphc.backends.math.reduction import HALF_PI
from graphc.ir.dtypes import float32, float64

# (atan(t) - t) / t^3 of t^2, for t up to 1
ATAN: Coefficients = {
    float32: (
        -0.333333, 0.1999853, -0.14264016, 0.10950881, -0.08399314, 0.05788165, -0.0310974,
        0.010868988, -0.0017829033,
    ),
    float64: (
        -0.3333333333333307, 0.1999999999995175, -0.14285714282588166, 0.11111111007343981,
        -0.09090907007830051, 0.07692279889303968, -0.06666404427322742, 0.05880529839960548,
        -0.05253526972786338, 0.04722349216788114, -0.04219246418034021, 0.03664323083543887,
        -0.029905880744554286, 0.02198726687741453, -0.013902778041223097, 0.007198040912953847,
        -0.0028856958757142196, 0.0008315921524610524, -0.00015221862560013967,
        1.3230791732027366e-05,
    ),
}  # fmt: skip
# (asin(s) - s) / s^3 of s^2, for s up to 1/2
ASIN: Coefficients = {
    float32: (0.16666754, 0.07495252, 0.04547604, 0.02415209, 0.042211805),
    float64: (
        0.16666666666665383, 0.07500000000342923, 0.04464285682356891, 0.030381959328040456,
        0.02237175359498181, 0.0173597700839523, 0.013884608102292863, 0.012173218871370328,
        0.006511103576890221, 0.019573249370693525, -0.016293083240163153, 0.03195831208050926,
    ),
}  # fmt: skip


def _odd(s: Expr, z: Expr, coefficients: Coefficients) -> Expr:
    """s + s z p(z)."""
    return fma(s * z, polynomial(z, coefficients), s)


def _right_angle(like: Expr, count: float) -> tuple[Expr, Expr]:
    """So many times pi/2, as two floats."""
    high, low, _ = HALF_PI[like.dtype]
    return literal(count * high, like), literal(count * low, like)


def asin(x: Expr) -> Expr:
    """Up to 1/2 a polynomial; beyond, pi/2 less twice a half angle; NaN beyond 1."""
    size = absolute(x)
    far, z, s = _half_angle(size)
    cube, slope = s * z, polynomial(z, ASIN)
    high, low = _right_angle(x, 1)
    minus_two = literal(-2.0, x)
    main = fma(s, minus_two, high)
    lost = fma(s, minus_two, high - main)
    beyond = main + fma(cube * slope, minus_two, lost + low)
    return with_sign(select(far, beyond, fma(cube, slope, s)), sign_of(x))


def _half_angle(size: Expr) -> tuple[Expr, Expr, Expr]:
    """Whether size is above 1/2; the square of what to take the polynomial of; and that."""
    far = size > literal(0.5, size)
    z = select(far, fma(size, literal(-0.5, size), literal(0.5, size)), size * size)
    return far, z, select(far, sqrt(z), size)


def acos(x: Expr) -> Expr:
    """pi/2 - asin(x) up to 1/2; beyond, twice a half angle, from pi where x is negative."""
    far, z, s = _half_angle(absolute(x))
    r = _odd(s, z, ASIN)
    negative = x < literal(0.0, x)
    quarter, quarter_low = _right_angle(x, 1)
    half, half_low = _right_angle(x, 2)
    zero = literal(0.0, x)
    base = select(far, select(negative, half, zero), quarter)
    base_low = select(far, select(negative, half_low, zero), quarter_low)
    turn = select(far, r + r, -r)
    return base + (select(negative, -turn, turn) + base_low)


def atan(x: Expr) -> Expr:
    """Up to 1 a polynomial; beyond, pi/2 less that of 1 / x."""
    one = literal(1.0, x)
    size = absolute(x)
    swap = size > one
    t = select(swap, one, size) / select(swap, size, one)
    r = _odd(t, t * t, ATAN)
    high, low = _right_angle(x, 1)
    return with_sign(select(swap, high - (r - low), r), sign_of(x))


def atan2(y: Expr, x: Expr) -> Expr:
    """The angle of the point (x, y), in [-pi, pi]; zeros have signs, infinities are equally far."""
    rise, run = absolute(y), absolute(x)
    swap = rise > run
    ratio = select(swap, run, rise) / select(swap, rise, run)
    zero, one = literal(0.0, x), literal(1.0, x)
    t = select(equal(rise, run), select(equal(run, zero), zero, one), ratio)
    r = _odd(t, t * t, ATAN)
    left = bits_of(x) < 0
    quarter, quarter_low = _right_angle(x, 1)
    half, half_low = _right_angle(x, 2)
    base = select(swap, quarter, select(left, half, zero))
    base_low = select(swap, quarter_low, select(left, half_low, zero))
    return with_sign(base + (select(swap ^ left, -r, r) + base_low), sign_of(y))
