"""sigmoid, softplus and log_sigmoid: the logistic function, its integral and its logarithm."""

from __future__ import annotations

from graphc.backends.loops.expr import Expr, absolute, fma
from graphc.backends.math.exponential import EXP_RANGE, exp, exp_parts
from graphc.backends.math.floats import (
    Coefficients,
    bits_of,
    float_of,
    format_of,
    larger,
    polynomial,
    smaller,
)
from graphc.ir.dtypes import float32, float64

# (2 atanh(s) - 2 s) / s^3 of s^2, for s up to 1/3
LOG_S: Coefficients = {
    float32: (0.6666641, 0.4002175, 0.27998212, 0.2802943),
    float64: (
        0.6666666666666639, 0.40000000000135993, 0.2857142854994814, 0.22222223863048254,
        0.1818174710196436, 0.15386501516611847, 0.13301645198362136, 0.12101381986147769,
        0.08358453939357921, 0.1698800981417756,
    ),
}  # fmt: skip


def sigmoid(x: Expr) -> Expr:
    """1 / (1 + exp(-x)), the fraction expanded by a power of two, so that no result overflows."""
    bound = -EXP_RANGE[x.dtype][0]
    parts = exp_parts(-larger(smaller(x, bound), -bound))
    inverse = float_of(2 * format_of(x).one - bits_of(parts.second))
    return inverse / fma(parts.fraction, parts.first, inverse)


def softplus(x: Expr) -> Expr:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))."""
    return larger(x, 0.0) + _log_one_plus_unit(exp(-absolute(x)))


def _log_one_plus_unit(e: Expr) -> Expr:
    """log(1 + e) for e in [0, 1]."""
    s = e / (e + 2.0)
    z = s * s
    half_square = e * (e * 0.5)
    return e - fma(-s, fma(z, polynomial(z, LOG_S), half_square), half_square)


def log_sigmoid(x: Expr) -> Expr:
    """log(1 / (1 + exp(-x)))."""
    return -softplus(-x)
