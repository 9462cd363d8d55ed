"""Rules of bits: and, or, exclusive or, not, shifts."""

from __future__ import annotations

from graphc.ir.dtypes import INTEGERS, bool_
from graphc.ir.node import Tensor
from graphc.ops.logic import BITS
from graphc.passes.rule import Scalar, Sides, rule
from graphc.passes.rules.facts import full, number


def _all_bits(x: Tensor) -> Tensor:
    """What every bit of which is set: true, -1, or the greatest of an unsigned type."""
    if x.dtype is bool_:
        return full(True, x)
    return full(-1 if x.dtype.kind == "i" else 2**x.dtype.bits - 1, x)


@rule("invert", dtypes=BITS)
def double_inversion(x: Tensor) -> Sides:
    """Bits flipped twice."""
    return ~~x, x


@rule("bitwise_and", dtypes=BITS)
def both_of_same(x: Tensor) -> Sides:
    """And of a value with itself."""
    return x & x, x


@rule("bitwise_or", dtypes=BITS)
def either_of_same(x: Tensor) -> Sides:
    """Or of a value with itself."""
    return x | x, x


@rule("bitwise_xor", dtypes=BITS)
def difference_of_same_bits(x: Tensor) -> Sides:
    """Exclusive or of a value with itself."""
    return x ^ x, full(False if x.dtype is bool_ else 0, x)


@rule("bitwise_and", dtypes=BITS)
def both_of_opposites(x: Tensor) -> Sides:
    """No bit is both set and not."""
    return x & ~x, full(False if x.dtype is bool_ else 0, x)


@rule("bitwise_or", dtypes=BITS)
def either_of_opposites(x: Tensor) -> Sides:
    """Every bit is set or not."""
    return x | ~x, _all_bits(x)


@rule("bitwise_and", dtypes=BITS)
def both_of_inverted(x: Tensor, y: Tensor) -> Sides:
    """One inversion instead of two."""
    return ~x & ~y, ~(x | y)


@rule("bitwise_or", dtypes=BITS)
def either_of_inverted(x: Tensor, y: Tensor) -> Sides:
    """One inversion instead of two."""
    return ~x | ~y, ~(x & y)


@rule("bitwise_and", dtypes=BITS)
def absorbed_by_and(x: Tensor, y: Tensor) -> Sides:
    """Whatever y is."""
    return x & (x | y), x


@rule("bitwise_or", dtypes=BITS)
def absorbed_by_or(x: Tensor, y: Tensor) -> Sides:
    """Whatever y is."""
    return x | (x & y), x


@rule("bitwise_and", dtypes=BITS)
def both_with_part(x: Tensor, y: Tensor) -> Sides:
    """It is asked for already."""
    return x & (x & y), x & y


@rule("bitwise_or", dtypes=BITS)
def either_with_part(x: Tensor, y: Tensor) -> Sides:
    """It is allowed already."""
    return x | (x | y), x | y


@rule("bitwise_and", dtypes=INTEGERS)
def and_of_no_bits(x: Tensor) -> Sides:
    """Nothing is left."""
    return x & 0, full(0, x)


@rule("bitwise_or", dtypes=INTEGERS)
def or_of_no_bits(x: Tensor) -> Sides:
    """Nothing is added."""
    return x | 0, x


@rule("bitwise_xor", dtypes=INTEGERS)
def exclusive_or_of_no_bits(x: Tensor) -> Sides:
    """Nothing is flipped."""
    return x ^ 0, x


@rule("bitwise_and", dtypes=BITS)
def and_of_all_bits(x: Tensor) -> Sides:
    """Nothing is taken away."""
    return x & _all_bits(x), x


@rule("bitwise_or", dtypes=BITS)
def or_of_all_bits(x: Tensor) -> Sides:
    """Everything is set."""
    return x | _all_bits(x), _all_bits(x)


@rule("bitwise_xor", dtypes=BITS)
def exclusive_or_of_all_bits(x: Tensor) -> Sides:
    """Everything is flipped."""
    return x ^ _all_bits(x), ~x


@rule("bitwise_and", dtypes=(bool_,))
def and_with_false(x: Tensor) -> Sides:
    """Never true."""
    return x & False, full(False, x)


@rule("bitwise_or", dtypes=(bool_,))
def or_with_false(x: Tensor) -> Sides:
    """False adds nothing."""
    return x | False, x


@rule("bitwise_xor", dtypes=(bool_,))
def exclusive_or_with_false(x: Tensor) -> Sides:
    """False flips nothing."""
    return x ^ False, x


@rule("bitwise_and", dtypes=INTEGERS)
def and_with_two_numbers(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """Numbers meet and fold."""
    return x & a & b, x & (a & b)


@rule("bitwise_or", dtypes=INTEGERS)
def or_with_two_numbers(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """Numbers meet and fold."""
    return x | a | b, x | (a | b)


@rule("bitwise_xor", dtypes=INTEGERS)
def exclusive_or_with_two_numbers(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """Numbers meet and fold."""
    return x ^ a ^ b, x ^ (a ^ b)


@rule("left_shift", dtypes=INTEGERS)
def shifted_left_by_none(x: Tensor) -> Sides:
    """Nothing moves."""
    return x << 0, x


@rule("right_shift", dtypes=INTEGERS)
def shifted_right_by_none(x: Tensor) -> Sides:
    """Nothing moves."""
    return x >> 0, x


def _are_small(a: Tensor, b: Tensor) -> bool:
    return 0 <= number(a) < 64 and 0 <= number(b) < 64 and number(a) + number(b) < 64


@rule("left_shift", dtypes=INTEGERS, when=_are_small, examples=[{"a": 3, "b": 2}])
def shifted_left_twice(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """One shift is as far as two."""
    return x << a << b, x << (a + b)


@rule("right_shift", dtypes=INTEGERS, when=_are_small, examples=[{"a": 3, "b": 2}])
def shifted_right_twice(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """One shift is as far as two."""
    return x >> a >> b, x >> (a + b)
