"""What linear ops do to sums of products with linked axes (see `terms`).

A rule is given a node, the terms of each input (None: the input does not depend on the basis
vectors) and whether sums may be left for later; it gives the terms of the output, or None where a
sum of such products cannot tell it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor
from graphc.ops.arithmetic import reciprocal
from graphc.ops.convert import cast
from graphc.ops.linear.contraction import free_axes
from graphc.ops.linear.einsum import Term as Factor
from graphc.ops.logic import invert
from graphc.ops.select import where
from graphc.ops.source import constant, constant_value
from graphc.passes.derivatives import term_moves
from graphc.passes.derivatives.term_sums import simplified
from graphc.passes.derivatives.terms import (
    Term,
    fresh_line,
    indexed,
    summed,
    with_factor,
    without,
)  # fmt: skip
from graphc.passes.fold import EXACT, constants_folded
from graphc.passes.pattern import literal

Terms = tuple[Term, ...]
Inputs = Sequence[Terms | None]
Rule = Callable[[Node, Inputs, bool], Terms | None]
OneTerm = Callable[[Node, Term, bool], Term | None]


def _each(rule: OneTerm) -> Rule:
    """The rule of an op with one operand, from what it does to one term."""

    def apply(node: Node, inputs: Inputs, lazily: bool) -> Terms | None:
        found = [rule(node, term, lazily) for term in inputs[0] or ()]
        known = tuple(term for term in found if term is not None)
        return known if len(known) == len(found) else None

    return apply


def _add(node: Node, inputs: Inputs, lazily: bool) -> Terms | None:
    if any(given is None and not _is_zero(x) for x, given in zip(node.inputs, inputs, strict=True)):
        return None
    first, second = (given or () for given in inputs)
    if node.op.name == "subtract":
        second = _scaled(second, -1)
    return simplified(first, second, node.types[0].dtype)


def _is_zero(x: Tensor) -> bool:
    number = literal(x)
    value = None if number is None else constant_value(number)
    return value is not None and not value.any()


def _negative(node: Node, term: Term, lazily: bool) -> Term:
    return replace(term, scale=-term.scale)


def _multiply(node: Node, inputs: Inputs, lazily: bool) -> Terms | None:
    first, second = inputs
    if first is not None and second is not None:
        return None
    return _times(first or second or (), node.inputs[0 if first is None else 1])


def _divide(node: Node, inputs: Inputs, lazily: bool) -> Terms | None:
    first, second = inputs
    if first is None or second is not None:
        return None
    number = _number(node.inputs[1])
    if number is not None:
        return _scaled(first, 1 / number) if number else None
    return _times(first, reciprocal(node.inputs[1]))


def _number(x: Tensor) -> float | None:
    """The number that x is or repeats, be it written as an operation on numbers.

    None for 16-bit floats: what is multiplied only at the end may overflow before.
    """
    if x.dtype.bits == 16:
        return None
    found = literal(x)
    if found is None:
        node = x.node.inputs[0].node if x.node.op.name == "broadcast" else x.node
        if node.types[0].shape == () and node.op.name in EXACT:
            found = constants_folded.replace(node)
    value = None if found is None else constant_value(found)
    return None if value is None else float(value)


def _scaled(terms: Terms, number: float) -> Terms:
    return tuple(replace(term, scale=term.scale * number) for term in terms)


def _times(terms: Terms, c: Tensor) -> Terms | None:
    """The terms times a tensor of the shape of their value."""
    number = _number(c)
    if number is not None:
        return _scaled(terms, number)
    factors = [indexed(c, term.value) for term in terms]
    known = [f for f in factors if f is not None]
    if len(known) < len(factors):
        return None
    return tuple(with_factor(term, f) for term, f in zip(terms, known, strict=True))


def _where(node: Node, inputs: Inputs, lazily: bool) -> Terms | None:
    condition, yes, no = inputs
    if condition is not None:
        return None
    terms: list[Term] = []
    for given, x, mask in (
        (yes, node.inputs[1], node.inputs[0]),
        (no, node.inputs[2], invert(node.inputs[0])),
    ):
        if given is None and not _is_zero(x):
            return None
        for term in given or ():
            chosen = _masked(term, mask, x)
            if chosen is None:
                return None
            terms.append(chosen)
    return simplified((), terms, node.types[0].dtype)


def _masked(term: Term, mask: Tensor, x: Tensor) -> Term | None:
    """The term where the mask holds, else zero: chosen in each factor that has all of the mask's
    axes, so that what is infinite there leaves no trace.
    """
    found = indexed(mask, term.value)
    if found is None:
        return None
    zero = constant(0, x.dtype)
    factors = list(term.factors)
    inside = [k for k, f in enumerate(factors) if set(found.labels) <= set(f.labels)]
    for k in inside:
        f = factors[k]
        order = [found.labels.index(j) for j in f.labels if j in found.labels]
        spread = found.x.transpose(order) if order else found.x
        shape = tuple(
            d if j in found.labels else 1 for j, d in zip(f.labels, f.x.shape, strict=True)
        )
        factors[k] = Factor(where(spread.reshape(shape), f.x, zero), f.labels)
    term = replace(term, factors=tuple(factors))
    return term if inside else with_factor(term, Factor(cast(found.x, x.dtype), found.labels))


def _sum(node: Node, term: Term, lazily: bool) -> Term:
    axes, dtype = node.attrs["axes"], node.types[0].dtype
    kept = [line for k, line in enumerate(term.value) if k not in axes]
    return summed(without(term, [term.value[k] for k in axes], kept, dtype), dtype, lazily)


def _dot(node: Node, inputs: Inputs, lazily: bool) -> Terms | None:
    side = 0 if inputs[0] is not None else 1
    if inputs[1 - side] is not None:
        return None
    found = [_dot_term(node, term, side, lazily) for term in inputs[side] or ()]
    known = tuple(term for term in found if term is not None)
    return known if len(known) == len(found) else None


def _dot_term(node: Node, term: Term, side: int, lazily: bool) -> Term | None:
    c, dtype = node.inputs[1 - side], node.types[0].dtype
    batch, contract = node.attrs["batch"], node.attrs["contract"]
    lines = [fresh_line(d) for d in c.shape]
    for kind in (batch, contract):
        for ours, theirs in zip(kind[side], kind[1 - side], strict=True):
            lines[theirs] = term.value[ours]
    factor = indexed(c, lines)
    if factor is None:
        return None
    free = [term.value[k] for k in free_axes(len(term.value), batch[side], contract[side])]
    other = [lines[k] for k in free_axes(c.ndim, batch[1 - side], contract[1 - side])]
    kept = [*(term.value[k] for k in batch[side]), *(free + other if side == 0 else other + free)]
    gone = [term.value[k] for k in contract[side]]
    return summed(without(with_factor(term, factor), gone, kept, dtype), dtype, lazily)


def _concat(node: Node, inputs: Inputs, lazily: bool) -> Terms | None:
    axis = node.attrs["axis"]
    terms: list[Term] = []
    start: Dim = 0
    for x, given in zip(node.inputs, inputs, strict=True):
        if given is None and not _is_zero(x):
            return None
        for term in given or ():
            value = list(term.value)
            value[axis] = value[axis].moved(start, 1)
            terms.append(replace(term, value=tuple(value)))
        start = start + x.shape[axis]
    return tuple(terms)


RULES: dict[str, Rule] = {
    "add": _add,
    "subtract": _add,
    "negative": _each(_negative),
    "multiply": _multiply,
    "divide": _divide,
    "where": _where,
    "broadcast": _each(term_moves.broadcast),
    "transpose": _each(term_moves.transpose),
    "reshape": _each(term_moves.reshape),
    "sum": _each(_sum),
    "dot_general": _dot,
    "slice": _each(term_moves.slice),
    "place": _each(term_moves.place),
    "concat": _concat,
}

#: Ops that only move and add up what sums are left in.
MOVES = frozenset({"add", "subtract", "negative", "transpose", "reshape", "place", "concat"})
