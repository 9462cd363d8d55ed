"""tanh, sinh, cosh and their inverses."""

from __future__ import annotations

from graphc.backends.loops.expr import Expr, absolute, fma, select
from graphc.backends.math.exponential import exp_bounded, half_expm1
from graphc.backends.math.floats import (
    Coefficients,
    literal,
    polynomial,
    sign_of,
    smaller,
    with_sign,
)
from graphc.ir.dtypes import float32

# (tanh(x) - x) / x^3 of x^2, for |x| < 0.55
TANH: Coefficients = {
    float32: (-0.3333332, 0.13332637, -0.053856842, 0.021088233, -0.0062954756),
}


def tanh(x: Expr) -> Expr:
    return _tanh_by_parts(x) if x.dtype is float32 else _tanh_by_expm1(x)


def _tanh_by_parts(x: Expr) -> Expr:
    """1 - 2 / (exp(2|x|) + 1), and a polynomial near zero."""
    size = absolute(x)
    e = exp_bounded(smaller(size + size, 20.0))
    large = literal(1.0, x) - literal(2.0, x) / (e + 1.0)
    z = x * x
    near = fma(size * z, polynomial(z, TANH), size)
    return with_sign(select(size < literal(0.55, x), near, large), sign_of(x))


def _tanh_by_expm1(x: Expr) -> Expr:
    """h / (h + 1) with h = (exp(2|x|) - 1) / 2."""
    size = smaller(absolute(x), 20.0)
    h = half_expm1(size + size)
    return with_sign(h / (h + 1.0), sign_of(x))
