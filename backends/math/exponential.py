"""exp, exp2 and expm1.

x = n ln 2 + r with an integer n and |r| <= ln(2)/2, so exp(x) = 2^n exp(r), and exp(r) is a
minimax polynomial. Adding 1.5 * 2^fraction rounds n to an integer and leaves it in the low bits of
the sum, where shifts make 2^n of it.
"""

from __future__ import annotations

from graphc.backends.loops.expr import Expr, absolute, const, fma, select
from graphc.backends.math.floats import (
    Coefficients,
    bits_of,
    float_of,
    format_of,
    larger,
    literal,
    pick,
    polynomial,
    rounded_product,
    smaller,
)
from graphc.ir.dtypes import float32, float64
from graphc.ir.record import dataclass

LOG2_E = {float32: 1.4426950408889634, float64: 1.4426950408889634}
LN2 = 0.6931471805599453
LN2_HIGH = {
    float32: 0.693145751953125,
    float64: 0.6931471805601177,
}  # few bits: n times it is exact
LN2_LOW = {float32: 1.4286068203094173e-06, float64: -1.7239444525614835e-13}

# below the first bound the result is 0, above the second it is infinite
EXP_RANGE = {float32: (-104.0, 89.0), float64: (-745.2, 710.0)}
EXP2_RANGE = {float32: (-151.0, 129.0), float64: (-1076.0, 1025.0)}
# exp's polynomial is made so many powers of two too small that both halves of n are positive
SCALE_DOWN = {float32: 64, float64: 512}
EXPM1_RANGE = {float32: (-18.0, 89.0), float64: (-38.0, 710.0)}

EXP: Coefficients = {
    float32: (1.0, 1.0, 0.49999994, 0.16666517, 0.041668102, 0.008369201, 0.0013839061),
    float64: (
        1.0, 1.0, 0.5000000000000011, 0.16666666666666435, 0.04166666666652579,
        0.008333333333477955, 0.0013888888944893125, 0.00019841269563487322, 2.480149160735922e-05,
        2.7557512033466004e-06, 2.763085750913314e-07, 2.503137305977285e-08,
    ),
}  # fmt: skip
EXP2: Coefficients = {
    float32: (1.0, 0.69314724, 0.24022655, 0.055502724, 0.009617065, 0.0013418191, 0.00015819348),
    float64: (
        1.0, 0.6931471805599457, 0.240226506959101, 0.05550410866478794, 0.009618129107606191,
        0.0013333558153950063, 0.00015403530442177407, 1.5252726933277537e-05,
        1.3215442578342892e-06, 1.0180826967150782e-07, 7.072558743461661e-09,
        4.051903796075214e-10,
    ),
}  # fmt: skip
# p in expm1(r) = r + r^2 p(r)
EXPM1: Coefficients = {
    float32: (0.5, 0.16666636, 0.04166651, 0.00834151, 0.0013930543, 0.00015046063),
    float64: (
        0.5, 0.16666666666666677, 0.041666666666666685, 0.008333333333321806, 0.0013888888888894501,
        0.00019841269885311985, 2.4801587275939283e-05, 2.755724517980838e-06, 2.75573331619596e-07,
        2.5108679356015012e-08, 2.0892522413443154e-09,
    ),
}  # fmt: skip


# the same, where the difference from 1 counts less
ABOUT_EXPM1: Coefficients = {
    float32: (0.49999997, 0.16666543, 0.0416672, 0.0083665475, 0.0013882512),
    float64: (
        0.5000000000000006, 0.16666666666666588, 0.041666666666576466, 0.008333333333389736,
        0.0013888888931667736, 0.00019841269718696555, 2.480150514183012e-05,
        2.755740770214256e-06, 2.7626093187877297e-07, 2.5053770248535292e-08,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Scaled:
    """fraction * first * second: a fraction near 1 and two normal powers of two."""

    fraction: Expr
    first: Expr
    second: Expr


def exp_parts(x: Expr) -> Scaled:
    """exp(x) before the scaling, so that no result is lost which a second factor brings back."""
    sums = fma(x, pick(LOG2_E, x), _scale_rounder(x))
    n = sums - _scale_rounder(x)
    return _scaled(polynomial(without_ln2(x, n), EXP), sums)


def exp2_of_sum(high: Expr, low: Expr | None = None) -> Expr:
    """2^(high + low) for `high` in EXP2_RANGE and a small `low`."""
    sums = high + _scale_rounder(high)
    r = high - (sums - _scale_rounder(high))
    parts = _scaled(polynomial(r if low is None else r + low, EXP2), sums)
    return parts.fraction * parts.first * parts.second


def _scale_rounder(x: Expr) -> Expr:
    """Rounds to an integer n, and leaves n + 2 bias in the low bits."""
    form = format_of(x)
    return literal(form.rounder + 2 * form.bias, x)


def _scaled(fraction: Expr, sums: Expr) -> Scaled:
    """2^n in two halves, of n + 2 bias in the low bits of `sums`; shifts lose the bits above."""
    fraction_bits = format_of(fraction).fraction
    n = bits_of(sums)
    half = n >> 1
    return Scaled(fraction, float_of(half << fraction_bits), float_of((n - half) << fraction_bits))


def without_ln2(x: Expr, n: Expr) -> Expr:
    """x - n ln 2, as if ln 2 had twice the bits."""
    return fma(n, -pick(LN2_LOW, x), fma(n, -pick(LN2_HIGH, x), x))


def exp2_bounded(x: Expr) -> Expr:
    """2^x for |x| small enough that the result is a normal number; NaN stays NaN."""
    form = format_of(x)
    rounder = literal(form.rounder + form.bias, x)
    sums = x + rounder
    power = float_of(bits_of(sums) << form.fraction)
    return polynomial(x - (sums - rounder), EXP2) * power


def exp_of_difference(x: Expr, rest: Expr, factor: Expr, factor_low: Expr) -> Expr:
    """(factor + factor_low) * exp(x - rest) for a small `rest` and a small `factor_low`.

    Only the curved part of exp(r) is rounded more than once.
    """
    sums = fma(x, pick(LOG2_E, x), _scale_rounder(x))
    n = sums - _scale_rounder(x)
    begun, taken = fma(n, -pick(LN2_HIGH, x), x), fma(n, pick(LN2_LOW, x), rest)
    r = begun - taken
    low = fma(factor, (begun - r) - taken, factor_low)
    linear = rounded_product(factor, r)
    curve = polynomial(r, {x.dtype: EXP[x.dtype][2:]})
    curved = fma(factor, r, -linear) + fma(linear * r, curve, low)
    high = factor + linear
    parts = _scaled(high + ((linear - (high - factor)) + curved), sums)
    return parts.fraction * parts.first * parts.second


def exp(x: Expr) -> Expr:
    """e^x."""
    low, high = EXP_RANGE[x.dtype]
    return _times_power(larger(smaller(x, high), low), x)


def _times_power(inside: Expr, x: Expr) -> Expr:
    """exp(inside): 2^(n-a) of a scaled polynomial whose exponent a is added to; NaN as in x.

    The bits of a NaN do not survive that addition, but the exponential is above its argument.
    """
    form = format_of(x)
    down = SCALE_DOWN[x.dtype]
    rounder = literal(form.rounder + form.bias + down, x)
    sums = fma(inside, pick(LOG2_E, x), rounder)
    scaled = {x.dtype: [c * 2.0**-down for c in EXP[x.dtype]]}
    fraction = polynomial(without_ln2(inside, sums - rounder), scaled)
    twice = bits_of(sums) << (form.fraction - 1)
    half = twice & -(1 << form.fraction)
    power = float_of(twice + twice - half)
    result = float_of(bits_of(fraction) + half) * power
    return select(result > x, result, x)


def summand_exp(x: Expr) -> Expr:
    """e^x of a rounded difference that is summed up; `tabled` has what makes it cheaper."""
    return exp(x)


def exp_of_negative(x: Expr) -> Expr:
    """e^x of an x that is not above 0."""
    parts = exp_parts(larger(x, EXP_RANGE[x.dtype][0]))
    return parts.fraction * parts.first * parts.second


def one_plus_exp_of_minus(x: Expr) -> Expr:
    """2^-64 (1 + exp(-x)) of an x in EXP_RANGE that is not above 40.

    exp(-x) = 2^n (1 + m): it is 2^n + 2^n (m + 2^-n), where but one sum is rounded that counts.
    """
    form = format_of(x)
    rounder = literal(form.rounder + form.bias - 64, x)
    sums = fma(x, literal(-LOG2_E[x.dtype], x), rounder)
    n = sums - rounder
    r = fma(n, pick(LN2_LOW, x), fma(n, pick(LN2_HIGH, x), x))  # the remainder of x
    alternating = [-c if k % 2 else c for k, c in enumerate(EXP[x.dtype][2:])]
    m = fma(r * r, polynomial(r, {x.dtype: alternating}), -r)
    power = bits_of(sums) << form.fraction
    inverse = (2 * form.one - (64 << form.fraction)) - power
    inverse = select(inverse > 0, inverse, const(0, form.signed))
    return fma(float_of(power), m + float_of(inverse), float_of(power))


def exp2(x: Expr) -> Expr:
    """2^x, exact for integers."""
    low, high = EXP2_RANGE[x.dtype]
    return exp2_of_sum(larger(smaller(x, high), low))


def half_expm1(x: Expr) -> Expr:
    """(exp(x) - 1) / 2 for x in EXPM1_RANGE: halved, so that no finite result overflows."""
    form = format_of(x)
    rounder = literal(form.rounder + form.bias - 1, x)
    sums = fma(x, pick(LOG2_E, x), rounder)
    r = without_ln2(x, sums - rounder)
    half_power = float_of(bits_of(sums) << form.fraction)
    linear = fma(half_power, r, half_power - literal(0.5, x))
    return fma(half_power * (r * r), polynomial(r, EXPM1), linear)


def half_expm1_of_small(x: Expr) -> Expr:
    """(exp(x) - 1) / 2 for x in [0, 40]."""
    form = format_of(x)
    rounder = literal(form.rounder + form.bias - 1, x)
    sums = fma(x, pick(LOG2_E, x), rounder)
    r = without_ln2(x, sums - rounder)
    m = fma(r * r, polynomial(r, ABOUT_EXPM1), r)
    half_power = float_of(bits_of(sums) << form.fraction)
    return fma(half_power, m, half_power - literal(0.5, x))


def expm1(x: Expr) -> Expr:
    """e^x - 1, to full precision near 0."""
    low, high = EXPM1_RANGE[x.dtype]
    half = half_expm1(larger(smaller(x, high), low))
    least = literal(format_of(x).smallest_normal, x)
    return select(absolute(x) < least, x, half + half)  # half of a denormal may be no number
