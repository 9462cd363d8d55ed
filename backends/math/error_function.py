"""erf and erfc."""

from __future__ import annotations

from graphc.backends.loops.expr import Expr, absolute, fma, select
from graphc.backends.math.exponential import (
    exp2_bounded,
    exp_of_difference,
)
from graphc.backends.math.floats import (
    Coefficients,
    literal,
    pick,
    polynomial,
    rounded_product,
    sign_of,
    smaller,
    with_sign,
)
from graphc.ir.dtypes import float32, float64

# erf(x) / x - 1 of x^2, below SPLIT
NEAR: Coefficients = {
    float32: (
        0.12837917, -0.3761263, 0.11283626, -0.02685574, 0.0051924605, -0.0008050804, 8.002775e-05,
    ),
    float64: (
        0.1283791670955126, -0.376126389031841, 0.11283791670971097, -0.026866170648030506,
        0.005223977652682439, -0.0008548328534993122, 0.0001205538615615383, -1.492688039179179e-05,
        1.6481039012423198e-06, -1.6556893062881903e-07, 1.6011477421463722e-08,
        -1.6457409217092204e-09, 1.433028135164894e-10,
    ),
}  # fmt: skip
# log2(erfc(SPLIT + u)) of u, up to where erf is 1
FAR: Coefficients = {
    float32: (
        -2.4352016, -3.6559026, -1.2046715, -0.06424263, 0.016847877, -0.004813939, 0.0014272821,
        -0.00024050695,
    ),
    float64: (
        -2.6684166967815997, -3.8072253458535807, -1.2163466576876139, -0.05995999000510517,
        0.014475749711106866, -0.002853507457164342, 0.00034237154652416897, 3.794892278131765e-05,
        -3.926438107890082e-05, 1.3991347563287433e-05, -3.1201548341392315e-06,
        3.3351058639481146e-07, 5.949495066997306e-08, -3.68042620199019e-08, 8.409163022397257e-09,
        -9.696222542692592e-10, 2.251755614944697e-11, 7.301434494299856e-12,
        -6.178147547991924e-13,
    ),
}  # fmt: skip
SPLIT = {float32: 0.9375, float64: 1.0}
ERF_IS_ONE = {float32: 3.93, float64: 5.93}
# exp(a^2) erfc(a) (3 + a) / 6 of (3 - a) / (3 + a), from 1/2 to where erfc is 0
SCALED: Coefficients = {
    float32: (
        0.17900115, 0.1472324, 0.09837124, 0.051744882, 0.019923989, 0.0044674943, -0.00021772509,
        -0.0004891702, -5.8482063e-05, 1.8996136e-05,
    ),
    float64: (
        0.17900115118138996, 0.14723240886164723, 0.09837139285068147, 0.05174454365009789,
        0.019921293548021784, 0.004471205770678618, -0.00020206944136818365, -0.000505677000110173,
        -9.138490434937157e-05, 4.612965162384969e-05, 1.7926593689565483e-05,
        -5.0664936485129694e-06, -2.910350707615716e-06, 7.923047082219915e-07,
        4.570739346910581e-07, -1.6894635305556768e-07, -6.17626883534716e-08,
        4.3438913413094334e-08, 2.1358400180153613e-09, -1.2814476335587209e-08,
        1.7917815432821998e-09, 3.042113830638278e-09,
    ),
}  # fmt: skip
ERFC_IS_ZERO = {float32: 10.1, float64: 27.3}


def erf(x: Expr) -> Expr:
    """An odd polynomial below SPLIT; 1 - erfc beyond, where only erfc's absolute error counts."""
    size = absolute(x)
    z = size * size
    near = fma(size, polynomial(z, NEAR), size)
    u = smaller(size, ERF_IS_ONE[x.dtype]) - pick(SPLIT, x)
    far = literal(1.0, x) - exp2_bounded(polynomial(u, FAR))
    return with_sign(select(size < pick(SPLIT, x), near, far), sign_of(x))


def erfc(x: Expr) -> Expr:
    """1 - erf(x) up to 3/4; exp(-x^2) times a polynomial beyond, from 2 where x is negative."""
    size = smaller(absolute(x), ERFC_IS_ZERO[x.dtype])
    square = size * size
    rest = fma(size, size, -square)
    w, w_low = _six_over_three_plus(size)
    scaled, scaled_low = _polynomial_in_two((w - 1.0) + w_low, SCALED)
    factor = rounded_product(w, scaled)
    factor_low = fma(w, scaled_low, fma(w_low, scaled, fma(w, scaled, -factor)))
    far = exp_of_difference(-square, rest, factor, factor_low)
    beyond = select(x < literal(0.0, x), literal(2.0, x) - far, far)
    near = literal(1.0, x) - fma(x, polynomial(square, NEAR), x)
    return select(size < literal(0.75, x), near, beyond)


def _polynomial_in_two(v: Expr, coefficients: Coefficients) -> tuple[Expr, Expr]:
    """A polynomial that its first coefficient dominates, and what its last sum lacks."""
    constant, *others = coefficients[v.dtype]
    first, rest = literal(constant, v), polynomial(v, {v.dtype: others})
    high = fma(v, rest, first)
    return high, fma(v, rest, first - high)


def _six_over_three_plus(a: Expr) -> tuple[Expr, Expr]:
    """6 / (3 + a) as two floats: a quotient and what its residue adds."""
    three, six = literal(3.0, a), literal(6.0, a)
    below = a + three
    part = below - three
    below_low = (a - part) + (three - (below - part))
    w = six / below
    residue = fma(-w, below_low, fma(-w, below, six))
    return w, rounded_product(residue * w, literal(1 / 6, a))
