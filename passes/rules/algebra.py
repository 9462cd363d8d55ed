"""Identities of arithmetic that hold for every bit."""

from __future__ import annotations

import math

from graphc.ir.dtypes import FLOATS, INTEGERS, NUMBERS, SIGNED
from graphc.ir.node import Node, Tensor
from graphc.ops.arithmetic import reciprocal
from graphc.ops.exponential import exp
from graphc.ops.powers import square
from graphc.ops.source import constant, placeholder
from graphc.passes.rule import Scalar, Sides, procedure, rule
from graphc.passes.rules.facts import full, is_never_minus_zero, number, number_of

SIGNS = (*SIGNED, *FLOATS)


def _is_one(one: Tensor) -> bool:
    return number(one) == 1


def _is_minus_one(minus_one: Tensor) -> bool:
    return number(minus_one) == -1


def _is_plus_zero(zero: Tensor) -> bool:
    return number(zero) == 0 and not _is_minus_zero(zero)


def _is_minus_zero(zero: Tensor) -> bool:
    return number(zero) == 0 and math.copysign(1, number(zero)) < 0


@rule("multiply", dtypes=NUMBERS, when=_is_one, examples=[{"one": 1}])
def times_one(x: Tensor, one: Scalar) -> Sides:
    """Multiplying by one changes nothing."""
    return x * one, x


@rule("divide", dtypes=FLOATS, when=_is_one, examples=[{"one": 1}])
def divided_by_one(x: Tensor, one: Scalar) -> Sides:
    """Dividing by one changes nothing."""
    return x / one, x


@rule("multiply", dtypes=SIGNS, when=_is_minus_one, examples=[{"minus_one": -1}])
def times_minus_one(x: Tensor, minus_one: Scalar) -> Sides:
    """Only the sign changes."""
    return x * minus_one, -x


@rule("divide", dtypes=FLOATS, when=_is_minus_one, examples=[{"minus_one": -1}])
def divided_by_minus_one(x: Tensor, minus_one: Scalar) -> Sides:
    """Only the sign changes."""
    return x / minus_one, -x


@rule("subtract", dtypes=NUMBERS, when=_is_plus_zero, examples=[{"zero": 0}])
def minus_zero(x: Tensor, zero: Scalar) -> Sides:
    """Subtracting zero keeps even the sign of a zero."""
    return x - zero, x


@rule("add", dtypes=INTEGERS, when=_is_plus_zero, examples=[{"zero": 0}])
def plus_zero(x: Tensor, zero: Scalar) -> Sides:
    """Adding zero changes no integer; of floats it would make -0 into 0."""
    return x + zero, x


@rule("add", dtypes=FLOATS, when=_is_minus_zero, examples=[{"zero": -0.0}])
def plus_negative_zero(x: Tensor, zero: Scalar) -> Sides:
    """Adding -0 keeps every float."""
    return x + zero, x


@procedure("add", examples=[lambda: exp(placeholder("x", (3,))) + 0])
def zero_plus_what_is_never_negative_zero(node: Node) -> Tensor | None:
    """0 changes no float but -0."""
    x, y = node.inputs
    if number_of(x) == 0:
        x, y = y, x
    return x if number_of(y) == 0 and is_never_minus_zero(x) else None


@rule("subtract", dtypes=INTEGERS, when=_is_plus_zero, examples=[{"zero": 0}])
def zero_minus(x: Tensor, zero: Scalar) -> Sides:
    """A difference from zero is a negative; of floats it would make 0 of -0."""
    return zero - x, -x


@rule("subtract", dtypes=FLOATS, when=_is_minus_zero, examples=[{"zero": -0.0}])
def negative_zero_minus(x: Tensor, zero: Scalar) -> Sides:
    """A difference from -0 is a negative, zeros included."""
    return zero - x, -x


@rule("add", dtypes=NUMBERS)
def sum_with_itself(x: Tensor) -> Sides:
    """Twice the same is a product with a number, which others may join."""
    return x + x, x * 2


@rule("subtract", dtypes=INTEGERS)
def difference_from_itself(x: Tensor) -> Sides:
    """Nothing is left; of floats, infinities and NaN leave NaN."""
    return x - x, full(0, x)


@rule("multiply", dtypes=INTEGERS, when=_is_plus_zero, examples=[{"zero": 0}])
def times_zero(x: Tensor, zero: Scalar) -> Sides:
    """Nothing is left; of floats, infinities and NaN leave NaN."""
    return x * zero, full(0, x)


@rule("add", dtypes=INTEGERS)
def sum_with_two_numbers(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """Numbers meet and fold; of floats that would round otherwise."""
    return x + a + b, x + (a + b)


@rule("subtract", dtypes=INTEGERS)
def difference_from_two_numbers(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """Numbers meet and fold; of floats that would round otherwise."""
    return x - a - b, x - (a + b)


@rule("subtract", dtypes=INTEGERS)
def sum_less_number(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """Numbers meet and fold; of floats that would round otherwise."""
    return x + a - b, x + (a - b)


@rule("add", dtypes=INTEGERS)
def difference_plus_number(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """Numbers meet and fold; of floats that would round otherwise."""
    return x - a + b, x + (b - a)


@rule("multiply", dtypes=INTEGERS)
def product_with_two_numbers(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """Numbers meet and fold; of floats that would round otherwise."""
    return x * a * b, x * (a * b)


@rule("subtract", dtypes=INTEGERS)
def sum_less_operand(x: Tensor, y: Tensor) -> Sides:
    """What was added is taken away; of floats it would undo a rounding."""
    return x + y - y, x


@rule("add", dtypes=INTEGERS)
def difference_plus_operand(x: Tensor, y: Tensor) -> Sides:
    """What was taken away is added; of floats it would undo a rounding."""
    return x - y + y, x


def _has_exact_reciprocal(c: Tensor) -> bool:
    mantissa, exponent = math.frexp(number(c))
    return abs(mantissa) == 0.5 and abs(exponent) < 14


@rule("divide", dtypes=FLOATS, when=_has_exact_reciprocal, examples=[{"c": 4.0}, {"c": -0.25}])
def divided_by_power_of_two(x: Tensor, c: Scalar) -> Sides:
    """Multiplying is quicker than dividing; the reciprocal of a power of two is exact."""
    return x / c, x * constant(1 / number(c), c.dtype)


@rule("divide", dtypes=FLOATS, when=_is_one, examples=[{"one": 1}])
def one_over(x: Tensor, one: Scalar) -> Sides:
    """One way to write a reciprocal."""
    return one / x, reciprocal(x)


@rule("multiply", dtypes=NUMBERS)
def times_itself(x: Tensor) -> Sides:
    """One way to write a square."""
    return x * x, square(x)
