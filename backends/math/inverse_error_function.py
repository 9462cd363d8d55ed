"""erfinv."""

from __future__ import annotations

from graphc.backends.loops.expr import Expr, absolute, equal, fma, select, sqrt
from graphc.backends.math.floats import (
    INFINITY,
    NAN,
    Coefficients,
    literal,
    polynomial,
    sign_of,
    with_sign,
)
from graphc.backends.math.logarithm import natural, reduce
from graphc.ir.dtypes import float32, float64

SPLIT = 0.8427  # where erfinv reaches 1
HALF_ROOT_PI = {
    float32: (0.8862269520759583, -2.662320023830404e-08),
    float64: (0.886226925452758, -3.8332932499128993e-17),
}
# erfinv(x) = x (sqrt(pi)/2 + z P(v) / Q(v)) of z = x^2 and v = CENTRE - z, below SPLIT
CENTRE = 0.71875
CENTRE_P: Coefficients = {
    float32: (0.4284583, 1.5084963, 1.0518769, 0.033850282),
    float64: (
        0.4284583474445266, 4.1132671912870835, 14.830306665321222, 25.007328849556988,
        20.012073125157837, 6.8146767326346005, 0.7128602464001302, 0.002715900853302728,
    ),
}  # fmt: skip
CENTRE_Q: Coefficients = {
    float32: (1.0, 5.0113683, 6.7780023, 2.1886208),
    float64: (
        1.0, 11.090782776591334, 47.99789409993809, 102.79080686216908, 114.19508773832541,
        63.11923173647782, 15.109734962884561, 1.0928063701498183,
    ),
}  # fmt: skip
# erfinv(x) = r + P(r) / Q(r) of r = sqrt(-log(1 - x)), beyond SPLIT
TAIL_P: Coefficients = {
    float32: (-0.017730229, -0.86380774, -0.69689155, -0.01640877, 0.00034741106),
    float64: (
        -0.0006120007602179116, -0.991981914126716, -0.47056410134804366, -1.653651788557965,
        -0.4464642949975359, -0.597520234343166, -0.6748813831232222, -0.11027452932736537,
        -0.003745376255343898, -7.1816849544043215e-06, 2.6642787694891434e-08,
    ),
}  # fmt: skip
TAIL_Q: Coefficients = {
    float32: (1.0, 1.1375821, 1.8118815, 0.43965897),
    float64: (
        1.0, 1.307511511506193, 2.9994844812071655, 2.1772754748902745, 2.832102271037164,
        1.113872301587489, 1.5173062222808702, 0.613800319687858, 0.06213071146759011,
        0.0014070056156470336,
    ),
}  # fmt: skip


def erfinv(x: Expr) -> Expr:
    """The y of which erf is x: infinite at 1 and -1, NaN beyond."""
    size = absolute(x)
    centre = size < literal(SPLIT, x)
    z = x * x
    square = -natural(reduce(literal(1.0, x) - size))
    r = sqrt(square)
    lost = fma(-r, r, square)
    v = fma(x, -x, literal(CENTRE, x))
    above = select(centre, polynomial(v, CENTRE_P), polynomial(r, TAIL_P))
    below = select(centre, polynomial(v, CENTRE_Q), polynomial(r, TAIL_Q))
    ratio = above / below
    high, low = (literal(c, x) for c in HALF_ROOT_PI[x.dtype])
    near = fma(size, high, fma(size * z, ratio, size * low))
    inside = select(centre, near, r + fma(lost, literal(0.5, x) / r, ratio))
    edge = select(equal(size, 1.0), literal(INFINITY, x), literal(NAN, x))
    return with_sign(select(size < literal(1.0, x), inside, edge), sign_of(x))
