"""cbrt, rsqrt and hypot."""

from __future__ import annotations

from graphc.backends.loops.expr import Expr, absolute, equal, fma, select, sqrt
from graphc.backends.math.floats import (
    INFINITY,
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
from graphc.backends.math.logarithm import reduce
from graphc.ir.dtypes import float32, float64

# a first cube root of m in [2/3, 4/3] or [sqrt(1/2), sqrt(2)]
CUBE_ROOT: Coefficients = {
    float32: (0.4829353, 0.7693386, -0.32032713, 0.06812146),
    float64: (
        0.42168902683617243, 1.0560186586426277, -0.8360765373626137, 0.5109721899978852,
        -0.17955978132972072, 0.026955456898004358,
    ),
}  # fmt: skip
# squares neither overflow nor underflow between the bounds; beyond them the operands are scaled
HYPOT_BOUNDS = {float32: (2.0**-40, 2.0**60), float64: (2.0**-450, 2.0**500)}
HYPOT_SCALE = {float32: 2.0**80, float64: 2.0**600}


def rsqrt(x: Expr) -> Expr:
    """1 / sqrt(x)."""
    return literal(1.0, x) / sqrt(x)


def cbrt(x: Expr) -> Expr:
    """Of x = 2^(3q + e) m: a first root, one step of Halley's with an exact residue, times 2^q."""
    parts = reduce(absolute(x))
    m = parts.f + 1.0
    power, e = _third(parts.k)
    up, down = e > literal(0.0, x), e < literal(0.0, x)
    u = m * _choose(up, down, 2.0, 0.5, x)
    scale = _choose(up, down, 2 ** (1 / 3), 2 ** (-1 / 3), x)
    t = rounded_product(polynomial(m, CUBE_ROOT), scale)
    square = t * t
    square_low = fma(t, t, -square)
    residue = fma(-square_low, t, fma(-square, t, u))
    step = t * residue / fma(square * 2.0, t, u)
    result = (t + step) * power
    usual = (absolute(x) < literal(INFINITY, x)) & (absolute(x) > literal(0.0, x))
    return with_sign(select(usual, result, absolute(x)), sign_of(x))


def _third(k: Expr) -> tuple[Expr, Expr]:
    """2^q and e with k = 3 q + e and e in (-1, 0, 1), of an integer k held as a float."""
    form = format_of(k)
    rounder = literal(form.rounder + form.bias, k)
    sums = fma(k, literal(1 / 3, k), rounder)
    power = float_of(bits_of(sums) << form.fraction)
    return power, fma(sums - rounder, literal(-3.0, k), k)


def _choose(up: Expr, down: Expr, if_up: float, if_down: float, like: Expr) -> Expr:
    return select(
        up, literal(if_up, like), select(down, literal(if_down, like), literal(1.0, like))
    )


def hypot(x: Expr, y: Expr) -> Expr:
    """sqrt(x^2 + y^2) without overflow on the way; infinite if either is, even beside NaN."""
    a, b = absolute(x), absolute(y)
    low, high = (literal(bound, x) for bound in HYPOT_BOUNDS[x.dtype])
    up, down = (a < low) & (b < low), (a > high) | (b > high)
    scale = HYPOT_SCALE[x.dtype]
    to = _choose(up, down, scale, 1 / scale, x)
    back = _choose(up, down, 1 / scale, scale, x)
    p, q = a * to, b * to
    length = sqrt(fma(p, p, q * q)) * back
    infinite = equal(a, INFINITY) | equal(b, INFINITY)
    return select(infinite, literal(INFINITY, x), length)
