"""Sums of terms (see `terms`) with those put together that are one product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphc.ir.dtypes import DType
from graphc.ops.joining import concat
from graphc.ops.layout import broadcast
from graphc.ops.linear.einsum import Term as Factor
from graphc.ops.source import constant
from graphc.passes.derivatives.terms import Label, Line, Term, evaluated, volume

#: Two sums of factors become one factor if that has at most so many times their elements.
MOST_GROWTH = 16


def simplified(known: Sequence[Term], terms: Sequence[Term], dtype: DType) -> tuple[Term, ...]:
    """All terms, with those added up that are alike, and those put together that go on from each
    other; no two of the known ones are.
    """
    result = list(known)
    for term in terms:
        k = 0
        while k < len(result):
            both = _as_one(result[k], term, dtype)
            if both is not None:
                del result[k]
                term, k = both, 0
            else:
                k += 1
        result.append(term)
    return tuple(result)


def _as_one(a: Term, b: Term, dtype: DType) -> Term | None:
    return _added(a, b, dtype) or _adjoined(a, b, dtype) or _adjoined(b, a, dtype)


def _added(a: Term, b: Term, dtype: DType) -> Term | None:
    """The sum of two terms as one, if they have the same lines and sum to no more than they are."""
    names = _names(a.lines, b.lines) if a.places == b.places else None
    if names is None:
        return None
    first, second, common = _parted(a.factors, _renamed(b, names))
    if not first and not second:
        return replace(a, scale=a.scale + b.scale)
    rest = [*first, *second]
    labels = tuple(dict.fromkeys(k for f in rest for k in f.labels if isinstance(k, Label)))
    if any(k not in a.shown for k in labels):
        return None
    if volume(labels) > MOST_GROWTH * sum(volume(f.labels) for f in rest):
        return None
    ratio = b.scale / a.scale if a.scale else 0.0
    if abs(ratio) == 1:
        left, right, scale = 1.0, ratio, a.scale
    else:
        left, right, scale = a.scale, b.scale, 1.0
    total = evaluated(first, labels, dtype, left) + evaluated(second, labels, dtype, right)
    return Term(scale, (*common, Factor(total, labels)), a.basis, a.value)


def _adjoined(a: Term, b: Term, dtype: DType) -> Term | None:
    """Both terms as one, if a has one factor more than b, along a label of its own, and b stands
    where a would go on, or before it: weights and their bias are weights of inputs with a one.
    """
    if len(a.factors) != len(b.factors) + 1 or a.scale != b.scale:
        return None
    differ = [k for k, (p, q) in enumerate(zip(a.places, b.places, strict=True)) if p != q]
    if len(differ) != 1 or not a.lines[differ[0]].parts:
        return None
    lines = list(zip(a.lines, b.lines, strict=True))
    ours, theirs = lines[differ[0]]
    (label, stride), *rest = ours.parts
    after = theirs.start == ours.start + label.size * stride
    if not after and ours.start != theirs.start + stride:
        return None
    lines[differ[0]] = shorter = Line(0, tuple(rest)), replace(theirs, start=0)
    names = _names(*zip(*lines, strict=True)) if shorter[0].steps == shorter[1].steps else None
    own = [f for f in a.factors if label in f.labels]
    if names is None or len(own) != 1 or any(label in p.labels for p, _ in lines):
        return None
    others = [f for f in a.factors if f is not own[0]]
    first, second, _ = _parted(others, _renamed(b, names))
    if first or second:
        return None
    longer, factor = _with_one(own[0], label, after, dtype)
    line = Line(ours.start if after else theirs.start, ((longer, stride), *rest))
    joint = [line if k == differ[0] else p for k, p in enumerate(a.lines)]
    return Term(a.scale, (*others, factor), joint[0], tuple(joint[1:]))


def _with_one(f: Factor, label: Label, after: bool, dtype: DType) -> tuple[Label, Factor]:
    """The factor with a one after (or before) the others along a label; that label, longer."""
    axis = f.labels.index(label)
    one = broadcast(constant(1, dtype), (*f.x.shape[:axis], 1, *f.x.shape[axis + 1 :]), ())
    longer = Label(label.size + 1)
    x = concat([f.x, one] if after else [one, f.x], axis)
    return longer, Factor(x, (*f.labels[:axis], longer, *f.labels[axis + 1 :]))


def _parted(
    ours: Sequence[Factor], theirs: Sequence[Factor]
) -> tuple[list[Factor], list[Factor], list[Factor]]:
    """The factors that only the first have, those that only the second have, and common ones."""
    first, common = list[Factor](), list[Factor]()
    second = list(theirs)
    for f in ours:
        alike = [k for k, g in enumerate(second) if g.x is f.x and g.labels == f.labels]
        (common if alike else first).append(f)
        if alike:
            del second[alike[0]]
    return first, second, common


def _names(ours: Sequence[Line], theirs: Sequence[Line]) -> dict[Label, Label] | None:
    """The label of our line for each of theirs, which take the same steps, if they are linked in
    the same way.
    """
    names: dict[Label, Label] = {}
    for a, b in zip(ours, theirs, strict=True):
        for k, j in zip(a.labels, b.labels, strict=True):
            if names.setdefault(j, k) is not k:
                return None
    return names if len(set(names.values())) == len(names) else None


def _renamed(term: Term, names: dict[Label, Label]) -> list[Factor]:
    """The factors with these labels named anew; others that would be mistaken for them too."""
    others = {k for f in term.factors for k in f.labels if isinstance(k, Label)} - set(names)
    every = names | {k: Label(k.size) for k in others & set(names.values())}
    return [
        Factor(f.x, tuple(every.get(k, k) if isinstance(k, Label) else k for k in f.labels))
        for f in term.factors
    ]
