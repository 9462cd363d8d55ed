"""Rules of powers, roots and reciprocals: cheaper functions of the same value."""

from __future__ import annotations

from graphc.ir.dtypes import FLOATS, NUMBERS
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import reciprocal
from graphc.ops.exponential import exp2
from graphc.ops.powers import power, rsqrt, sqrt, square
from graphc.ops.source import constant
from graphc.passes.rule import Sides, rule
from graphc.passes.rules.facts import full


def _raised(x: Tensor, exponent: float) -> Tensor:
    """The op power with a number that it does not look into."""
    return power(x, constant(exponent, x.dtype))


@rule("power", dtypes=NUMBERS)
def power_zero(x: Tensor) -> Sides:
    """Everything to the power 0 is 1, NaN too."""
    return _raised(x, 0), full(1, x)


@rule("power", dtypes=NUMBERS)
def power_one(x: Tensor) -> Sides:
    """A power that does nothing."""
    return _raised(x, 1), x


@rule("power", dtypes=NUMBERS, exact=False)
def power_two(x: Tensor) -> Sides:
    """A product is cheaper than a power, and rounds once."""
    return _raised(x, 2), square(x)


@rule("power", dtypes=NUMBERS, exact=False)
def power_three(x: Tensor) -> Sides:
    """Products are cheaper than a power."""
    return _raised(x, 3), x * square(x)


@rule("power", dtypes=FLOATS, exact=False)
def power_minus_one(x: Tensor) -> Sides:
    """A division is cheaper than a power, and rounds once."""
    return _raised(x, -1), reciprocal(x)


@rule("power", dtypes=NUMBERS)
def power_of_one(x: Tensor) -> Sides:
    """One to every power is 1, NaN too."""
    return power(constant(1, x.dtype), x), full(1, x)


@rule("power", dtypes=FLOATS, exact=False)
def power_of_two(x: Tensor) -> Sides:
    """A function of its own is cheaper than a power."""
    return power(constant(2, x.dtype), x), exp2(x)


@rule("reciprocal", dtypes=FLOATS, exact=False, domain=(0.2, 3))
def reciprocal_of_root(x: Tensor) -> Sides:
    """One rounding less for 16-bit floats."""
    return reciprocal(sqrt(x)), rsqrt(x)


@rule("reciprocal", dtypes=FLOATS, exact=False, domain=(0.2, 3))
def reciprocal_of_inverse_root(x: Tensor) -> Sides:
    """A root that is inverted twice."""
    return reciprocal(rsqrt(x)), sqrt(x)


@rule("reciprocal", dtypes=FLOATS, exact=False, domain=(0.2, 3))
def reciprocal_of_reciprocal(x: Tensor) -> Sides:
    """Two roundings less."""
    return reciprocal(reciprocal(x)), x


@rule("divide", dtypes=FLOATS, exact=False, domain=(0.2, 3))
def divided_by_reciprocal(x: Tensor, y: Tensor) -> Sides:
    """A rounding less, and no division."""
    return x / reciprocal(y), x * y
