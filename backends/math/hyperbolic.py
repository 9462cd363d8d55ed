"""tanh, sinh, cosh and their inverses."""

from __future__ import annotations

from graphc.backends.loops.expr import Expr, absolute, fma, select, sqrt
from graphc.backends.math.exponential import exp_parts, half_expm1_of_small
from graphc.backends.math.floats import (
    INFINITY,
    NAN,
    Coefficients,
    literal,
    pick,
    polynomial,
    sign_of,
    smaller,
    with_sign,
)
from graphc.backends.math.logarithm import Reduced, natural, reduce_one_plus
from graphc.backends.math.logistic import LOG_S
from graphc.ir.dtypes import float32, float64

# (sinh(x) - x) / x^3 of x^2, for |x| < 1
SINH: Coefficients = {
    float32: (0.16666667, 0.008333311, 0.00019842635, 2.7839255e-06),
    float64: (
        0.16666666666666669, 0.008333333333332915, 0.00019841269841589247, 2.755731910848479e-06,
        2.505213067532989e-08, 1.6056687163061934e-10, 7.775687808256372e-13,
    ),
}  # fmt: skip
# (asinh(s) - s) / s^3 of s^2, for s < HALF
ASINH: Coefficients = {
    float32: (-0.16666664, 0.074995354, -0.044495475, 0.028701073, -0.014099229),
    float64: (
        -0.16666666666666666, 0.07499999999998398, -0.04464285713965826, 0.03038194420370598,
        -0.02237214982640777, 0.01735255445053339, -0.013961818196137557, 0.011522884415785244,
        -0.009574577377840423, 0.007569489819565038, -0.0048997763543298925, 0.0018150971179563844,
    ),
}  # fmt: skip
HALF, THIRD = 0.5, 1 / 3
OVERFLOW = {float32: 90.0, float64: 711.0}  # from here on sinh is infinite
ONE_IS_NOTHING = {float32: 2.0**30, float64: 2.0**60}  # beside a number so great


def tanh(x: Expr) -> Expr:
    """h / (h + 1) with h = (exp(2|x|) - 1) / 2, which loses nothing near zero.

    It is w - w (w / (h + 1)) with the smaller w of h and 1: only a part of the quotient's error
    counts.
    """
    size = smaller(absolute(x), 20.0)
    h = half_expm1_of_small(size + size)
    w = smaller(h, 1.0)
    return with_sign(fma(-w, w / (h + 1.0), w), sign_of(x))


def _half_exp(size: Expr) -> Expr:
    """exp(size) / 2, which is finite as long as sinh is."""
    parts = exp_parts(smaller(size, OVERFLOW[size.dtype]))
    return parts.fraction * parts.first * (parts.second * 0.5)


def sinh(x: Expr) -> Expr:
    """(exp(x) - exp(-x)) / 2, and a polynomial below 1."""
    size = absolute(x)
    h = _half_exp(size)
    z = size * size
    near = fma(size * z, polynomial(z, SINH), size)
    far = h - literal(0.25, x) / h
    return with_sign(select(size < literal(1.0, x), near, far), sign_of(x))


def cosh(x: Expr) -> Expr:
    """(exp(x) + exp(-x)) / 2."""
    h = _half_exp(absolute(x))
    return h + literal(0.25, x) / h


def _log_of(u: Expr, doubled: Expr) -> Expr:
    """log(1 + u), or log(2 u) in the lanes that are doubled, for a finite u."""
    parts = reduce_one_plus(u)
    twice = select(doubled, literal(1.0, u), literal(0.0, u))
    return natural(Reduced(parts.k + twice, parts.f))


def _asinh_near(s: Expr, square: Expr) -> Expr:
    """asinh(s) for s < HALF, given its square."""
    return fma(s * square, polynomial(square, ASINH), s)


def asinh(x: Expr) -> Expr:
    """log(1 + u) with u = |x| + x^2 / (1 + sqrt(1 + x^2)), and a polynomial below HALF."""
    size = absolute(x)
    great = size > pick(ONE_IS_NOTHING, x)
    square = size * size
    one = literal(1.0, x)
    u = size + square / (one + sqrt(fma(size, size, one)))
    result = _log_of(select(great, size, u), great)
    finite = select(size < literal(INFINITY, x), result, size)
    near = _asinh_near(size, square)
    return with_sign(select(size < literal(HALF, x), near, finite), sign_of(x))


def acosh(x: Expr) -> Expr:
    """log(1 + u) with u = t + s, s = sqrt(t (t + 2)) and t = x - 1, or asinh(s); NaN below 1."""
    great = x > pick(ONE_IS_NOTHING, x)
    t = x - literal(1.0, x)
    square = fma(t, t, t + t)
    s = sqrt(square)
    result = _log_of(select(great, x, t + s), great)
    finite = select(x < literal(INFINITY, x), result, x)
    inside = select(s < literal(HALF, x), _asinh_near(s, square), finite)
    return select(x < literal(1.0, x), literal(NAN, x), inside)


def atanh(x: Expr) -> Expr:
    """log(1 + 2|x| / (1 - |x|)) / 2, and a polynomial below THIRD; infinite at 1, NaN beyond."""
    size = absolute(x)
    one = literal(1.0, x)
    result = natural(reduce_one_plus((size + size) / (one - size))) * 0.5
    z = size * size
    near = fma(size * z * 0.5, polynomial(z, LOG_S), size)
    result = select(size < literal(THIRD, x), near, result)
    edge = select(size > one, literal(NAN, x), literal(INFINITY, x))
    inside = select(size < one, result, select(size >= one, edge, x))
    return with_sign(inside, sign_of(x))
