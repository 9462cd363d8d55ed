"""A loop over blocks of rows: what a scan is to single rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir import dim_values, dims
from graphc.ir.dims import Dim
from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.subgraph import Subgraph
from graphc.ir.types import TensorType
from graphc.ops.loops.control import Run, Scan


class Blocks(Scan):
    """carry, y[a:b] = body(carry, x[a:b], *shared) for the blocks a:b of `most` rows that make up
    `length`, the last one shorter, or backwards from that one.

    Inputs: the first carry, the stacked x, what all blocks share. Outputs: the last carry, the
    stacked y. Attributes: `body`, `carries`, `stacks` (how many of the inputs are which), `length`,
    `reverse`, `most`, and `rows`, the name of the size that is a block's length in the body; None
    if all blocks are of `most` rows.

    No gradient or batch of it is needed: passes make it after those.
    """

    def stacked(self, part: TensorType, attrs: Any) -> TensorType:
        name = attrs["rows"]
        rows = attrs["most"] if name is None else dims.size(name)
        if not part.shape or part.shape[0] != rows:
            raise ShapeError(f"a block of {rows} rows is needed, not {part}")
        return TensorType(part.dtype, (attrs["length"], *part.shape[1:]))

    def reference_with(
        self, run: Run, inputs: Sequence[np.ndarray], attrs: Any
    ) -> tuple[np.ndarray, ...]:
        body, carries, stacks = attrs["body"], attrs["carries"], attrs["stacks"]
        length, most = int(attrs["length"]), attrs["most"]
        carry, xs = inputs[:carries], inputs[carries : carries + stacks]
        shared = inputs[carries + stacks :]
        starts = range(0, length, most)
        blocks: dict[int, list[np.ndarray]] = {}
        for a in reversed(starts) if attrs["reverse"] else starts:
            b = min(a + most, length)
            results = _sized(run, attrs, b - a)(body, [*carry, *(x[a:b] for x in xs), *shared])
            carry, blocks[a] = results[:carries], results[carries:]
        none = [_sized(run, attrs, 0).empty(y) for y in body.outputs[carries:]]
        stacked = [
            np.concatenate([y.reshape(0, *y.shape[2:]), *(blocks[a][k] for a in starts)])
            for k, y in enumerate(none)
        ]
        return (*(np.array(c) for c in carry), *stacked)

    def cost(self, node: Node) -> Dim:
        rows, length = node.attrs["rows"], node.attrs["length"]
        body: Subgraph = node.attrs["body"]
        if rows is None:
            return dims.floordiv(length, node.attrs["most"]) * body.cost
        return dim_values.substitute(body.cost, lambda a: length if a.name == rows else None)


def _sized(run: Run, attrs: Any, rows: int) -> Run:
    return run if attrs["rows"] is None else run.sized(attrs["rows"], rows)


BLOCKS = Blocks("blocks")


def blocks_node(
    body: Subgraph,
    init: Sequence[Tensor],
    xs: Sequence[Tensor],
    shared: Sequence[Tensor],
    length: Dim,
    reverse: bool,
    most: int,
    rows: str | None,
) -> tuple[Tensor, ...]:
    """The outputs of a loop over blocks."""
    attrs = {
        "body": body,
        "carries": len(init),
        "stacks": len(xs),
        "length": length,
        "reverse": reverse,
        "most": most,
        "rows": rows,
    }
    return apply(BLOCKS, *init, *xs, *shared, **attrs).outputs
