"""A scatter into an array that may lie where the result lies.

The compiler makes these of updates, so that variables are written where they lie: a write touches
the elements that indices name, however large the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Sample
from graphc.ops.indexing.scatter import COMBINES, Scatter, kinds
from graphc.ops.indexing.scatter_kernel import write_scatter
from graphc.ops.sampling import moved


class ScatterWrite(Scatter):
    """As `Scatter`; its kernel writes nothing but what indices name: x is in the result's memory by
    then.
    """

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        write_scatter(node, kernel, copies=False)

    def samples(self) -> Sequence[Sample]:
        rows = {"axes": (0,), "batch": 0, "mode": "proven", "unique": False}
        pairs = {"axes": (0, 2), "batch": 0, "mode": "wrap", "unique": False}
        holes = {"axes": (1,), "batch": 0, "mode": "fill", "unique": False}
        table = np.array([[0, 1, 3], [2, 2, 0]])
        cases: tuple[tuple[tuple[int, ...], dict[str, Any], list[Any], tuple[int, ...]], ...] = (
            ((4, 3), rows, [table], (2, 3, 3)),
            ((4, 2, 3), pairs, [table.astype(np.int32) * 3, table - 7], (2, 3, 2)),
            ((2, 3), holes, [np.array([-1, 0, 3, 2, 0])], (5, 2)),
        )
        return tuple(
            sample
            for shape, attrs, indices, updates in cases
            for combine in COMBINES
            for sample in moved(
                [shape, updates], {**attrs, "combine": combine}, kinds(combine), indices
            )
        )


_SCATTER_WRITE = ScatterWrite("scatter_write")


def scatter_write(x: Tensor, updates: Tensor, indices: Sequence[Tensor], **attrs: Any) -> Tensor:
    """`Scatter` of updates into x, in the memory of x where that may be."""
    return apply(_SCATTER_WRITE, x, updates, *indices, **attrs).outputs[0]
