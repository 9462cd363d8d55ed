"""Blocks of lines: a first axis as several, read in place, with what fills no block left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.types import TensorType
from graphc.ops.layout import reshape, transpose
from graphc.ops.padding import place


class LineBlocks(Op):
    """With blocks=(B, R): element (b, r, ...) is element (b * R + r, ...) of x, which has as many;
    so on with more of them.
    """

    lowering = "read"
    flops = 0

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        return (TensorType(x.dtype, (*attrs["blocks"], *x.shape[1:])),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,), (x,) = cotangents, node.inputs
        assert g is not None
        lines = reshape(g, (product(node.attrs["blocks"]), *x.shape[1:]))
        return (place(lines, x.shape, (0,) * x.ndim, (1,) * x.ndim),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        (x,), count = inputs, len(node.attrs["blocks"])
        others = range(2, x.ndim)
        turned = apply(self, transpose(x, (1, 0, *others)), **node.attrs).outputs[0]
        kept = (*range(count), *(k + count - 1 for k in others))
        return (transpose(turned, (count, *kept)),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,) = inputs
        blocks = attrs["blocks"]
        return x[: int(np.prod(blocks))].reshape(*blocks, *x.shape[1:])

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        blocks = node.attrs["blocks"]
        line: Any = 0
        for k, extent in zip(index, blocks, strict=False):
            line = line * extent + k
        return reader.at(node.inputs[0], (line, *index[len(blocks) :]))

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return (
            _sample((7, 4), 2, 3),
            _sample((6,), 3, 2),
            _sample((5, 2, 3), 1, 4),
            _sample((13, 2), 2, 3, 2),
        )


def _sample(shape: tuple[int, ...], *blocks: int) -> Sample:
    return Sample(lambda rng: (np.asarray(rng.uniform(-2, 2, shape)),), {"blocks": blocks})


_LINE_BLOCKS = LineBlocks("line_blocks")


def line_blocks(x: Tensor, *blocks: Dim) -> Tensor:
    """The first lines of x as blocks of blocks (...); x has as many at least."""
    if product(blocks) == x.shape[0]:
        return reshape(x, (*blocks, *x.shape[1:]))
    return apply(_LINE_BLOCKS, x, blocks=blocks).outputs[0]
