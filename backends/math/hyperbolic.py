"""tanh, sinh, cosh and their inverses."""

from __future__ import annotations

from graphc.backends.loops.expr import Expr, absolute, fma, select, sqrt
from graphc.backends.math.exponential import exp_parts, half_expm1
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
from graphc.ir.dtypes import float32, float64

# (sinh(x) - x) / x^3 of x^2, for |x| < 1
SINH: Coefficients = {
    float32: (0.16666667, 0.008333311, 0.00019842635, 2.7839255e-06),
    float64: (
        0.16666666666666669, 0.008333333333332915, 0.00019841269841589247, 2.755731910848479e-06,
        2.505213067532989e-08, 1.6056687163061934e-10, 7.775687808256372e-13,
    ),
}  # fmt: skip
OVERFLOW = {float32: 90.0, float64: 711.0}  # from here on sinh is infinite
ONE_IS_NOTHING = {float32: 2.0**30, float64: 2.0**60}  # beside a number so great


def tanh(x: Expr) -> Expr:
    """h / (h + 1) with h = (exp(2|x|) - 1) / 2, which loses nothing near zero."""
    size = smaller(absolute(x), 20.0)
    h = half_expm1(size + size)
    return with_sign(h / (h + 1.0), sign_of(x))


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


def asinh(x: Expr) -> Expr:
    """log(1 + u) with u = |x| + x^2 / (1 + sqrt(1 + x^2))."""
    size = absolute(x)
    great = size > pick(ONE_IS_NOTHING, x)
    square = size * size
    one = literal(1.0, x)
    u = size + square / (one + sqrt(fma(size, size, one)))
    result = _log_of(select(great, size, u), great)
    finite = select(size < literal(INFINITY, x), result, size)
    return with_sign(finite, sign_of(x))


def acosh(x: Expr) -> Expr:
    """log(1 + u) with u = t + sqrt(t (t + 2)) and t = x - 1; NaN below 1."""
    great = x > pick(ONE_IS_NOTHING, x)
    t = x - literal(1.0, x)
    u = t + sqrt(fma(t, t, t + t))
    result = _log_of(select(great, x, u), great)
    finite = select(x < literal(INFINITY, x), result, x)
    return select(x < literal(1.0, x), literal(NAN, x), finite)


def atanh(x: Expr) -> Expr:
    """log(1 + 2|x| / (1 - |x|)) / 2; infinite at 1, NaN beyond."""
    size = absolute(x)
    one = literal(1.0, x)
    result = natural(reduce_one_plus((size + size) / (one - size))) * 0.5
    edge = select(size > one, literal(NAN, x), literal(INFINITY, x))
    inside = select(size < one, result, select(size >= one, edge, x))
    return with_sign(inside, sign_of(x))
