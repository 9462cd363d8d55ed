"""Blocks of lines: a first axis as two, read where they lie, with what fills no block left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.types import TensorType
from graphc.ops.layout import reshape, transpose
from graphc.ops.padding import place


class LineBlocks(Op):
    """Element (b, r, ...) is element (b * rows + r, ...) of x, which has as many."""

    lowering = "read"
    flops = 0

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        return (TensorType(x.dtype, (attrs["number"], attrs["rows"], *x.shape[1:])),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,), (x,) = cotangents, node.inputs
        assert g is not None
        lines = reshape(g, (node.attrs["number"] * node.attrs["rows"], *x.shape[1:]))
        return (place(lines, x.shape, (0,) * x.ndim, (1,) * x.ndim),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        (x,) = inputs
        others = range(2, x.ndim)
        turned = apply(self, transpose(x, (1, 0, *others)), **node.attrs).outputs[0]
        return (transpose(turned, (2, 0, 1, *(k + 1 for k in others))),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,) = inputs
        number, rows = attrs["number"], attrs["rows"]
        return x[: number * rows].reshape(number, rows, *x.shape[1:])

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        block, row, *rest = index
        return reader.at(node.inputs[0], (block * node.attrs["rows"] + row, *rest))

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return (_sample((7, 4), 2, 3), _sample((6,), 3, 2), _sample((5, 2, 3), 1, 4))


def _sample(shape: tuple[int, ...], number: int, rows: int) -> Sample:
    return Sample(
        lambda rng: (np.asarray(rng.uniform(-2, 2, shape)),), {"number": number, "rows": rows}
    )


_LINE_BLOCKS = LineBlocks("line_blocks")


def line_blocks(x: Tensor, number: Dim, rows: Dim) -> Tensor:
    """The first number * rows lines of x as (number, rows, ...); x has as many at least."""
    if number * rows == x.shape[0]:
        return reshape(x, (number, rows, *x.shape[1:]))
    return apply(_LINE_BLOCKS, x, number=number, rows=rows).outputs[0]
