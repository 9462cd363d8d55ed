"""Linear functions of basis vectors as sums of products in which axes may be linked.

Of a basis vector only one element is not zero, so much of what is computed with all of them is
zero too: the derivative of x * x is a diagonal, that of x @ w by w a copy of x for each column. A
`Term` keeps such a thing as it is: a product of factors with labelled axes, and for each axis of
the result where an index leads along it. A label that leads along two axes links them in a
diagonal; a label that leads along none is summed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import mul

from graphc.ir.cached import Cached
from graphc.ir.dim_values import product
from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.ops.elementwise import Elementwise
from graphc.ops.indexing.slicing import narrow
from graphc.ops.layout import broadcast, reshape
from graphc.ops.linear.einsum import NOMINAL, Labels, contract, multiplied
from graphc.ops.linear.einsum import Term as Factor
from graphc.ops.source import constant
from graphc.passes.rules.hoisting import function_of_repeated


@dataclass(frozen=True, eq=False)
class Label:
    """An index of its own identity."""

    size: Dim


@dataclass(frozen=True)
class Line:
    """Positions along an axis: `start`, and for each label its index times a stride; the strides
    fall, each at least the next one times the size of its label.
    """

    start: Dim = 0
    parts: tuple[tuple[Label, Dim], ...] = ()

    @property
    def labels(self) -> tuple[Label, ...]:
        return tuple(label for label, _ in self.parts)

    @property
    def steps(self) -> tuple[tuple[Dim, Dim], ...]:
        """The size and the stride of each label."""
        return tuple((label.size, stride) for label, stride in self.parts)

    @property
    def size(self) -> Dim:
        """How many positions there are."""
        return product(label.size for label in self.labels)

    @property
    def end(self) -> Dim:
        """The first position after all of them."""
        return self.start + 1 + sum(((k.size - 1) * stride for k, stride in self.parts), 0)

    def is_whole(self, length: Dim) -> bool:
        """Whether the positions are all those of an axis of this length, in their order."""
        return self.start == 0 and self.is_dense() and self.size == length

    def is_dense(self) -> bool:
        """Whether the positions follow each other."""
        return self.parts == row_major(self.labels)

    def moved(self, start: Dim, step: Dim) -> Line:
        """The line in which position i is at start + step * i."""
        return Line(start + step * self.start, tuple((k, step * s) for k, s in self.parts))


@dataclass(frozen=True)
class Term:
    """`scale` times the product of factors, summed over labels of no line, at the positions that
    the lines give along the axis of basis vectors and along the axes of a value.
    """

    scale: float
    factors: tuple[Factor, ...]
    basis: Line
    value: tuple[Line, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        return (self.basis, *self.value)

    @Cached
    def places(self) -> tuple[object, ...]:
        """What lines have in common that have the same positions, by the same steps."""
        return tuple(
            (p.start, tuple((k.size, stride) for k, stride in p.parts)) for p in self.lines
        )

    @property
    def shown(self) -> tuple[Label, ...]:
        """The labels of the lines, each once."""
        return tuple(dict.fromkeys(k for line in self.lines for k in line.labels))

    def is_plain(self) -> bool:
        """Whether the term fills a box: no axes linked, and positions that follow each other."""
        labels = [k for line in self.lines for k in line.labels]
        return len(set(labels)) == len(labels) and all(line.is_dense() for line in self.lines)


def row_major(labels: Sequence[Label]) -> tuple[tuple[Label, Dim], ...]:
    """The labels with the strides of an array that has them as axes."""
    return tuple((k, product(j.size for j in labels[i + 1 :])) for i, k in enumerate(labels))


def fresh_line(length: Dim) -> Line:
    """A whole axis under a new label; an axis of length 1 needs none."""
    return Line() if length == 1 else Line(0, ((Label(length), 1),))


def volume(labels: Iterable[object]) -> int:
    """About how many elements an array with these axes has."""
    total = 1
    for label in labels:
        assert isinstance(label, Label)
        total *= label.size if isinstance(label.size, int) else NOMINAL
    return total


def evaluated(
    factors: Sequence[Factor], output: Sequence[Label], dtype: DType, scale: float = 1.0
) -> Tensor:
    """The product of the factors, with one axis for each label of `output`."""
    found = multiplied_out(factors, output, dtype, scale)
    return contract([found], tuple(output), _sizes([*output, *found.labels]))


def multiplied_out(
    factors: Sequence[Factor], output: Sequence[Label], dtype: DType, scale: float = 1.0
) -> Factor:
    """The product of the factors as one; only labels of `output` are left."""
    if not factors:
        return Factor(constant(scale, dtype), ())
    alone = [f.x for f in factors if not f.labels]
    factors = [f for f in factors if f.labels] or [Factor(alone.pop(), ())]
    sizes = _sizes([*output, *(k for f in factors for k in f.labels)])
    found = multiplied(factors, tuple(output), sizes)
    numbers: list[Tensor | float] = [*alone, *([scale] if scale != 1 else [])]
    return Factor(reduce(mul, numbers) * found.x, found.labels) if numbers else found


def _sizes(labels: Sequence[object]) -> Mapping[object, Dim]:
    return {k: k.size for k in labels if isinstance(k, Label)}


def indexed(x: Tensor, lines: Sequence[Line]) -> Factor | None:
    """The elements of x at these positions, as a factor; None if that is no simple part of x.

    What repeats itself, or is a function of what does, has no labels of axes along which it does.
    """
    if isinstance(x.node.op, Elementwise):
        repeated = function_of_repeated.replace(x.node)
        x = x if repeated is None else repeated
    if x.node.op.name == "broadcast":
        lines = [lines[a] for a in x.node.attrs["axes"]]
        (x,) = x.node.inputs
    return _cut(x, lines)


def _cut(x: Tensor, lines: Sequence[Line]) -> Factor | None:
    labels: list[Label] = []
    for axis, line in enumerate(lines):
        if not line.is_whole(x.shape[axis]):
            if len(line.parts) > 1 or not all(isinstance(s, int) for _, s in line.parts):
                return None
            step = next((s for _, s in line.parts if isinstance(s, int)), 1)
            x = narrow(x, axis, line.start, line.size, step)
        labels += line.labels
    return Factor(reshape(x, tuple(k.size for k in labels)), tuple(labels))


def with_factor(term: Term, new: Factor) -> Term:
    """The term times a factor, which joins one that has all of its labels, or only some of them.

    What depends on a basis vector alone stays apart: that is where products are large. So does a
    number that is computed, but for 16-bit floats, where what is multiplied by it last may overflow
    before.
    """
    shown = {k for line in term.value for k in line.labels}
    own = {k for k in term.basis.labels if k not in shown}
    for i, old in enumerate(term.factors):
        a, b = set(old.labels), set(new.labels)
        alike = bool(a) == bool(b) or new.x.dtype.bits == 16
        if alike and (a <= b or b <= a) and bool(a & own) == bool(b & own):
            larger = old.labels if b <= a else new.labels
            both = _joined([old, new], larger)
            return replace(term, factors=(*term.factors[:i], both, *term.factors[i + 1 :]))
    return replace(term, factors=(*term.factors, new))


def _joined(factors: Sequence[Factor], output: Labels) -> Factor:
    labels = [k for k in output if isinstance(k, Label)]
    return Factor(evaluated(factors, labels, factors[0].x.dtype), output)


def number_apart(terms: Sequence[Term]) -> tuple[float, tuple[Factor, ...], list[Term]]:
    """The scale and the computed numbers that all terms share, and the terms without; nothing of
    terms that differ there.
    """
    numbers = [tuple(f for f in t.factors if not f.labels) for t in terms]
    kinds = {(t.scale, tuple(id(f.x) for f in own)) for t, own in zip(terms, numbers, strict=True)}
    if len(kinds) != 1:
        return 1.0, (), list(terms)
    bare = [replace(t, scale=1.0, factors=tuple(f for f in t.factors if f.labels)) for t in terms]
    return terms[0].scale, numbers[0], bare


def scaled_inside(term: Term) -> Term:
    """The term with its scale in the smallest factor that is computed element by element anyway,
    if there is one.
    """
    made = [f for f in term.factors if isinstance(f.x.node.op, Elementwise)]
    if term.scale == 1 or not made:
        return term
    least = min(made, key=lambda f: volume(f.labels))
    scaled = Factor(least.x * term.scale, least.labels)
    factors = tuple(scaled if f is least else f for f in term.factors)
    return replace(term, scale=1.0, factors=factors)


def summed(term: Term, dtype: DType, lazily: bool) -> Term:
    """The term with what no line shows any more summed; `lazily`: later, with what follows."""
    shown = set(term.shown)
    held = {k for f in term.factors for k in f.labels}
    hidden = held - shown
    if lazily or not hidden:
        return term
    touching = [f for f in term.factors if hidden.intersection(f.labels)]
    rest = tuple(f for f in term.factors if not hidden.intersection(f.labels))
    kept = dict.fromkeys(k for f in touching for k in f.labels if k not in hidden)
    return replace(term, factors=(*rest, _joined(touching, tuple(kept))))


def without(term: Term, gone: Iterable[Line], kept: Sequence[Line], dtype: DType) -> Term:
    """The term with only `kept` of its value's lines; labels that are in no factor count."""
    term = replace(term, value=tuple(kept))
    held = {k for f in term.factors for k in f.labels} | set(term.shown)
    for label in (k for line in gone for k in line.labels):
        if label in held:
            continue
        if isinstance(label.size, int):
            term = replace(term, scale=term.scale * label.size)
        else:
            ones = broadcast(constant(1, dtype), (label.size,), ())
            term = replace(term, factors=(*term.factors, Factor(ones, (label,))))
    return term


def with_labels(term: Term, new: Mapping[Label, Line]) -> Term:
    """The term with each of these labels replaced by the labels of a line, and its factors cut to
    the positions of the line.
    """

    def line_of(line: Line) -> Line:
        start, parts = line.start, list[tuple[Label, Dim]]()
        for label, stride in line.parts:
            inner = new.get(label, Line(0, ((label, 1),))).moved(0, stride)
            start, parts = start + inner.start, [*parts, *inner.parts]
        return Line(start, tuple(parts))

    def factor_of(factor: Factor) -> Factor:
        if not any(k in new for k in factor.labels):
            return factor
        lines = [new.get(k, Line(0, ((k, 1),))) for k in factor.labels if isinstance(k, Label)]
        found = _cut(factor.x, lines)
        assert found is not None, "a label is cut into steps, or into factors of its size"
        return found

    factors = tuple(map(factor_of, term.factors))
    return Term(term.scale, factors, line_of(term.basis), tuple(map(line_of, term.value)))
