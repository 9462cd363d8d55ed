"""pow: 2^(y log2|x|), with the logarithm and the product held as sums of two floats."""

from __future__ import annotations

from graphc.backends.loops.expr import (
    Expr,
    absolute,
    const,
    equal,
    fma,
    not_equal,
    select,
    trunc,
)
from graphc.backends.math.exponential import EXP2_RANGE, exp2_of_sum
from graphc.backends.math.floats import (
    INFINITY,
    NAN,
    Coefficients,
    format_of,
    larger,
    literal,
    polynomial,
    rounded_product,
    sign_of,
    smaller,
    with_sign,
)
from graphc.backends.math.logarithm import Split, reduce
from graphc.ir.dtypes import float32, float64
from graphc.ir.record import dataclass

# log2(m) = s (a + z (b + z q(z))) of s = (m - 1) / (m + 1) and z = s^2; a and b are two floats each
FIRST = {
    float32: (2.885390043258667, 3.851926067000022e-08),
    float64: (2.8853900817779268, 4.0710547481862066e-17),
}
SECOND = {
    float32: (0.9617967009544373, -7.028461812552678e-09),
    float64: (0.9617966939259756, 5.0577616648125907e-17),
}
REST: Coefficients = {
    float32: (0.5770779, 0.41221502, 0.31958732, 0.2879358),
    float64: (
        0.5770780163555851, 0.4121985831113524, 0.3205988979101154, 0.2623081990746197,
        0.22195223750154267, 0.19240271468261155, 0.1684212346073785, 0.1730827078597547,
    ),
}  # fmt: skip
HUGE_EXPONENT = {float32: 1e30, float64: 1e60}  # any power so great is 0, 1 or infinite


@dataclass(frozen=True)
class Double:
    """The unrounded sum of two floats, the second less than an ulp or so of the first."""

    high: Expr
    low: Expr

    def times(self, other: Double) -> Double:
        """The product, all but the low parts' own."""
        high = rounded_product(self.high, other.high)
        rest = fma(self.high, other.high, -high)
        return Double(high, fma(self.high, other.low, fma(self.low, other.high, rest)))


def fast_sum(a: Expr, b: Expr) -> Double:
    """a + b without rounding, where |a| >= |b| or a is 0."""
    high = a + b
    return Double(high, b - (high - a))


def _constant(table: Split, like: Expr) -> Double:
    high, low = table[like.dtype]
    return Double(literal(high, like), literal(low, like))


def _added(constant: Double, x: Double) -> Double:
    """The sum of a constant and something smaller."""
    total = fast_sum(constant.high, x.high)
    return Double(total.high, total.low + (constant.low + x.low))


def precise_log2(x: Expr) -> Double:
    """log2 of a positive finite x with about ten bits more than a float has."""
    parts = reduce(x)
    f = parts.f
    divisor = fast_sum(literal(2.0, f), f)
    inverse = literal(1.0, f) / divisor.high
    s = f * inverse
    remainder = fma(-s, divisor.low, fma(-s, divisor.high, f))
    ratio = Double(s, remainder * inverse)
    z = ratio.times(ratio)
    tail = rounded_product(z.high, polynomial(z.high, REST))
    second = _added(_constant(SECOND, f), Double(tail, literal(0.0, f)))
    series = ratio.times(_added(_constant(FIRST, f), z.times(second)))
    total = fast_sum(parts.k, series.high)
    return Double(total.high, total.low + series.low)


def power_of_size(x: Expr, y: Expr) -> Expr:
    """|x| ^ y."""
    size = absolute(x)
    log = precise_log2(size)
    high = select(size < literal(INFINITY, x), log.high, size)
    high = select(equal(x, 0.0), literal(-INFINITY, x), high)
    bound = HUGE_EXPONENT[x.dtype]
    exponent = larger(smaller(y, bound), -bound)
    product = exponent * high
    rest = fma(exponent, log.low, fma(exponent, high, -product))
    least, most = EXP2_RANGE[x.dtype]
    limited = larger(smaller(product, most), least)
    return exp2_of_sum(limited, select(equal(limited, product), rest, literal(0.0, x)))


def pow(x: Expr, y: Expr) -> Expr:
    """x^y with C99's special cases: x^0 and 1^y are 1 even of NaN; x < 0 needs an integer y."""
    whole = equal(trunc(y), y)
    half = y * 0.5
    odd = whole & not_equal(trunc(half), half)
    size = power_of_size(x, y)
    negative = (x < literal(0.0, x)) & (x > literal(-INFINITY, x))
    defined = select(negative & ~whole, literal(NAN, x), size)
    sign = select(odd, sign_of(x), const(0, format_of(x).unsigned))
    one = equal(y, 0.0) | equal(x, 1.0)
    return select(one, literal(1.0, x), with_sign(defined, sign))
