"""Elements at positions that are linear in indices: sums into them, and taking them out.

An axis is described by a line (start, ((k, stride), ...)): the element at index (i0, i1, ...) of an
operand lies at start + stride * ik + ... along it. One index may appear in the lines of several
axes, which then meet in a diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim, maximum
from graphc.ir.dtypes import float32
from graphc.ir.errors import DTypeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, KernelWriter, Op, Reader, Sample
from graphc.ir.types import Shape, TensorType
from graphc.ops.indexing.scatter_kernel import nested
from graphc.ops.layout import broadcast
from graphc.ops.sampling import FEW, KINDS, moved

#: Where an operand's elements lie along one axis: a start, and strides of some of its own axes.
AxisLine = tuple[Dim, tuple[tuple[int, Dim], ...]]
AxisLines = tuple[AxisLine, ...]


class AffineAdd(Op):
    """An array of `shape` (the first input if `based`, else zeros) to which the elements of the
    other inputs are added at their `lines`, one tuple of lines for each.

    No two elements of one operand meet. Along the first axis strides fall: each is at least the
    next one times the length of its axis.
    """

    lowering = "loops"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        terms = inputs[1:] if attrs["based"] else inputs
        assert len(terms) == len(attrs["lines"]), "lines for each operand"
        if any(t.dtype is not inputs[0].dtype for t in inputs):
            raise DTypeError(f"operands of one dtype needed, not {', '.join(map(str, inputs))}")
        assert not attrs["based"] or inputs[0].shape == attrs["shape"]
        return (TensorType(inputs[0].dtype, attrs["shape"]),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        pairs = zip(_terms(node), node.attrs["lines"], strict=True)
        parts = [affine_take(g, t.shape, lines) for t, lines in pairs]
        return (g, *parts) if node.attrs["based"] else parts

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        full = [x if axis == 0 else _repeat(x, size) for x, axis in zip(inputs, axes, strict=True)]
        lines = tuple(map(_shifted, node.attrs["lines"]))
        return apply(
            self, *full, shape=(size, *node.attrs["shape"]), based=node.attrs["based"], lines=lines
        ).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        terms = inputs[1:] if attrs["based"] else inputs
        result = inputs[0].copy() if attrs["based"] else np.zeros(attrs["shape"], terms[0].dtype)
        with np.errstate(all="ignore"):
            for t, lines in zip(terms, attrs["lines"], strict=True):
                there = _positions(t.shape, lines)
                result[there] = result[there] + t
        return result

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        shape = node.types[0].shape
        with kernel.parallel(shape[:1], maximum(product(shape[1:]), 1)) as r:
            with nested(kernel, [(0, kernel.dim(d)) for d in shape[1:]], vector=True) as point:
                zero = kernel.ops.const(0, node.types[0].dtype)
                old = kernel.load(0, [*r, *point]) if node.attrs["based"] else zero
                kernel.store(0, [*r, *point], old)
            for k, lines in enumerate(node.attrs["lines"]):
                if _terms(node)[k].size == 0:
                    continue
                _add_into_row(node, kernel, k + node.attrs["based"], lines, r)

    def cost(self, node: Node) -> Dim:
        return sum((t.size for t in _terms(node)), 0)

    def samples(self) -> Sequence[Sample]:
        diagonal: AxisLines = ((0, ((0, 1),)), (1, ((0, 1),)))
        blocks: AxisLines = ((1, ((0, 2), (2, 1))), (0, ((1, 2), (2, 1))))
        spaced: AxisLines = ((0, ((0, 3),)), (2, ()))
        attrs = {"shape": (7, 4), "lines": (diagonal, blocks, spaced)}
        shapes = [(3,), (3, 2, 2), (2,)]
        floats = tuple(d for d in KINDS if d.is_float)
        return (
            *moved([(7, 4), *shapes], {**attrs, "based": True}, floats),
            *moved(shapes, {**attrs, "based": False}, FEW),
            *moved([(0,)], {"shape": (0, 2), "lines": (spaced,), "based": False}, FEW),
        )


class AffineTake(Op):
    """An array of `shape` whose element at an index is the one of the input where `lines` say."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        assert len(attrs["lines"]) == inputs[0].ndim, "a line for each axis"
        return (TensorType(inputs[0].dtype, attrs["shape"]),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        return (affine_add(None, [(g, node.attrs["lines"])], node.inputs[0].shape),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        return (
            affine_take(inputs[0], (size, *node.attrs["shape"]), _shifted(node.attrs["lines"])),
        )

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        return inputs[0][_positions(attrs["shape"], attrs["lines"])].reshape(attrs["shape"])

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        return reader.at(node.inputs[0], tuple(_at(line, index) for line in node.attrs["lines"]))

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        blocks: AxisLines = ((1, ((0, 2), (2, 1))), (0, ((1, 2), (2, 1))))
        return (
            *moved([(7, 4)], {"shape": (3, 2, 2), "lines": blocks}),
            *moved([(3, 5)], {"shape": (3,), "lines": ((0, ((0, 1),)), (2, ((0, 1),)))}, FEW),
        )


def _terms(node: Node) -> Sequence[Tensor]:
    return node.inputs[1:] if node.attrs["based"] else node.inputs


def _repeat(x: Tensor, size: Dim) -> Tensor:
    return broadcast(x, (size, *x.shape), tuple(range(1, x.ndim + 1)))


def _shifted(lines: AxisLines) -> AxisLines:
    """The lines of operands and result with a new leading axis."""
    rest = tuple((start, tuple((k + 1, s) for k, s in parts)) for start, parts in lines)
    return ((0, ((0, 1),)), *rest)


def _at(line: AxisLine, index: Any) -> Any:
    start, parts = line
    return sum((index[k] * stride for k, stride in parts), start)


def _positions(shape: tuple[int, ...], lines: AxisLines) -> tuple[Any, ...]:
    index = np.indices(shape)
    return tuple(np.broadcast_to(_at(line, index), shape) for line in lines)


def _add_into_row(
    node: Node, kernel: KernelWriter, which: int, lines: AxisLines, row: tuple[Any, ...]
) -> None:
    """Adds those elements of an operand that lie in one row of the first axis."""
    t = node.inputs[which]
    index: list[Any] = [None] * t.ndim
    valid = _solve(kernel, t.shape, lines[0], row[0], index) if row else None
    rest = [k for k in range(t.ndim) if index[k] is None]
    if valid is None:
        _add_rest(node, kernel, which, lines, row, index, rest)
        return
    with kernel.when(valid):
        _add_rest(node, kernel, which, lines, row, index, rest)


def _solve(kernel: KernelWriter, shape: Shape, line: AxisLine, row: Any, index: list[Any]) -> Any:
    """Whether some element lies at this row; its indices along the axes of the line are filled
    in.
    """
    start, parts = line
    left = kernel.register(row - kernel.dim(start)).get()
    valid = left >= 0
    for k, stride in parts:
        step = kernel.dim(maximum(stride, 1))
        index[k] = kernel.register(left / step).get()
        valid = valid & (index[k] < kernel.dim(shape[k]))
        left = kernel.register(left - index[k] * step).get()
    return valid & kernel.ops.equal(left, 0)


def _add_rest(
    node: Node, kernel: KernelWriter, which: int, lines: AxisLines,
    row: tuple[Any, ...], index: list[Any], rest: Sequence[int],
) -> None:  # fmt: skip
    shape, b, dtype = node.inputs[which].shape, kernel.ops, node.types[0].dtype
    with nested(kernel, [(0, kernel.dim(shape[k])) for k in rest], vector=True) as point:
        full = list(index)
        for k, i in zip(rest, point, strict=True):
            full[k] = i
        there = [*row, *(_place(kernel, line, full) for line in lines[1:])]
        old, new = kernel.reload(0, there), kernel.load(which, full)
        half = dtype.is_float and dtype.bits == 16
        p, q = (b.cast(v, float32) if half else v for v in (old, new))
        kernel.store(0, there, b.cast(p + q, dtype))


def _place(kernel: KernelWriter, line: AxisLine, index: Sequence[Any]) -> Any:
    start, parts = line
    total = kernel.dim(start)
    for k, stride in parts:
        total = total + index[k] * kernel.dim(stride)
    return total


_ADD = AffineAdd("affine_add")
_TAKE = AffineTake("affine_take")


def affine_add(
    base: Tensor | None, terms: Sequence[tuple[Tensor, AxisLines]], shape: Shape
) -> Tensor:
    """`AffineAdd` of terms, each with its lines, to `base` (None: zeros)."""
    inputs = [t for t, _ in terms]
    lines = tuple(lines for _, lines in terms)
    first = () if base is None else (base,)
    return apply(_ADD, *first, *inputs, shape=shape, based=base is not None, lines=lines).outputs[0]


def affine_take(x: Tensor, shape: Shape, lines: AxisLines) -> Tensor:
    """`AffineTake` of x."""
    return apply(_TAKE, x, shape=shape, lines=lines).outputs[0]
