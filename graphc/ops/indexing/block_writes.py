"""A block replaced in an array that may lie where the result lies.

The compiler makes these of updates, so that variables are written where they lie: a write touches
its block alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dtypes import int64
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, KernelWriter, Reader, Sample
from graphc.ops.indexing.dynamic_slicing import DynamicUpdate
from graphc.ops.sampling import KINDS, moved


class BlockWrite(DynamicUpdate):
    """x with a block replaced, like a dynamic update; its kernel writes nothing but the block: x is
    in the result's memory by then.
    """

    lowering = "loops"

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        raise NotImplementedError(self.name)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        ops, (x, block) = kernel.ops, (t.shape for t in node.inputs[:2])
        places: dict[int, Any] = {}
        for k, axis in enumerate(node.attrs["axes"]):
            room = kernel.dim(x[axis] - block[axis])
            start = ops.cast(kernel.load(2 + k, ()), int64)
            places[axis] = ops.maximum(ops.minimum(start, room), 0)
        *outer, last = block
        work = last if isinstance(last, int) else 64
        with (
            kernel.parallel(outer, max(1, work)) as lines,
            kernel.loop(0, kernel.dim(last), vector=True) as i,
        ):
            at = (*lines, i)
            there = tuple(j + places[k] if k in places else j for k, j in enumerate(at))
            kernel.store(0, there, kernel.load(1, at))

    def samples(self) -> Sequence[Sample]:
        moved_in = {"axes": (1,), "mode": "clip"}
        corner = {"axes": (0, 1), "mode": "clip"}
        return (
            *moved([(4, 5), (4, 2)], moved_in, KINDS, [np.int64(7)]),
            *moved([(4, 5, 2), (2, 3, 2)], corner, KINDS, [np.int64(-3), np.int32(2)]),
        )


_BLOCK_WRITE = BlockWrite("block_write")


def block_write(x: Tensor, update: Tensor, starts: Sequence[Tensor], axes: Sequence[int]) -> Tensor:
    """x with the block that begins at `starts`, moved to where it fits, replaced by `update`."""
    return apply(_BLOCK_WRITE, x, update, *starts, axes=tuple(axes), mode="clip").outputs[0]
