"""What one band computes: the nodes of a region for some rows of one matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.record import dataclass
from graphc.ir.types import Shape, TensorType
from graphc.ops.extent import extent
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.linear.contraction import dot_general
from graphc.ops.loops.bands import Operand
from graphc.ops.loops.bands import wide as wide_part
from graphc.ops.randomness.philox import random_words
from graphc.ops.source import iota, is_scalar_constant
from graphc.passes.bands.regions import COLUMN, ROW, UNIT, Labels, Region, is_kept
from graphc.passes.derivatives.branch_gradients import like

Axes = tuple[int, ...]


@dataclass
class Body:
    """A body as it grows. `given` are the operands from outside, each as it is laid out there, with
    what a band reads of it; `inputs` its symbols for them.
    """

    region: Region
    rows: Dim
    columns: Dim
    inputs: list[Tensor] = field(default_factory=list)
    given: list[Tensor] = field(default_factory=list)
    operands: list[Operand] = field(default_factory=list)
    known: dict[tuple[Tensor, Labels], Tensor] = field(default_factory=dict)

    def make(self, nodes: Sequence[Node]) -> None:
        """Computes the nodes, in order."""
        for node in nodes:
            operands = self.region.operands[node]
            (out,) = node.outputs
            labels = self.region.labels[out]
            if node.op.name == "random_bits":
                made = self._random(node, labels)
            else:
                inputs = [self.value(x, own) for x, own in zip(node.inputs, operands, strict=True)]
                made = self._applied(node, inputs, operands, labels)
            self.known[out, labels] = made

    def value(self, x: Tensor, labels: Labels) -> Tensor:
        """What the band has of x: computed in it, or from outside."""
        if is_scalar_constant(x):
            return x
        if (x, labels) not in self.known:
            repeated = x.node.op.name == "broadcast" and is_scalar_constant(x.node.inputs[0])
            self.known[x, labels] = (
                broadcast(x.node.inputs[0], self._shape(labels, x.shape), ())
                if repeated
                else self._from_outside(x, labels)
            )
        return self.known[x, labels]

    def _length(self, label: int | str, outside: Dim) -> Dim:
        return {ROW: self.rows, COLUMN: self.columns}.get(str(label), outside)

    def _shape(self, labels: Labels, outside: Shape) -> Shape:
        return tuple(
            self._length(label, d)
            for label, d in zip(labels, outside, strict=True)
            if is_kept(label)
        )

    def _from_outside(self, x: Tensor, labels: Labels) -> Tensor:
        """A symbol for x, in the order of its own axes."""
        order = arranged_axes(labels)
        kept = tuple(k for k in order if is_kept(labels[k]))
        symbol = self.symbol(
            arranged(x, labels),
            self._shape(tuple(labels[k] for k in kept), tuple(x.shape[k] for k in kept)),
            (_batch_of(labels), ROW in labels),
        )
        ours = [k for k in range(len(labels)) if is_kept(labels[k])]
        return transpose(symbol, tuple(kept.index(k) for k in ours))

    def symbol(self, outside: Tensor, shape: Shape, operand: Operand) -> Tensor:
        """A symbol for what lies outside."""
        symbol = like(TensorType(outside.dtype, shape), f"x{len(self.inputs)}")
        self.inputs.append(symbol)
        self.given.append(outside)
        self.operands.append(operand)
        return symbol

    @property
    def has_lines(self) -> bool:
        """Whether it reads lines of columns of values that lie outside."""
        pairs = zip(self.inputs, self.operands, strict=True)
        return any(by_rows and self.columns in x.shape[1:] for x, (_, by_rows) in pairs)

    # --- nodes ------------------------------------------------------------------------------------

    def _applied(
        self, node: Node, inputs: list[Tensor], operands: Sequence[Labels], labels: Labels
    ) -> Tensor:
        name, attrs = node.op.name, node.attrs
        shape = self._shape(labels, node.types[0].shape)
        if name == "broadcast":
            place = _places(labels)
            axes = tuple(place[a] for a in attrs["axes"] if a in place)
            return broadcast(inputs[0], shape, axes)
        if name == "transpose":
            place = _places(operands[0])
            return transpose(inputs[0], tuple(place[a] for a in attrs["axes"] if a in place))
        if name == "reshape":
            return inputs[0]
        if name == "dot_general":
            return _product(node, inputs, operands)
        if node.op.lowering == "reduce":
            place = _places(operands[0])
            axes = tuple(place[a] for a in attrs["axes"] if a in place)
            return apply(node.op, inputs[0], **{**attrs, "axes": axes}).outputs[0]
        inputs = [broadcast(x, shape, ()) if x.shape == () and shape else x for x in inputs]
        return apply(node.op, *inputs, **attrs).outputs[0]

    def _random(self, node: Node, labels: Labels) -> Tensor:
        """The words of random bits that are a band's: each line begins at a number of its own."""
        (out,) = node.types
        key = self.value(node.inputs[0], self.region.operands[node][0])
        lines, length = out.shape[:-1], out.shape[-1]
        number = reshape(iota((product(lines),), 0, "uint64"), lines)
        first = number * broadcast(extent(length, "uint64"), lines, ())
        begin = self._from_outside(first, labels[:-1])
        shape = self._shape(labels, out.shape)
        last = len(shape) - 1
        places = broadcast(begin, shape, tuple(range(last))) + iota(shape, last, "uint64")
        return random_words(key, places, out.dtype)


def _product(node: Node, inputs: Sequence[Tensor], operands: Sequence[Labels]) -> Tensor:
    a, b = map(_places, operands)

    def pairs(kind: str) -> tuple[Axes, Axes]:
        both = [(a[i], b[j]) for i, j in zip(*node.attrs[kind], strict=True) if i in a]
        return tuple(i for i, _ in both), tuple(j for _, j in both)

    return dot_general(inputs[0], inputs[1], pairs("batch"), pairs("contract"))


def _places(labels: Labels) -> dict[int, int]:
    """Where the axes that a band has are in it."""
    kept = [k for k, label in enumerate(labels) if is_kept(label)]
    return {k: place for place, k in enumerate(kept)}


def _batch_of(labels: Labels) -> Axes:
    return tuple(sorted(label for label in labels if isinstance(label, int)))


def arranged_axes(labels: Labels) -> Axes:
    """The axes in the order in which bands want them: batch, rows, columns, others."""
    rank: Mapping[str, int] = {ROW: 0, COLUMN: 1, UNIT: 3}

    def place(k: int) -> tuple[int, int]:
        label = labels[k]
        return (-1, label) if isinstance(label, int) else (rank.get(label, 2), k)

    return tuple(sorted(range(len(labels)), key=place))


def arranged_shape(x: Tensor, labels: Labels) -> Shape:
    """The shape of x in that order, without axes of length 1."""
    return tuple(x.shape[k] for k in arranged_axes(labels) if labels[k] != UNIT)


def arranged(x: Tensor, labels: Labels) -> Tensor:
    """x in the order in which bands want it; axes of length 1 may be anywhere."""
    shape = arranged_shape(x, labels)
    wide = [k for k in arranged_axes(labels) if x.shape[k] != 1]
    while True:
        source = x.node.inputs[0] if x.node.inputs else x
        if x.node.op.name == "transpose":
            wide = [x.node.attrs["axes"][k] for k in wide]
        elif x.node.op.name == "reshape" and wide_part(x.shape) == wide_part(source.shape):
            theirs = [k for k, d in enumerate(source.shape) if d != 1]
            ours = [k for k, d in enumerate(x.shape) if d != 1]
            wide = [theirs[ours.index(k)] for k in wide]
        else:
            break
        x = source
    if wide != sorted(wide):
        x = transpose(x, (*wide, *(k for k, d in enumerate(x.shape) if d == 1)))
        return reshape(x, shape)
    return x
