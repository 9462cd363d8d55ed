"""tanh, sinh, cosh and their inverses."""

from __future__ import annotations

from graphc.backends.loops.expr import Expr, absolute
from graphc.backends.math.exponential import half_expm1
from graphc.backends.math.floats import sign_of, smaller, with_sign


def tanh(x: Expr) -> Expr:
    """h / (h + 1) with h = (exp(2|x|) - 1) / 2, which loses nothing near zero and is 1 from 20 on."""
    size = smaller(absolute(x), 20.0)
    h = half_expm1(size + size)
    return with_sign(h / (h + 1.0), sign_of(x))
