"""Rules of where: what is not chosen need not be looked at."""

from __future__ import annotations

import numpy as np

from graphc.ir.dtypes import FLOATS, NUMBERS, bool_
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.types import TensorType
from graphc.ops.cast import astype
from graphc.ops.elementwise import Elementwise
from graphc.ops.exponential import exp, log
from graphc.ops.logic import invert
from graphc.ops.select import where
from graphc.ops.source import placeholder
from graphc.passes.pattern import literal
from graphc.passes.rule import Scalar, Sides, procedure, rule
from graphc.passes.rules.facts import made_by, number, number_of
from graphc.passes.rules.hoisting import ELEMENTWISE

MASK = TensorType(bool_, (3, 5))
#: How many functions deep a branch is searched for choices by the condition that leads to it.
DEPTH = 3


@rule("where", examples=[{"condition": MASK}])
def choice_of_equals(condition: Tensor, x: Tensor) -> Sides:
    """A choice between a value and itself."""
    return where(condition, x, x), x


@rule("where", examples=[{"condition": MASK}])
def choice_by_inverted(condition: Tensor, x: Tensor, y: Tensor) -> Sides:
    """The branches change places."""
    return where(invert(condition), x, y), where(condition, y, x)


def _truth() -> Tensor:
    return placeholder("c", (3,), "bool")


def _x() -> Tensor:
    return placeholder("x", (3,))


def _y() -> Tensor:
    return placeholder("y", (3,))


@procedure("where", examples=[lambda: where(True, _x(), _y()), lambda: where(False, _x(), _y())])
def choice_by_known_truth(node: Node) -> Tensor | None:
    """One branch is always taken."""
    truth = number_of(node.inputs[0])
    return None if truth is None else node.inputs[1 if truth else 2]


def _nested_yes() -> Tensor:
    c = _truth()
    return where(c, exp(where(c, _x(), _y())), _x())


def _nested_no() -> Tensor:
    c = _truth()
    return where(c, _x(), where(c, _x(), _y()) * 2)


@procedure("where", examples=[_nested_yes, _nested_no])
def choice_within_choice(node: Node) -> Tensor | None:
    """A branch is taken only where its condition is known."""
    condition, yes, no = node.inputs
    kept, other = _decided(yes, condition, 1), _decided(no, condition, 2)
    return None if kept is yes and other is no else where(condition, kept, other)


def _decided(x: Tensor, condition: Tensor, branch: int) -> Tensor:
    """x where the condition is known, looking through functions."""
    known: dict[Tensor, Tensor] = {}

    def visit(y: Tensor, depth: int) -> Tensor:
        if y not in known:
            known[y] = decide(y, depth)
        return known[y]

    def decide(y: Tensor, depth: int) -> Tensor:
        node = y.node
        if made_by(y, "where") and node.inputs[0] is condition:
            return visit(node.inputs[branch], depth)
        if depth == 0 or not isinstance(node.op, Elementwise):
            return y
        inputs = [visit(z, depth - 1) for z in node.inputs]
        if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
            return y
        return apply(node.op, *inputs, **node.attrs).outputs[0]

    return visit(x, DEPTH)


@rule("where", examples=[{"c": MASK, "d": MASK}])
def choice_of_choice(c: Tensor, d: Tensor, x: Tensor, y: Tensor) -> Sides:
    """One choice by both conditions."""
    return where(c, where(d, x, y), y), where(c & d, x, y)


@rule("where", examples=[{"c": MASK, "d": MASK}])
def choice_against_choice(c: Tensor, d: Tensor, x: Tensor, y: Tensor) -> Sides:
    """One choice by either condition."""
    return where(c, x, where(d, x, y)), where(c | d, x, y)


@rule("where", examples=[{"c": MASK}], dtypes=(bool_,))
def choice_of_true_and_false(c: Tensor) -> Sides:
    """The condition itself."""
    return where(c, True, False), c


@rule("where", examples=[{"c": MASK}], dtypes=(bool_,))
def choice_of_false_and_true(c: Tensor) -> Sides:
    """The opposite of the condition."""
    return where(c, False, True), invert(c)


@rule("where", dtypes=(bool_,))
def choice_with_false(c: Tensor, d: Tensor) -> Sides:
    """A choice between truths is logic."""
    return where(c, d, False), c & d


@rule("where", dtypes=(bool_,))
def choice_with_true(c: Tensor, d: Tensor) -> Sides:
    """A choice between truths is logic."""
    return where(c, True, d), c | d


@procedure("where", examples=[lambda: where(_truth(), 1.0, 0.0), lambda: where(_truth(), 0.0, 1.0)])
def choice_of_one_and_zero(node: Node) -> Tensor | None:
    """The condition as a number."""
    c, yes, no = node.inputs
    if yes.dtype is bool_ or literal(yes) is None or literal(no) is None:
        return None
    numbers = number_of(yes), number_of(no)
    if numbers == (1, 0) and not np.signbit(numbers[1] or 0.0):
        return astype(c, yes.dtype)
    if numbers == (0, 1) and not np.signbit(numbers[0] or 0.0):
        return astype(invert(c), yes.dtype)
    return None


@procedure(
    *(name for name in ELEMENTWISE if name != "where"),
    examples=[lambda: where(_truth(), 2.0, 5.0) * 3, lambda: 1 / where(_truth(), 2.0, 5.0)],
)
def function_of_chosen_number(node: Node) -> Tensor | None:
    """A function of one of two numbers is one of two other numbers, known beforehand."""
    chosen = [x for x in node.inputs if made_by(x, "where")]
    if len(chosen) != 1 or any(literal(y) is None for y in chosen[0].node.inputs[1:]):
        return None
    if any(literal(x) is None for x in node.inputs if x is not chosen[0]):
        return None
    condition, *numbers = chosen[0].node.inputs
    branches = [
        apply(node.op, *(n if x is chosen[0] else x for x in node.inputs), **node.attrs).outputs[0]
        for n in numbers
    ]
    return where(condition, *branches)


@rule("where", dtypes=FLOATS)
def logarithm_guarded_against_zero(x: Tensor) -> Sides:
    """The logarithm of 0 is -inf without a guard."""
    return where(x == 0, -np.inf, log(where(x == 0, 1, x))), log(x)


def _is_zero(zero: Tensor) -> bool:
    return number(zero) == 0


@rule("where", dtypes=NUMBERS, examples=[{"c": MASK, "zero": 0}], when=_is_zero)
def masked_product_with_mask(c: Tensor, x: Tensor, zero: Scalar) -> Sides:
    """A value that is masked need not be multiplied by the mask."""
    return where(c, x * astype(c, x.dtype), zero), where(c, x, zero)
