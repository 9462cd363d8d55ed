"""What ops that move elements do to a product with linked axes: its lines lead elsewhere.

Each is given a node, a term of its input and whether sums may be left for later, and gives the term
of the output, or None where one such product cannot tell it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim
from graphc.ir.node import Node
from graphc.ops.axis_groups import factor_groups
from graphc.passes.derivatives.terms import Label, Line, Term, fresh_line, row_major, with_labels


def broadcast(node: Node, term: Term, lazily: bool) -> Term:
    """Lines that are left out, and new ones."""
    axes = node.attrs["axes"]
    lines = [
        term.value[axes.index(k)] if k in axes else fresh_line(d)
        for k, d in enumerate(node.attrs["shape"])
    ]
    return replace(term, value=tuple(lines))


def transpose(node: Node, term: Term, lazily: bool) -> Term:
    """The lines in another order."""
    return replace(term, value=tuple(term.value[a] for a in node.attrs["axes"]))


def reshape(node: Node, term: Term, lazily: bool) -> Term | None:
    """Lines that become one, or that are cut."""
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


def slice(node: Node, term: Term, lazily: bool) -> Term | None:
    """The labels of lines that are cut, shorter; None where a line has several."""
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


def place(node: Node, term: Term, lazily: bool) -> Term | None:
    """Lines that begin elsewhere, in longer steps; None for a fill that is not zero."""
    attrs = node.attrs
    if attrs["fill"].array.item() != 0 or any(step < 1 for step in attrs["steps"]):
        return None
    steps = zip(term.value, attrs["starts"], attrs["steps"], strict=True)
    return replace(term, value=tuple(line.moved(start, step) for line, start, step in steps))
