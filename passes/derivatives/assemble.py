"""Arrays made of terms: boxes side by side, and diagonals added to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import TypeVar

from graphc.ir.dims import Dim, maximum, minimum
from graphc.ir.dtypes import DType
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.ir.types import Shape
from graphc.ops.arithmetic import add
from graphc.ops.indexing.affine import AxisLines, affine_add
from graphc.ops.joining import concat
from graphc.ops.layout import broadcast, reshape
from graphc.ops.linear.einsum import Term as Factor
from graphc.ops.padding import place
from graphc.ops.source import constant
from graphc.passes.derivatives.terms import (
    Label,
    Line,
    Term,
    evaluated,
    fresh_line,
    multiplied_out,
    number_apart,
    scaled_inside,
    summed,
    volume,
)  # fmt: skip

T = TypeVar("T")

#: An array is made of terms on the way if it has at most so many times their factors' elements.
MOST_DENSE = 8


@dataclass(frozen=True)
class Box:
    """An array that begins at `starts` along the last axes of another; it has more in front."""

    starts: tuple[Dim, ...]
    x: Tensor

    @property
    def lengths(self) -> Shape:
        return self.x.shape[self.x.ndim - len(self.starts) :]


def assembled(terms: Sequence[Term], shape: Shape, dtype: DType, last: bool) -> Tensor:
    """The array of the terms: the axis of basis vectors first, or `last`, and those of the value;
    `shape` has them in this order.
    """
    shared, rest = _sharing(terms)
    boxes = [box for group in shared for box in _products(*group, dtype, last)]
    linked: list[tuple[Tensor, AxisLines]] = []
    for term in (summed(scaled_inside(t), dtype, False) for t in rest):
        lines = _ordered(term.basis, term.value, last)
        if term.is_plain():
            boxes.append(_box(term, lines, dtype))
        else:
            linked.append(_diagonal(term, lines, dtype))
    if linked:
        base = _side_by_side(boxes, shape, dtype) if boxes else None
        return affine_add(base, linked, shape)
    return _side_by_side(boxes, shape, dtype)


def _side_by_side(boxes: Sequence[Box], shape: Shape, dtype: DType) -> Tensor:
    """The boxes in an array of zeros."""
    parts = [place(box.x, shape, box.starts, (1,) * len(shape)) for box in merged(boxes)]
    if not parts:
        return broadcast(constant(0, dtype), shape, ())
    return reduce(add, parts)


def _ordered(basis: T, value: Sequence[T], last: bool) -> tuple[T, ...]:
    return (*value, basis) if last else (basis, *value)


def _box(term: Term, lines: Sequence[Line], dtype: DType) -> Box:
    labels = [k for line in lines for k in line.labels]
    x = evaluated(term.factors, labels, dtype, term.scale)
    return Box(tuple(line.start for line in lines), reshape(x, tuple(line.size for line in lines)))


def _diagonal(term: Term, lines: Sequence[Line], dtype: DType) -> tuple[Tensor, AxisLines]:
    """The elements of a term, in the order in which they are computed, and where they go."""
    shown = dict.fromkeys(k for line in lines for k in line.labels)
    found = multiplied_out(term.factors, list(shown), dtype, term.scale)
    more = [k for k in shown if k not in found.labels]
    labels = [*more, *found.labels]
    x = broadcast(
        found.x, (*(k.size for k in more), *found.x.shape), tuple(range(len(more), len(labels)))
    )
    return x, tuple(
        (line.start, tuple((labels.index(k), stride) for k, stride in line.parts)) for line in lines
    )


def _sharing(terms: Sequence[Term]) -> tuple[list[tuple[list[Term], Factor]], list[Term]]:
    """Groups of terms that are still to be summed, with the factor of basis vectors that all of a
    group share; and the other terms.
    """
    groups: dict[object, tuple[list[Term], Factor]] = {}
    for term in terms:
        factor = _own_factor(term)
        if factor is not None:
            key = (id(factor.x), factor.labels, term.basis)
            groups.setdefault(key, ([], factor))[0].append(term)
    found = [group for group in groups.values() if len(group[0]) > 1]
    used = {id(term) for group, _ in found for term in group}
    return found, [term for term in terms if id(term) not in used]


def _own_factor(term: Term) -> Factor | None:
    """The one factor with an axis of basis vectors, if it has all of them, none of the value's
    axes, and something to sum.
    """
    basis, shown = set(term.basis.labels), {k for line in term.value for k in line.labels}
    if not basis or not term.is_plain():
        return None
    touching = [f for f in term.factors if basis.intersection(f.labels)]
    labels = set(touching[0].labels) if len(touching) == 1 else set()
    return touching[0] if basis < labels and not labels & shown else None


def _products(terms: Sequence[Term], factor: Factor, dtype: DType, last: bool) -> list[Box]:
    """The boxes of terms that share a factor: what they multiply it with, side by side."""
    basis = terms[0].basis
    hidden = [k for k in factor.labels if isinstance(k, Label) and k not in basis.labels]
    scale, numbers, terms = number_apart(terms)
    boxes = [_cofactor(t, factor, hidden, dtype) for t in terms]
    result = []
    for box in merged(boxes):
        axes = [fresh_line(d) for d in box.lengths]
        own = [k for line in axes for k in line.labels]
        other = Factor(reshape(box.x, tuple(k.size for k in (*hidden, *own))), (*hidden, *own))
        lines = _ordered(basis, axes, last)
        labels = [k for line in lines for k in line.labels]
        x = evaluated([*_ordered(factor, [other], last), *numbers], labels, dtype, scale)
        x = reshape(x, tuple(line.size for line in lines))
        result.append(Box(_ordered(basis.start, box.starts, last), x))
    return result


def _cofactor(term: Term, factor: Factor, hidden: Sequence[Label], dtype: DType) -> Box:
    """The other factors of a term, with the axes to be summed in front."""
    rest = [f for f in term.factors if f is not factor]
    labels = [*hidden, *(k for line in term.value for k in line.labels)]
    x = evaluated(rest, labels, dtype, term.scale)
    lengths = (*(k.size for k in hidden), *(line.size for line in term.value))
    return Box(tuple(line.start for line in term.value), reshape(x, lengths))


def merged(boxes: Sequence[Box]) -> list[Box]:
    """The boxes with neighbours put together, as long as there are any."""
    found = list(boxes)
    again = True
    while again:
        again = False
        for i, a in enumerate(found):
            for j, b in enumerate(found):
                both = _neighbours(a, b) if i != j else None
                if both is not None:
                    found[i] = both
                    del found[j]
                    again = True
                    break
            if again:
                break
    return found


def _neighbours(a: Box, b: Box) -> Box | None:
    """Both boxes as one, if b follows a along one axis and they agree along the others."""
    pairs = list(zip(a.starts, b.starts, a.lengths, b.lengths, strict=True))
    differ = [k for k, (s, t, m, n) in enumerate(pairs) if s != t or m != n]
    if len(differ) != 1 or pairs[differ[0]][1] != pairs[differ[0]][0] + pairs[differ[0]][2]:
        return None
    axis = differ[0] + a.x.ndim - len(a.starts)
    return Box(a.starts, concat([a.x, b.x], axis))


def shortened(
    terms: Sequence[Term], shape: Shape, dtype: DType, often: bool, most: int
) -> list[Term]:
    """The terms of a value, or fewer of them, made arrays of many basis vectors: where those are
    small and read `often`, and where more than `most` fill boxes, or twice as many there are.
    """
    boxes = [t for t in terms if _is_box(t, shape)]
    rest = [t for t in terms if not _is_box(t, shape)]
    dense = sum(volume(t.shown) for t in boxes)
    small = dense <= MOST_DENSE * sum(volume(f.labels) for t in boxes for f in t.factors)
    if len(boxes) > most or (len(boxes) > 1 and not rest and small and often):
        boxes = _joined(boxes, shape, dtype)
    if len(boxes) + len(rest) > 2 * most:
        return _joined([*boxes, *rest], shape, dtype)
    return [*boxes, *rest]


def _is_box(term: Term, shape: Shape) -> bool:
    """Whether a term fills the value, for some basis vectors that follow each other."""
    return term.is_plain() and all(v.is_whole(d) for v, d in zip(term.value, shape, strict=True))


def _joined(terms: Sequence[Term], shape: Shape, dtype: DType) -> list[Term]:
    """Terms as one, an array for all basis vectors from their first to their last."""
    starts = [t.basis.start for t in terms]
    ends = [t.basis.end for t in terms]
    begin, end = starts[0], ends[0]
    for s, e in zip(starts[1:], ends[1:], strict=True):
        begin, end = minimum(begin, s), maximum(end, e)
    wide = tuple(d for d in shape if d != 1)
    scale, numbers, terms = number_apart(terms)
    alike = [
        replace(
            t,
            basis=t.basis.moved(-begin, 1),
            value=tuple(v for v, d in zip(t.value, shape, strict=True) if d != 1),
        )
        for t in terms
    ]
    x = assembled(alike, (*wide, end - begin), dtype, last=True)
    lines = [fresh_line(d) for d in (*shape, end - begin)]
    labels = tuple(k for line in lines for k in line.labels)
    factor = Factor(reshape(x, tuple(k.size for k in labels)), labels)
    basis = lines[-1].moved(begin, 1)
    return [Term(scale, (factor, *numbers), basis, tuple(lines[:-1]))]
