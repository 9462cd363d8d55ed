"""Rules of magnitudes, extremes and rounding: what has no effect is not done."""

from __future__ import annotations

from graphc.ir.dtypes import NUMBERS
from graphc.ir.node import Node, Tensor, apply
from graphc.ops.arithmetic import absolute, fmax, fmin, maximum, minimum, sign
from graphc.ops.exponential import exp
from graphc.ops.layout import broadcast
from graphc.ops.powers import square
from graphc.ops.rounding import floor, rint
from graphc.ops.source import placeholder
from graphc.passes.pattern import literal
from graphc.passes.rule import Sides, procedure, rule
from graphc.passes.rules.facts import WHOLE, is_nonnegative, is_whole, number_of


@rule("maximum", dtypes=NUMBERS)
def larger_of_same(x: Tensor) -> Sides:
    """A value is as large as itself."""
    return maximum(x, x), x


@rule("minimum", dtypes=NUMBERS)
def smaller_of_same(x: Tensor) -> Sides:
    """A value is as small as itself."""
    return minimum(x, x), x


@rule("fmax", dtypes=NUMBERS)
def larger_of_same_or_nan(x: Tensor) -> Sides:
    """A value is as large as itself."""
    return fmax(x, x), x


@rule("fmin", dtypes=NUMBERS)
def smaller_of_same_or_nan(x: Tensor) -> Sides:
    """A value is as small as itself."""
    return fmin(x, x), x


@rule("sign", dtypes=NUMBERS)
def sign_of_sign(x: Tensor) -> Sides:
    """A sign is its own sign."""
    return sign(sign(x)), sign(x)


def _x() -> Tensor:
    return placeholder("x", (3, 5))


@procedure("absolute", examples=[lambda: absolute(exp(_x())), lambda: absolute(square(_x()))])
def absolute_of_nonnegative(node: Node) -> Tensor | None:
    """What is not negative is its own magnitude."""
    (x,) = node.inputs
    return x if is_nonnegative(x) else None


@procedure(
    "maximum",
    examples=[lambda: maximum(exp(_x()), 0), lambda: maximum(-2, absolute(_x()))],
)
def larger_of_nonnegative(node: Node) -> Tensor | None:
    """What is not negative is no less than a number that is not positive."""
    a, b = node.inputs
    for x, c in ((a, b), (b, a)):
        number = number_of(c)
        if number is not None and number <= 0 and is_nonnegative(x):
            return x
    return None


@procedure(
    "maximum",
    "minimum",
    examples=[
        lambda: maximum(maximum(_x(), 1), 2),
        lambda: maximum(2, maximum(1, _x())),
        lambda: minimum(minimum(_x(), 1.5), -2),
    ],
)
def limit_of_limit(node: Node) -> Tensor | None:
    """Of two limits on the same side the tighter one counts."""
    outer, x = _limited(node)
    if outer is None or x.node.op is not node.op:
        return None
    inner, y = _limited(x.node)
    if inner is None or number_of(inner) == number_of(outer) == 0:
        return None  # which of two zeros is given depends on the order
    tighter = apply(node.op, inner, outer).outputs[0]
    return apply(node.op, y, broadcast(tighter, y.shape, ())).outputs[0]


def _limited(node: Node) -> tuple[Tensor | None, Tensor]:
    """(the number, the other operand) of an extreme; None without a number."""
    a, b = node.inputs
    number = literal(a)
    return (literal(b), a) if number is None else (number, b)


@procedure(*sorted(WHOLE), examples=[lambda: floor(rint(_x())), lambda: rint(floor(_x()))])
def rounded_whole(node: Node) -> Tensor | None:
    """Whole numbers are rounded already."""
    (x,) = node.inputs
    return x if is_whole(x) else None
