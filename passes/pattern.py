"""Patterns: the shape of a rule's left side, and how a node is matched against it.

A pattern says which ops stand where; attributes, dtypes, shapes and numbers are left open. A match
binds the rule's parameters, and the rule then builds its left side from them: since equal nodes are
one object, the match is right exactly if that gives the node itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union

from graphc.ir.node import Node, Tensor
from graphc.ir.op import Op
from graphc.ir.record import dataclass
from graphc.ops.source import is_scalar_constant

Bindings = dict[str, Any]
Pattern = Union["Hole", "Ground", "Form"]


@dataclass(frozen=True)
class Hole:
    """Where a parameter stands; a literal one takes only numbers, repeated to any shape."""

    name: str
    literal: bool


@dataclass(frozen=True)
class Ground:
    """A part without parameters; a literal one is a number, repeated to any shape."""

    literal: bool


@dataclass(frozen=True)
class Form:
    """An output of an op on patterns; `attrs` are pairs of an attribute and the parameter it is."""

    op: Op
    output: int
    inputs: tuple[Pattern, ...]
    attrs: tuple[tuple[str, str], ...]


def literal(x: Tensor) -> Tensor | None:
    """The scalar constant that x is, or repeats; None for other tensors."""
    if x.node.op.name == "broadcast":
        x = x.node.inputs[0]
    return x if is_scalar_constant(x) else None


def summed_exponent(s: Tensor) -> Tensor | None:
    """The x of sum(exp(x)), unless its largest element was taken out already, or it has none."""
    if s.node.op.name != "sum" or s.node.inputs[0].node.op.name != "exp":
        return None
    (x,) = s.node.inputs[0].node.inputs
    empty = 0 in [x.shape[axis] for axis in s.node.attrs["axes"]]
    return None if empty or _is_shifted(x) else x


def _is_shifted(x: Tensor) -> bool:
    """Whether x is a tensor less its largest elements."""
    if x.node.op.name != "subtract":
        return False
    y = x.node.inputs[1]
    while y.node.op.name in ("broadcast", "reshape", "where", "cast", "stop_gradient"):
        y = y.node.inputs[1 if y.node.op.name == "where" else 0]
    return y.node.op.name == "max"


def abstract(x: Tensor, holes: Mapping[Tensor, str], values: Mapping[str, Any]) -> Pattern:
    """The pattern of x, with tensors of `holes` as parameters and attributes in `values` too."""
    if x in holes:
        return Hole(holes[x], is_scalar_constant(x))
    number = literal(x)
    if number is not None:
        return Hole(holes[number], True) if number in holes else Ground(True)
    inputs = tuple(abstract(y, holes, values) for y in x.node.inputs)
    attrs = tuple(
        (attr, name)
        for attr, value in x.node.attrs.items()
        for name, example in values.items()
        if type(value) is type(example) and value == example
    )
    if not attrs and all(isinstance(part, Ground) for part in inputs):
        return Ground(False)
    return Form(x.node.op, x.index, inputs, attrs)


def parameters(pattern: Pattern) -> frozenset[str]:
    """Names of the parameters that a match binds."""
    if isinstance(pattern, Hole):
        return frozenset((pattern.name,))
    if isinstance(pattern, Ground):
        return frozenset()
    own = frozenset(name for _, name in pattern.attrs)
    return own.union(*(parameters(part) for part in pattern.inputs))


def matches(pattern: Pattern, x: Tensor) -> Iterator[Bindings]:
    """Every way in which x has the pattern."""
    return _matches([(pattern, x)], {})


def _matches(todo: Sequence[tuple[Pattern, Tensor]], bound: Bindings) -> Iterator[Bindings]:
    if not todo:
        yield bound
        return
    (pattern, x), rest = todo[0], todo[1:]
    if isinstance(pattern, Ground):
        if not pattern.literal or literal(x) is not None:
            yield from _matches(rest, bound)
    elif isinstance(pattern, Hole):
        value = literal(x) if pattern.literal else x
        if value is not None and bound.get(pattern.name, value) is value:
            yield from _matches(rest, {**bound, pattern.name: value})
    elif x.node.op is pattern.op and x.index == pattern.output:
        found = _bind_attrs(pattern, x.node, bound)
        if found is not None:
            for inputs in _orders(x.node):
                parts = list(zip(pattern.inputs, inputs, strict=False))
                if len(parts) == len(pattern.inputs) == len(inputs):
                    yield from _matches([*parts, *rest], found)


def _bind_attrs(pattern: Form, node: Node, bound: Bindings) -> Bindings | None:
    found = dict(bound)
    for attr, name in pattern.attrs:
        value = node.attrs[attr]
        if found.setdefault(name, value) != value:
            return None
    return found


def _orders(node: Node) -> list[tuple[Tensor, ...]]:
    """The inputs, in every order that means the same."""
    if node.op.commutative and node.inputs[0] is not node.inputs[1]:
        return [node.inputs, node.inputs[::-1]]
    return [node.inputs]


def same(x: Tensor, y: Tensor, leaves: frozenset[Tensor]) -> bool:
    """Whether x is y but for the order of commutative inputs; `leaves` are not looked into."""
    if x is y:
        return True
    a, b = x.node, y.node
    if a.op is not b.op or x.index != y.index or a.attrs != b.attrs:
        return False
    if x in leaves or a.op.lowering == "source" or len(a.inputs) != len(b.inputs):
        return False
    return any(
        all(itertools.starmap(lambda p, q: same(p, q, leaves), zip(a.inputs, order, strict=True)))
        for order in _orders(b)
    )
