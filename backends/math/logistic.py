"""sigmoid, softplus and log_sigmoid: the logistic function, its integral and its logarithm."""

from __future__ import annotations

from graphc.backends.loops.expr import Expr, absolute, fma
from graphc.backends.math.exponential import EXP_RANGE, exp_of_negative, one_plus_exp_of_minus
from graphc.backends.math.floats import Coefficients, larger, literal, polynomial, smaller
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


ONE_FROM = 40.0  # from there on the sigmoid rounds to 1


def sigmoid(x: Expr) -> Expr:
    """1 / (1 + exp(-x)), both divided by 2^64, so that neither is infinite."""
    inside = larger(smaller(x, ONE_FROM), EXP_RANGE[x.dtype][0])
    return literal(2.0**-64, x) / one_plus_exp_of_minus(inside)


def softplus(x: Expr) -> Expr:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))."""
    high, low = _log_one_plus_unit(exp_of_negative(-absolute(x)))
    return high + (larger(x, 0.0) + low)


def _log_one_plus_unit(e: Expr) -> tuple[Expr, Expr]:
    """log(1 + e) for e in [0, 1], and what it lacks by the rounding of the last sum."""
    s = e / (e + 2.0)
    z = s * s
    half_square = e * (e * 0.5)
    missing = fma(-s, fma(z, polynomial(z, LOG_S), half_square), half_square)
    high = e - missing
    return high, (e - high) - missing


def log_sigmoid(x: Expr) -> Expr:
    """log(1 / (1 + exp(-x)))."""
    return -softplus(-x)
