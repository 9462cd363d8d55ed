"""Rules by which numbers of floating point meet: only where their product or quotient is exact, so
that one rounding is saved and none is added.
"""

from __future__ import annotations

from fractions import Fraction

from graphc.ir.dtypes import FLOATS
from graphc.ir.node import Tensor
from graphc.ops.source import constant
from graphc.passes.rule import Scalar, Sides, rule
from graphc.passes.rules.facts import fits, is_finite_number, number


def _is_exact(value: Fraction, c: Tensor) -> bool:
    """Whether a fraction is a float of the dtype of c."""
    return Fraction(float(value)) == value and fits(float(value), c.dtype)


def _have_exact_product(a: Tensor, b: Tensor) -> bool:
    usable = is_finite_number(a) and is_finite_number(b)
    return usable and _is_exact(Fraction(number(a)) * Fraction(number(b)), a)


def _have_exact_quotient(a: Tensor, b: Tensor) -> bool:
    usable = is_finite_number(a) and is_finite_number(b) and number(b) != 0
    return usable and _is_exact(Fraction(number(a)) / Fraction(number(b)), a)


def _quotient(a: Tensor, b: Tensor) -> Tensor:
    return constant(number(a) / number(b), a.dtype)


@rule(
    "multiply", dtypes=FLOATS, exact=False, when=_have_exact_product, examples=[{"a": 1.5, "b": -3}]
)
def product_with_numbers(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """One product instead of two, and a rounding less."""
    return x * a * b, x * (a * b)


@rule("divide", dtypes=FLOATS, exact=False, when=_have_exact_product, examples=[{"a": 3, "b": 5}])
def quotient_by_numbers(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """One division instead of two, and a rounding less."""
    return x / a / b, x / (a * b)


@rule("divide", dtypes=FLOATS, exact=False, when=_have_exact_quotient, examples=[{"a": 6, "b": 3}])
def product_over_number(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """One product instead of a product and a division, and a rounding less."""
    return x * a / b, x * _quotient(a, b)


@rule(
    "multiply", dtypes=FLOATS, exact=False, when=_have_exact_quotient, examples=[{"a": 6, "b": 3}]
)
def quotient_times_number(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """One product instead of a division and a product, and a rounding less."""
    return x / b * a, x * _quotient(a, b)


@rule(
    "divide",
    dtypes=FLOATS,
    exact=False,
    when=_have_exact_product,
    examples=[{"a": 3, "b": 5}],
    domain=(0.2, 3),
)
def number_over_product(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """A division instead of a product and a division, and a rounding less."""
    return a / (x / b), (a * b) / x


@rule(
    "divide",
    dtypes=FLOATS,
    exact=False,
    when=_have_exact_quotient,
    examples=[{"a": 6, "b": 3}],
    domain=(0.2, 3),
)
def number_over_multiple(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """A division instead of a product and a division, and a rounding less."""
    return a / (x * b), _quotient(a, b) / x
