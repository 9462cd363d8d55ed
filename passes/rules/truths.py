"""Rules of comparisons and of what they give."""

from __future__ import annotations

from graphc.ir.dtypes import FLOATS, INTEGERS, bool_
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import absolute, maximum, minimum
from graphc.ops.classify import isfinite, isinf, isnan
from graphc.ops.comparison import (
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    not_equal,
)
from graphc.ops.logic import invert
from graphc.ops.reduction import all, any
from graphc.passes.rule import Sides, rule
from graphc.passes.rules.facts import full

ORDERED = (bool_, *INTEGERS)


@rule("invert")
def not_equal_inverted(x: Tensor, y: Tensor) -> Sides:
    """The opposite comparison; with NaN too."""
    return invert(equal(x, y)), not_equal(x, y)


@rule("invert")
def equal_inverted(x: Tensor, y: Tensor) -> Sides:
    """The opposite comparison; with NaN too."""
    return invert(not_equal(x, y)), equal(x, y)


@rule("invert", dtypes=ORDERED)
def less_inverted(x: Tensor, y: Tensor) -> Sides:
    """The opposite comparison; with NaN both are false, so not of floats."""
    return invert(less(x, y)), less_equal(y, x)


@rule("invert", dtypes=ORDERED)
def less_equal_inverted(x: Tensor, y: Tensor) -> Sides:
    """The opposite comparison; with NaN both are false, so not of floats."""
    return invert(less_equal(x, y)), less(y, x)


@rule("greater")
def greater_turned(x: Tensor, y: Tensor) -> Sides:
    """One way to write a comparison of order."""
    return greater(x, y), less(y, x)


@rule("greater_equal")
def greater_equal_turned(x: Tensor, y: Tensor) -> Sides:
    """One way to write a comparison of order."""
    return greater_equal(x, y), less_equal(y, x)


@rule("less")
def less_than_itself(x: Tensor) -> Sides:
    """Nothing is below itself, nor is NaN."""
    return less(x, x), full(False, x, bool_)


@rule("equal", dtypes=ORDERED)
def equal_to_itself(x: Tensor) -> Sides:
    """But for NaN, everything equals itself."""
    return equal(x, x), full(True, x, bool_)


@rule("not_equal", dtypes=ORDERED)
def different_from_itself(x: Tensor) -> Sides:
    """But for NaN, nothing differs from itself."""
    return not_equal(x, x), full(False, x, bool_)


@rule("less_equal", dtypes=ORDERED)
def at_most_itself(x: Tensor) -> Sides:
    """But for NaN, everything is at most itself."""
    return less_equal(x, x), full(True, x, bool_)


@rule("less", dtypes=FLOATS)
def comparison_of_negatives(x: Tensor, y: Tensor) -> Sides:
    """Signs turn the order round; the least integer is its own negative, so not of integers."""
    return less(-x, -y), less(y, x)


@rule("equal", dtypes=INTEGERS)
def difference_compared_with_zero(x: Tensor, y: Tensor) -> Sides:
    """No difference is equality; of floats, infinities have none."""
    return equal(x - y, 0), equal(x, y)


@rule("less", dtypes=FLOATS)
def magnitude_below_zero(x: Tensor) -> Sides:
    """No magnitude is negative, nor is NaN."""
    return less(absolute(x), 0), full(False, x, bool_)


@rule("equal", dtypes=(bool_,))
def equal_to_true(x: Tensor) -> Sides:
    """That it is true is true if it is."""
    return equal(x, True), x


@rule("equal", dtypes=(bool_,))
def equal_to_false(x: Tensor) -> Sides:
    """That it is false is true if it is not."""
    return equal(x, False), ~x


@rule("not_equal", dtypes=(bool_,))
def different_truths(x: Tensor, y: Tensor) -> Sides:
    """Exclusive or, for which there are rules."""
    return not_equal(x, y), x ^ y


@rule("multiply", dtypes=(bool_,))
def product_of_truths(x: Tensor, y: Tensor) -> Sides:
    """And, for which there are rules."""
    return x * y, x & y


@rule("add", dtypes=(bool_,))
def sum_of_truths(x: Tensor, y: Tensor) -> Sides:
    """Or, for which there are rules."""
    return x + y, x | y


@rule("maximum", dtypes=(bool_,))
def larger_truth(x: Tensor, y: Tensor) -> Sides:
    """Or, for which there are rules."""
    return maximum(x, y), x | y


@rule("minimum", dtypes=(bool_,))
def smaller_truth(x: Tensor, y: Tensor) -> Sides:
    """And, for which there are rules."""
    return minimum(x, y), x & y


@rule("any", dtypes=(bool_,), examples=[{"x": (3, 5), "axes": (1,)}])
def any_inverted(x: Tensor, axes: tuple[int, ...]) -> Sides:
    """One inversion instead of many."""
    return any(~x, axes), ~all(x, axes)


@rule("all", dtypes=(bool_,), examples=[{"x": (3, 5), "axes": (1,)}])
def all_inverted(x: Tensor, axes: tuple[int, ...]) -> Sides:
    """One inversion instead of many."""
    return all(~x, axes), ~any(x, axes)


@rule("isnan", dtypes=ORDERED)
def integer_is_a_number(x: Tensor) -> Sides:
    """Only floats can be NaN."""
    return isnan(x), full(False, x, bool_)


@rule("isinf", dtypes=ORDERED)
def integer_is_not_infinite(x: Tensor) -> Sides:
    """Only floats can be infinite."""
    return isinf(x), full(False, x, bool_)


@rule("isfinite", dtypes=ORDERED)
def integer_is_finite(x: Tensor) -> Sides:
    """Only floats can be infinite or NaN."""
    return isfinite(x), full(True, x, bool_)


@rule("isnan", dtypes=FLOATS)
def negative_is_nan(x: Tensor) -> Sides:
    """A sign makes no difference to being a number."""
    return isnan(-x), isnan(x)


@rule("isfinite", dtypes=FLOATS)
def negative_is_finite(x: Tensor) -> Sides:
    """A sign makes no difference to being finite."""
    return isfinite(-x), isfinite(x)


@rule("equal", dtypes=FLOATS)
def difference_from_itself_is_zero(x: Tensor) -> Sides:
    """Only finite numbers leave nothing when they are taken from themselves."""
    return equal(x - x, 0), isfinite(x)
