"""What linear ops do to sums of products with linked axes (see `terms`).

A rule is given a node, the terms of each input (None: the input does not depend on the basis
vectors) and whether sums may be left for later; it gives the terms of the output, or None where a
sum of such products cannot tell it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from graphc.ir.dims import Dim, product
from graphc.ir.dtypes import DType
from graphc.ir.node import Node, Tensor
from graphc.ops.arithmetic import reciprocal
from graphc.ops.contraction import free_axes
from graphc.ops.convert import cast
from graphc.ops.einsum import Term as Factor
from graphc.ops.layout import factor_groups
from graphc.ops.logic import invert
from graphc.ops.select import where
from graphc.ops.source import constant, constant_value
from graphc.passes.fold import EXACT, constants_folded
from graphc.passes.pattern import literal
from graphc.passes.terms import (
    Label,
    Line,
    Term,
    added,
    adjoined,
    fresh_line,
    indexed,
    row_major,
    summed,
    with_factor,
    with_labels,
    without,
)  # fmt: skip

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


def simplified(terms: Sequence[Term], node: Node) -> Terms:
    """The terms with those added up that are alike, and those put together that go on from each
    other.
    """
    result: list[Term] = []
    for term in terms:
        k = 0
        while k < len(result):
            both = _as_one(result[k], term, node.types[0].dtype)
            if both is not None:
                del result[k]
                term, k = both, 0
            else:
                k += 1
        result.append(term)
    return tuple(result)


def _as_one(a: Term, b: Term, dtype: DType) -> Term | None:
    return added(a, b, dtype) or adjoined(a, b, dtype) or adjoined(b, a, dtype)


def _add(node: Node, inputs: Inputs, lazily: bool) -> Terms | None:
    sign = -1 if node.op.name == "subtract" else 1
    terms: list[Term] = []
    for x, given, factor in zip(node.inputs, inputs, (1, sign), strict=True):
        if given is None and not _is_zero(x):
            return None
        terms += [replace(term, scale=factor * term.scale) for term in given or ()]
    return simplified(terms, node)


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
    return simplified(terms, node)


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


def _broadcast(node: Node, term: Term, lazily: bool) -> Term:
    axes = node.attrs["axes"]
    lines = [
        term.value[axes.index(k)] if k in axes else fresh_line(d)
        for k, d in enumerate(node.attrs["shape"])
    ]
    return replace(term, value=tuple(lines))


def _transpose(node: Node, term: Term, lazily: bool) -> Term:
    return replace(term, value=tuple(term.value[a] for a in node.attrs["axes"]))


def _reshape(node: Node, term: Term, lazily: bool) -> Term | None:
    old, new = node.inputs[0].shape, node.types[0].shape
    if product(new) == 0:
        return None
    value: list[Line] = [Line()] * len(new)
    for ours, theirs in factor_groups(old, new):
        joined = Line()
        for axis in ours:
            joined = _side_by_side(joined, term.value[axis], old[axis])
        wide = [axis for axis in theirs if new[axis] != 1]
        if len(wide) == 1:
            value[wide[0]] = joined
        elif wide:
            split = _split(joined, [new[axis] for axis in wide])
            if split is None:
                return None
            lines, cut = split
            if cut:
                term = with_labels(term, cut)
            for axis, line in zip(wide, lines, strict=True):
                value[axis] = line
    return replace(term, value=tuple(value))


def _side_by_side(a: Line, b: Line, length: Dim) -> Line:
    """The positions along two axes as one, the second of this length."""
    front = a.moved(0, length)
    return Line(front.start + b.start, (*front.parts, *b.parts))


def _split(line: Line, lengths: Sequence[Dim]) -> tuple[list[Line], dict[Label, Line]] | None:
    """A whole line as lines along several axes, and labels to be cut for that."""
    if not line.is_whole(product(lengths)):
        return None
    labels = line.labels
    found: list[Line] = []
    cut: dict[Label, Line] = {}
    for ours, theirs in factor_groups(tuple(k.size for k in labels), tuple(lengths)):
        if len(theirs) == 1:
            found.append(Line(0, row_major([labels[k] for k in ours])))
        elif len(ours) == 1:
            parts = [Label(lengths[k]) for k in theirs]
            cut[labels[ours[0]]] = Line(0, row_major(parts))
            found += [Line(0, ((k, 1),)) for k in parts]
        elif ours or theirs:
            return None
    return found, cut


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


def _slice(node: Node, term: Term, lazily: bool) -> Term | None:
    shape, attrs = node.inputs[0].shape, node.attrs
    if attrs["checked"]:
        return None
    new: dict[Label, Line] = {}
    value: list[Line] = []
    steps = zip(term.value, shape, attrs["starts"], attrs["sizes"], attrs["steps"], strict=True)
    for line, d, start, size, step in steps:
        if (start, size, step) == (0, d, 1):
            value.append(line)
        elif step < 1 or not line.is_whole(d) or len(line.parts) != 1 or size == 0:
            return None
        else:
            narrow = fresh_line(size)
            new[line.labels[0]] = narrow.moved(start, step)
            value.append(narrow)
    cut = with_labels(replace(term, value=()), new)
    return replace(cut, value=tuple(value))


def _place(node: Node, term: Term, lazily: bool) -> Term | None:
    attrs = node.attrs
    if attrs["fill"].array.item() != 0 or any(step < 1 for step in attrs["steps"]):
        return None
    steps = zip(term.value, attrs["starts"], attrs["steps"], strict=True)
    return replace(term, value=tuple(line.moved(start, step) for line, start, step in steps))


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
    "broadcast": _each(_broadcast),
    "transpose": _each(_transpose),
    "reshape": _each(_reshape),
    "sum": _each(_sum),
    "dot_general": _dot,
    "slice": _each(_slice),
    "place": _each(_place),
    "concat": _concat,
}

#: Ops that only move and add up what sums are left in.
MOVES = frozenset({"add", "subtract", "negative", "transpose", "reshape", "place", "concat"})
