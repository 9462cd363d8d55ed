"""exp, sigmoid and tanh of float32 with tables of sixteen numbers, which a register holds.

A table leaves a remainder so small that two coefficients do: fewer operations than the polynomials
of the other files, which have to do where a look-up is no single instruction.
"""

from __future__ import annotations

import math

from graphc.backends.loops.expr import Expr, absolute, bounded, fma, lookup, scale, select
from graphc.backends.math.exponential import EXP_RANGE, LN2, LN2_HIGH, LN2_LOW, LOG2_E
from graphc.backends.math.floats import (
    Coefficients,
    larger,
    literal,
    pick,
    polynomial,
    rounded_product,
    sign_of,
    smaller,
    with_sign,
)
from graphc.ir.dtypes import float32

SIZE = 16
#: Rounds to whole sixteenths, and leaves them in the low bits.
ROUNDER = 1.5 * 2.0**23 / SIZE
POWERS = tuple(math.exp2(k / SIZE) for k in range(SIZE))
#: Logarithms of what the roundings of POWERS divide them by.
LACKING = tuple(math.log(power / float(float32.numpy.type(power))) for power in POWERS)
# exp(r) = 1 + r + r^2 (a + b r) for |r| <= ln(2)/32
EXP_A, EXP_B = 0.5000162, 0.16667058

#: Where tanh is nearly a float of few bits, about 5/8 apart, and what it is there.
STEP = 0.625
CENTRES = (
    0.0, 0.6250293254852295, 1.2500208616256714, 1.8739579916000366, 2.497992992401123,
    3.119654655456543, 3.7462427616119385, 4.374646186828613, 4.991311550140381,
    5.623223781585693, 6.254197120666504, 6.845546245574951, 7.624619007110596,
    8.317766189575195, 8.317766189575195, 9.375,
)  # fmt: skip
TANH = (
    0.0, 0.5546200275421143, 0.8482894897460938, 0.9539515972137451, 0.9865608215332031,
    0.9961051940917969, 0.9988861083984375, 0.9996829032897949, 0.9999076128005981,
    0.9999738931655884, 0.9999926090240479, 0.9999977350234985, 0.9999995231628418,
    0.9999998807907104, 0.9999998807907104, 1.0,
)  # fmt: skip
#: Up to there tanh is nearer to the remainder itself than to none of it.
SLOPE_IS_GREAT = 1.5 * STEP
# r / tanh(r) = 1 + r^2 p(r^2) for |r| <= STEP / 2
TANH_R: Coefficients = {float32: (0.33333328, -0.02222002, 0.0020772684)}


def exp(x: Expr) -> Expr:
    """e^x = 2^n t (1 + expm1(r)), t = 2^(k/16) from the table, with what t lacks in r."""
    inside = bounded(x, *EXP_RANGE[x.dtype], "argument")
    sums = fma(inside, pick(LOG2_E, x), literal(ROUNDER, x))
    n = sums - ROUNDER
    lacking = fma(n, -pick(LN2_LOW, x), lookup(sums, LACKING))
    r = fma(n, -pick(LN2_HIGH, x), inside) + lacking
    r = bounded(r, -1 / SIZE / 2, 1 / SIZE / 2, "remainder")
    t = lookup(sums, POWERS)
    return scale(fma(t, _expm1(r, EXP_B, r), t), n)


def summand_exp(x: Expr) -> Expr:
    """e^x of a difference below 88 that has been rounded, as part of a sum.

    What a rounded ln 2 lacks is a twentieth of what x does, and a zero may have either sign. So
    large negative numbers, infinities and NaN need but a remainder that is some small number.
    """
    inside = bounded(x, *EXP_RANGE[x.dtype], "argument")
    sums = fma(inside, pick(LOG2_E, x), literal(ROUNDER, x))
    n = sums - ROUNDER
    r = bounded(fma(n, literal(-LN2, x), inside), -2.0, 2.0, "rest")
    t = lookup(sums, POWERS)
    return scale(fma(t, _expm1(r, EXP_B, r), t), n)


def _expm1(r: Expr, b: float, linear: Expr) -> Expr:
    """linear + r^2 (EXP_A + b r)."""
    return fma(fma(r, literal(b, r), literal(EXP_A, r)), r * r, linear)


def sigmoid(x: Expr) -> Expr:
    """1 / (1 + e) of e = exp(-|x|), and e times that where x is negative.

    Both are w - e w / (1 + e) with 1 or e as w: what is rounded before the last difference is a
    half of w at most.
    """
    inside = larger(-absolute(x), EXP_RANGE[x.dtype][0])
    sums = fma(inside, pick(LOG2_E, x), literal(ROUNDER, x))
    n = sums - ROUNDER
    lacking = fma(n, -pick(LN2_LOW, x), lookup(sums, LACKING))
    r = fma(n, -pick(LN2_HIGH, x), inside) + lacking
    t = lookup(sums, POWERS)
    e = scale(fma(t, _expm1(r, EXP_B, r), t), n)
    w = select(x > literal(0.0, x), literal(1.0, x), e)
    return fma(-e, w / (e + 1.0), w)


def tanh(x: Expr) -> Expr:
    """(t + u) / (1 + t u), where t is that of a near number a, and u that of the remainder r.

    With u = r / (1 + w) and v = t r + w that is t + r (1 - t^2) / (1 + v), and, where t is not yet
    near 1, t + r - r (t^2 + v) / (1 + v): the first terms are exact, the rest so much smaller than
    the result that hardly any rounding counts but the last.
    """
    size = smaller(absolute(x), CENTRES[-1])
    sums = fma(size, literal(1 / STEP, x), literal(ROUNDER * SIZE, x))
    r, t = size - lookup(sums, CENTRES), lookup(sums, TANH)
    v = rounded_product(r, fma(r, polynomial(r * r, TANH_R), t))
    near = size < literal(SLOPE_IS_GREAT, x)
    begun = select(near, t + r, t)
    lacking = fma(t, t, select(near, v, literal(-1.0, x))) / (v + 1.0)
    return with_sign(fma(-r, lacking, begun), sign_of(x))
