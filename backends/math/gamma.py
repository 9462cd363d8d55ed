"""lgamma and digamma.

Rational functions where they cross zero, Stirling's series beyond, reflection below zero. Where a
negative argument makes the result cross zero its error is absolute: some ulps of the terms. So
float32 is computed in float64, of which those are few even there.
"""

from __future__ import annotations

from graphc.backends.loops.expr import Expr, absolute, cast, equal, fma, rint, select
from graphc.backends.math.floats import (
    INFINITY,
    NAN,
    Coefficients,
    literal,
    polynomial,
    rarely,
    rounded_product,
)
from graphc.backends.math.logarithm import log
from graphc.backends.math.trigonometric import cosine_near, sine_near
from graphc.ir.dtypes import float64

PI, PI_LOW = 3.141592653589793, 1.2246467991473532e-16
# lgamma(1 + u) = u (u - 1) P(u) / Q(u) for 1 + u in [NEAR, FAR]
NEAR, FAR = 0.75, 4.0
LGAMMA_P: Coefficients = {
    float64: (
        0.5772156649015329, 2.096864414644424, 3.084967319192498, 2.3632786712618192,
        1.0097636855007102, 0.2395564212801964, 0.02963847780572319, 0.0016553887672002398,
        2.984969556988232e-05, 3.563743982123441e-08,
    ),
}  # fmt: skip
LGAMMA_Q: Coefficients = {
    float64: (
        1.0, 4.057609530688232, 6.799308442763088, 6.090051898461564, 3.155653151179082,
        0.9577825249541033, 0.16479366056574424, 0.014791625721012332, 0.0005849271189983566,
        6.843145262987282e-06,
    ),
}  # fmt: skip
HALF_LOG_TWO_PI_LESS_HALF = 0.4189385332046727
# (lgamma(y) - (y - 1/2) (log(y) - 1) - that constant) y of 1/y^2, beyond FAR
STIRLING: Coefficients = {
    float64: (
        0.08333333333333333, -0.0027777777777639925, 0.0007936507868637432, -0.0005952367928368604,
        0.0008416227194162295, -0.0019101627851205738, 0.006144355310541202, -0.023234103409811326,
        0.07650428429378182, -0.13932856012017636,
    ),
}  # fmt: skip
# digamma(1 + u) = (u - ROOT) P(u) / Q(u) for 1 + u in [1, FAR]
DIGAMMA_P: Coefficients = {
    float64: (
        1.2503801375034054, 1.9898774833952193, 1.1478018218985837, 0.30334916835328457,
        0.037741130556489914, 0.0020034979145707966, 3.321221181993459e-05, 3.203065715500815e-08,
    ),
}  # fmt: skip
DIGAMMA_Q: Coefficients = {
    float64: (
        1.0, 2.274964835635243, 1.8712156567844855, 0.7240730971653748, 0.1405673907554994,
        0.013270318883653195, 0.0005313978026133089, 6.192024391518874e-06,
    ),
}  # fmt: skip
ROOT = (0.46163214496836236, -1.5522348162858677e-17)
# (log(y) - 1 / (2 y) - digamma(y)) y^2 of 1/y^2, beyond FAR
ASYMPTOTIC: Coefficients = {
    float64: (
        0.0833333333333333, -0.008333333333226202, 0.003968253909672327, -0.004166654169280032,
        0.0075743885880214315, -0.02100497580326146, 0.07978405804501687, -0.3485989995055663,
        1.3152168885013351, -2.7507360262882314,
    ),
}  # fmt: skip


def sine_and_cosine_of_half_turns(a: Expr) -> tuple[Expr, Expr]:
    """sin(pi a) and cos(pi a) for a in [0, 1/2]."""
    swap = a > literal(0.25, a)
    turns = select(swap, literal(0.5, a) - a, a)
    angle = rounded_product(turns, literal(PI, a))
    low = fma(turns, literal(PI_LOW, a), fma(turns, literal(PI, a), -angle))
    sine, cosine = sine_near(angle, low), cosine_near(angle, low)
    return select(swap, cosine, sine), select(swap, sine, cosine)


def lgamma(x: Expr) -> Expr:
    """log|gamma(x)|; infinite at zero, at the negative integers and at both infinities."""
    return cast(_lgamma(cast(x, float64)), x.dtype)


def digamma(x: Expr) -> Expr:
    """The derivative of lgamma; -inf at 0, NaN at the negative integers and at minus infinity."""
    return cast(_digamma(cast(x, float64)), x.dtype)


def _lgamma(x: Expr) -> Expr:
    size = absolute(x)
    below = size < literal(NEAR, x)
    log_size = log(size)
    middle = select(
        size < literal(FAR, x), _lgamma_middle(size, below), _lgamma_far(size, log_size)
    )
    positive = middle + select(below, -log_size, literal(0.0, x))  # adding +0 makes -0 of it +0
    sine, _ = sine_and_cosine_of_half_turns(absolute(size - rint(size)))
    product = select(below, sine, sine * size) * literal(1 / PI, x)
    pole = equal(product, 0.0) | (size >= literal(INFINITY, x))
    reflected = select(pole, literal(INFINITY, x), -middle - log(product))
    return rarely(x < literal(0.0, x), reflected, positive)


def _lgamma_middle(y: Expr, below: Expr) -> Expr:
    """lgamma(y), or lgamma(1 + y) in the lanes below NEAR."""
    u = select(below, y, y - 1.0)
    return u * (u - 1.0) * polynomial(u, LGAMMA_P) / polynomial(u, LGAMMA_Q)


def _lgamma_far(y: Expr, log_y: Expr) -> Expr:
    inverse = literal(1.0, y) / y
    rest = fma(
        inverse, polynomial(inverse * inverse, STIRLING), literal(HALF_LOG_TWO_PI_LESS_HALF, y)
    )
    return fma(y - 0.5, log_y - 1.0, rest)


def _digamma(x: Expr) -> Expr:
    size = absolute(x)
    below = size < literal(1.0, x)
    inverse = literal(1.0, x) / x
    far = size >= literal(FAR, x)
    middle = select(far, _digamma_far(size, absolute(inverse)), _digamma_middle(size, below))
    positive = middle - select(below, inverse, literal(0.0, x))
    offset = size - rint(size)
    sine, cosine = sine_and_cosine_of_half_turns(absolute(offset))
    cotangent = cosine / sine * literal(PI, x)
    signed = select(offset < literal(0.0, x), -cotangent, cotangent)
    next_one = middle + select(below, literal(0.0, x), absolute(inverse))
    reflected = select(equal(offset, 0.0), literal(NAN, x), next_one + signed)
    return rarely(x < literal(0.0, x), reflected, positive)


def _digamma_middle(y: Expr, below: Expr) -> Expr:
    """digamma(y), or digamma(1 + y) in the lanes below 1."""
    u = select(below, y, y - 1.0)
    high, low = (literal(c, y) for c in ROOT)
    return ((u - high) - low) * polynomial(u, DIGAMMA_P) / polynomial(u, DIGAMMA_Q)


def _digamma_far(y: Expr, inverse: Expr) -> Expr:
    z = inverse * inverse
    return log(y) - fma(z, polynomial(z, ASYMPTOTIC), inverse * 0.5)
