"""log, log2, log10 and log1p.

x = 2^k (1 + f) with f in about [-1/3, 2/5]; log(1 + f) is a polynomial in float32; in float64 it
goes over s = f / (2 + f), in which the series is odd and converges faster.
"""

from __future__ import annotations

from graphc.backends.loops.expr import Expr, bitcast, cast, equal, fma, select
from graphc.backends.math.floats import (
    INFINITY,
    NAN,
    Coefficients,
    bits_of,
    float_of,
    format_of,
    literal,
    polynomial,
    rounded_product,
    sign_of,
    with_sign,
)
from graphc.ir.dtypes import DType, float32, float64
from graphc.ir.record import dataclass

# the bits of the least 1 + f: 2/3 for float32, sqrt(1/2) for float64
LEAST = {float32: 0x3F2AAAAB, float64: 0x3FE6A09E667F3BCD}

# each constant is the sum of two floats
LN2 = {float32: (0.6931471805599453, 0.0), float64: (0.6931471805601177, -1.7239444525614835e-13)}
LOG10_2 = {
    float32: (0.301025390625, 4.605039066518657e-06),
    float64: (0.3010299956640665, -8.532344317057107e-14),
}
INVERSE_LN2 = {
    float32: (1.4426950216293335, 1.925963033500011e-08),
    float64: (1.4426950408889634, 2.0355273740931033e-17),
}
INVERSE_LN10 = {
    float32: (0.4342944920063019, -1.0103049952192578e-08),
    float64: (0.4342944819032518, 1.098319650216765e-17),
}
Split = dict[DType, tuple[float, float]]

# p in log(1 + f) = f + f^2 p(f)
LOG_F: Coefficients = {
    float32: (
        -0.5, 0.33333197, -0.2499992, 0.20011435, -0.1667444, 0.13989633, -0.12273701, 0.1406118,
        -0.12485911,
    ),
}  # fmt: skip
# (2 atanh(s) - 2 s) / s^3 of s^2
LOG_S: Coefficients = {
    float64: (
        0.6666666666666734, 0.39999999999416525, 0.2857142874207166, 0.22222198599188486,
        0.18183563217059442, 0.15314074129891114, 0.14795752609176874,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Reduced:
    """2^k (1 + f); k is an integer held as a float."""

    k: Expr
    f: Expr


def reduce(x: Expr) -> Reduced:
    """k and f of a positive finite x."""
    form = format_of(x)
    tiny = x < literal(form.smallest_normal, x)
    lift = form.fraction + 2
    normal = select(tiny, x * literal(2.0**lift, x), x)
    k, power_bits = exponent(normal)
    k = k - select(tiny, literal(lift, x), literal(0.0, x))
    return Reduced(k, float_of(bits_of(normal) - power_bits) - literal(1.0, x))


def exponent(u: Expr) -> tuple[Expr, Expr]:
    """k of a positive normal u = 2^k (1 + f): as a float, and shifted to a float's exponent."""
    form = format_of(u)
    shifted = bits_of(u) + (form.one - LEAST[u.dtype])
    power_bits = (shifted & -(1 << form.fraction)) - form.one
    if u.dtype is float32:
        return cast(power_bits, float32) * literal(2.0**-form.fraction, u), power_bits
    # few targets convert vectors of int64: put the integer where 2^52 + integer has it
    biased = bitcast(shifted, form.unsigned) >> form.fraction
    carried = float_of(biased | ((form.fraction + form.bias) << form.fraction))
    return carried - literal(2.0**form.fraction + form.bias, u), power_bits


def log_near_one(f: Expr) -> tuple[Expr, Expr]:
    """log(1 + f) of a reduced f as the difference of two floats, the second the smaller."""
    if f.dtype is float32:
        return f, f * f * -polynomial(f, LOG_F)
    s = f / (f + 2.0)
    z = s * s
    half_square = f * (f * 0.5)
    return f, fma(-s, fma(z, polynomial(z, LOG_S), half_square), half_square)


def rounded_log_near_one(f: Expr) -> Expr:
    """log(1 + f) of a reduced f."""
    if f.dtype is float32:
        return fma(f * f, polynomial(f, LOG_F), f)
    high, low = log_near_one(f)
    return high - low


def natural(parts: Reduced) -> Expr:
    """log of the reduced argument."""
    high, low = (literal(c, parts.f) for c in LN2[parts.f.dtype])
    if parts.f.dtype is float32:
        return fma(parts.k, high, rounded_log_near_one(parts.f))
    main, rest = log_near_one(parts.f)
    return fma(parts.k, high, main - fma(-parts.k, low, rest))


def _in_base(parts: Reduced, inverse: Split, of_two: Split | None) -> Expr:
    """log of the reduced argument to another base, where log 2 is 1 or the sum of two floats.

    Of float32, of which f begins at -1/3, more than half of k may cancel: what the sum with it
    rounds away is added to the rest.
    """
    main, rest = log_near_one(parts.f)
    high, low = (literal(c, main) for c in inverse[main.dtype])
    small, whole = fma(-rest, high, rounded_product(main, low)), parts.k
    if of_two is not None:
        two_high, two_low = (literal(c, main) for c in of_two[main.dtype])
        small, whole = fma(whole, two_low, small), rounded_product(whole, two_high)
    if main.dtype is float64:
        return whole + fma(main, high, small)
    result = fma(main, high, whole)
    return result + (fma(main, high, whole - result) + small)


def _at_the_edges(x: Expr, result: Expr, pole: float = 0.0) -> Expr:
    """The result; but -inf at the pole, NaN below, and x itself where it is infinite or NaN."""
    finite = select(x < literal(INFINITY, x), result, x)
    low = select(equal(x, literal(pole, x)), literal(-INFINITY, x), literal(NAN, x))
    return select(x <= literal(pole, x), low, finite)


def log(x: Expr) -> Expr:
    """The natural logarithm; -inf at 0, NaN below."""
    return _at_the_edges(x, natural(reduce(x)))


def log2(x: Expr) -> Expr:
    """The logarithm to base 2, exact for powers of 2."""
    return _at_the_edges(x, _in_base(reduce(x), INVERSE_LN2, None))


def log10(x: Expr) -> Expr:
    """The logarithm to base 10."""
    return _at_the_edges(x, _in_base(reduce(x), INVERSE_LN10, LOG10_2))


def log1p(x: Expr) -> Expr:
    """log(1 + x), to full precision near 0."""
    result = natural(reduce_one_plus(x))
    return with_sign(_at_the_edges(x, result, pole=-1.0), sign_of(x))


def reduce_one_plus(x: Expr) -> Reduced:
    """k and f of 1 + x, which is positive and finite; f has but one rounding more than x."""
    k, power_bits = exponent(x + 1.0)
    scaled = float_of(bits_of(x) - power_bits)
    power = float_of(bits_of(literal(4.0, x)) - power_bits)  # 2^-k itself may be too small a number
    return Reduced(k, scaled + fma(power, literal(0.25, x), literal(-1.0, x)))
