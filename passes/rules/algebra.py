"""Identities of arithmetic that hold for every bit."""

from __future__ import annotations

import math

from graphc.ir.dtypes import FLOATS, INTEGERS, NUMBERS, bool_
from graphc.ir.node import Tensor
from graphc.ir.types import TensorType
from graphc.ops.arithmetic import negative
from graphc.ops.select import where
from graphc.ops.source import constant, constant_value
from graphc.passes.rule import Scalar, Sides, rule


@rule(dtypes=NUMBERS)
def double_negation(x: Tensor) -> Sides:
    """Two changes of sign undo each other."""
    return negative(negative(x)), x


@rule(dtypes=NUMBERS)
def plus_negative(x: Tensor, y: Tensor) -> Sides:
    """Adding a negative is subtracting."""
    return x + -y, x - y


@rule(dtypes=NUMBERS)
def minus_negative(x: Tensor, y: Tensor) -> Sides:
    """Subtracting a negative is adding."""
    return x - -y, x + y


@rule(dtypes=NUMBERS)
def product_of_negatives(x: Tensor, y: Tensor) -> Sides:
    """The signs of two negatives cancel in their product."""
    return -x * -y, x * y


@rule(dtypes=NUMBERS)
def times_one(x: Tensor) -> Sides:
    """Multiplying by one changes nothing."""
    return x * 1, x


@rule(dtypes=FLOATS)
def divided_by_one(x: Tensor) -> Sides:
    """Dividing by one changes nothing."""
    return x / 1, x


@rule(dtypes=NUMBERS)
def minus_zero(x: Tensor) -> Sides:
    """Subtracting zero keeps even the sign of a zero."""
    return x - 0, x


@rule(dtypes=INTEGERS)
def plus_zero(x: Tensor) -> Sides:
    """Adding zero changes no integer; of floats it would make -0 into 0."""
    return x + 0, x


@rule(dtypes=FLOATS)
def plus_negative_zero(x: Tensor) -> Sides:
    """Adding -0 keeps every float."""
    return x + -0.0, x


@rule(dtypes=INTEGERS)
def product_with_two_numbers(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """Numbers meet and fold; of floats that would round otherwise."""
    return x * a * b, x * (a * b)


def _has_exact_reciprocal(c: Tensor) -> bool:
    value = float(number(c))
    mantissa, exponent = math.frexp(value)
    return abs(mantissa) == 0.5 and abs(exponent) < 14


@rule(dtypes=FLOATS, when=_has_exact_reciprocal, examples=[{"c": 4.0}, {"c": -0.25}])
def divided_by_power_of_two(x: Tensor, c: Scalar) -> Sides:
    """Multiplying is quicker than dividing; the reciprocal of a power of two is exact."""
    return x / c, x * constant(1 / number(c), c.dtype)


@rule(examples=[{"condition": TensorType(bool_, (3, 5))}])
def choice_of_equals(condition: Tensor, x: Tensor) -> Sides:
    """A choice between a value and itself."""
    return where(condition, x, x), x


def number(c: Tensor) -> float:
    """The number that a scalar constant is."""
    value = constant_value(c)
    assert value is not None, f"{c!r} is no constant"
    return float(value)
