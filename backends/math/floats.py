"""What the expansions share: float formats, polynomials, and moves on exponents and signs.

A product that is added to something is always written as an fma, so that a code generator which
contracts `a*b + c` on its own finds nothing to contract and every target gives the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.backends.loops.expr import Expr, bitcast, const, fma, make, select
from graphc.ir.dtypes import DType, float32, float64, int32, int64, uint32, uint64
from graphc.ir.record import dataclass

Constants = Mapping[DType, float]
Coefficients = Mapping[DType, Sequence[float]]

INFINITY = float("inf")
NAN = float("nan")


@dataclass(frozen=True)
class Format:
    """A binary float: how many bits its fraction has, and integers of the same width."""

    dtype: DType
    signed: DType
    unsigned: DType
    fraction: int

    @property
    def bias(self) -> int:
        return (1 << (self.dtype.bits - 2 - self.fraction)) - 1

    @property
    def one(self) -> int:
        """The bits of 1.0."""
        return self.bias << self.fraction

    @property
    def sign(self) -> int:
        """The sign bit."""
        return 1 << (self.dtype.bits - 1)

    @property
    def rounder(self) -> float:
        """1.5 * 2^fraction: a sum with it keeps the nearest integer in its low bits."""
        return 1.5 * 2.0**self.fraction

    @property
    def smallest_normal(self) -> float:
        return float(2.0 ** (1 - self.bias))


_FORMATS = {
    float32: Format(float32, int32, uint32, 23),
    float64: Format(float64, int64, uint64, 52),
}


def format_of(x: Expr) -> Format:
    """The format of x, which is float32 or float64: the lowering casts narrower floats before."""
    assert x.dtype in _FORMATS, f"the math library works on float32 and float64, not {x.dtype}"
    return _FORMATS[x.dtype]


def literal(value: float, like: Expr) -> Expr:
    """The value rounded to the dtype of `like`."""
    return const(float(like.dtype.numpy.type(value)), like.dtype)


def pick(table: Constants, like: Expr) -> Expr:
    """The constant that the table has for the dtype of `like`."""
    return literal(table[like.dtype], like)


def polynomial(x: Expr, coefficients: Coefficients) -> Expr:
    """c0 + c1 x + c2 x^2 + ... by Horner's rule."""
    row = coefficients[x.dtype]
    result = literal(row[-1], x)
    for c in reversed(row[:-1]):
        result = fma(result, x, literal(c, x))
    return result


def rounded_product(a: Expr, b: Expr) -> Expr:
    """a*b as an fma, for a product that is added to something but must be rounded before."""
    return fma(a, b, literal(0.0, a))


def bits_of(x: Expr) -> Expr:
    """The bits of a float as a signed integer."""
    return bitcast(x, format_of(x).signed)


def float_of(bits: Expr) -> Expr:
    """The float that has these bits."""
    return bitcast(bits, {32: float32, 64: float64}[bits.dtype.bits])


def smaller(x: Expr, bound: float) -> Expr:
    """min(x, bound); NaN stays NaN."""
    limit = literal(bound, x)
    return select(limit < x, limit, x)


def larger(x: Expr, bound: float) -> Expr:
    """max(x, bound); NaN stays NaN."""
    limit = literal(bound, x)
    return select(limit > x, limit, x)


def sign_of(x: Expr) -> Expr:
    """The sign bit of x alone, as an unsigned integer."""
    form = format_of(x)
    return bitcast(x, form.unsigned) & form.sign


def with_sign(y: Expr, sign: Expr) -> Expr:
    """y made negative where the sign bit is set; a y that is negative already stays so."""
    return float_of(bitcast(y, sign.dtype) | sign)


def flip_sign(y: Expr, sign: Expr) -> Expr:
    """y negated where the sign bit is set."""
    return float_of(bitcast(y, sign.dtype) ^ sign)


def two_to(n: Expr) -> Expr:
    """2^n of integers n for which it is a normal number."""
    form = format_of(float_of(n))
    return float_of((n + form.bias) << form.fraction)


def rarely(condition: Expr, yes: Expr, no: Expr) -> Expr:
    """A select whose condition seldom holds: `yes` may be computed only where a lane needs it."""
    plain = select(condition, yes, no)
    return make("select", plain.args, plain.dtype, plain.lanes, "rarely")
