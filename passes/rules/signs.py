"""Rules of signs and magnitudes that hold for every bit."""

from __future__ import annotations

from graphc.ir.dtypes import FLOATS, INTEGERS, NUMBERS, SIGNED
from graphc.ir.node import Tensor
from graphc.ir.types import Shape
from graphc.ops.arithmetic import absolute, negative
from graphc.ops.classify import copysign
from graphc.ops.layout import broadcast
from graphc.ops.powers import square
from graphc.passes.rule import Scalar, Sides, rule

SIGNS = (*SIGNED, *FLOATS)


@rule("negative", dtypes=NUMBERS)
def double_negation(x: Tensor) -> Sides:
    """Two changes of sign undo each other."""
    return negative(negative(x)), x


@rule("add", dtypes=NUMBERS)
def plus_negative(x: Tensor, y: Tensor) -> Sides:
    """Adding a negative is subtracting."""
    return x + -y, x - y


@rule("subtract", dtypes=NUMBERS)
def minus_negative(x: Tensor, y: Tensor) -> Sides:
    """Subtracting a negative is adding."""
    return x - -y, x + y


REPEATED = {"x": (3, 5), "y": (5,), "shape": (3, 5), "axes": (1,)}


@rule("add", dtypes=NUMBERS, examples=[REPEATED])
def plus_repeated_negative(x: Tensor, y: Tensor, shape: Shape, axes: tuple[int, ...]) -> Sides:
    """Adding a negative is subtracting."""
    return x + broadcast(-y, shape, axes), x - broadcast(y, shape, axes)


@rule("subtract", dtypes=NUMBERS, examples=[REPEATED])
def minus_repeated_negative(x: Tensor, y: Tensor, shape: Shape, axes: tuple[int, ...]) -> Sides:
    """Subtracting a negative is adding."""
    return x - broadcast(-y, shape, axes), x + broadcast(y, shape, axes)


@rule("negative", dtypes=SIGNS)
def negative_of_product_with_number(x: Tensor, c: Scalar) -> Sides:
    """The number takes the sign."""
    return -(x * c), x * -c


@rule("negative", dtypes=FLOATS)
def negative_of_quotient_by_number(x: Tensor, c: Scalar) -> Sides:
    """The number takes the sign."""
    return -(x / c), x / -c


@rule("negative", dtypes=FLOATS)
def negative_of_number_over(x: Tensor, c: Scalar) -> Sides:
    """The number takes the sign."""
    return -(c / x), -c / x


@rule("multiply", dtypes=SIGNS)
def negative_times_number(x: Tensor, c: Scalar) -> Sides:
    """The number takes the sign."""
    return -x * c, x * -c


@rule("divide", dtypes=FLOATS)
def negative_over_number(x: Tensor, c: Scalar) -> Sides:
    """The number takes the sign."""
    return -x / c, x / -c


@rule("divide", dtypes=FLOATS)
def number_over_negative(x: Tensor, c: Scalar) -> Sides:
    """The number takes the sign."""
    return c / -x, -c / x


@rule("multiply", dtypes=NUMBERS)
def product_of_negatives(x: Tensor, y: Tensor) -> Sides:
    """The signs of two negatives cancel in their product."""
    return -x * -y, x * y


@rule("divide", dtypes=FLOATS)
def quotient_of_negatives(x: Tensor, y: Tensor) -> Sides:
    """The signs of two negatives cancel in their quotient."""
    return -x / -y, x / y


@rule("multiply", dtypes=NUMBERS)
def product_with_negative(x: Tensor, y: Tensor) -> Sides:
    """A sign goes outwards, where it may meet another one, a sum or a number."""
    return -x * y, -(x * y)


@rule("divide", dtypes=FLOATS)
def negative_over(x: Tensor, y: Tensor) -> Sides:
    """A sign goes outwards, where it may meet another one, a sum or a number."""
    return -x / y, -(x / y)


@rule("divide", dtypes=FLOATS)
def over_negative(x: Tensor, y: Tensor) -> Sides:
    """A sign goes outwards, where it may meet another one, a sum or a number."""
    return x / -y, -(x / y)


@rule("negative", dtypes=INTEGERS)
def negative_of_difference(x: Tensor, y: Tensor) -> Sides:
    """A difference turned round; of floats it would make 0 of -0."""
    return -(x - y), y - x


@rule("square", dtypes=NUMBERS)
def square_of_negative(x: Tensor) -> Sides:
    """A square has no sign."""
    return square(-x), square(x)


@rule("square", dtypes=SIGNS)
def square_of_absolute(x: Tensor) -> Sides:
    """A square has no sign."""
    return square(absolute(x)), square(x)


@rule("absolute", dtypes=SIGNS)
def absolute_of_negative(x: Tensor) -> Sides:
    """A magnitude has no sign."""
    return absolute(-x), absolute(x)


@rule("multiply", dtypes=FLOATS)
def product_of_absolutes(x: Tensor, y: Tensor) -> Sides:
    """One magnitude is taken instead of two; products of integers wrap around."""
    return absolute(x) * absolute(y), absolute(x * y)


@rule("divide", dtypes=FLOATS)
def quotient_of_absolutes(x: Tensor, y: Tensor) -> Sides:
    """One magnitude is taken instead of two."""
    return absolute(x) / absolute(y), absolute(x / y)


@rule("copysign", dtypes=FLOATS)
def sign_copied_onto_negative(x: Tensor, y: Tensor) -> Sides:
    """The sign is replaced anyway."""
    return copysign(-x, y), copysign(x, y)


@rule("copysign", dtypes=FLOATS)
def sign_copied_onto_absolute(x: Tensor, y: Tensor) -> Sides:
    """The sign is replaced anyway."""
    return copysign(absolute(x), y), copysign(x, y)


@rule("absolute", dtypes=FLOATS)
def absolute_of_copied_sign(x: Tensor, y: Tensor) -> Sides:
    """The sign is dropped anyway."""
    return absolute(copysign(x, y)), absolute(x)
