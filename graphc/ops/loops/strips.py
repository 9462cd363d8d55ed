"""A scan whose rows go through all steps on their own: strips of them may run at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir import dims
from graphc.ir.dims import Dim
from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.types import TensorType
from graphc.ops.loops.control import Run, Scan


class Strips(Scan):
    """carry[a:b], y[t, a:b] = body(carry[a:b], x[t, a:b], *shared) for every strip a:b of `rows`
    rows, `height` in all, and t = 0, 1, ..., length - 1, or backwards.

    Inputs: the first carry, the stacked x, what all steps and strips share. Outputs: the last
    carry, the stacked y. Attributes: `body`, `carries`, `stacks` (how many of the inputs are
    which), `length`, `reverse`, `height`, `rows`.

    No gradient or batch of it is needed: passes make it after those.
    """

    def carried(self, part: TensorType, attrs: Any) -> TensorType:
        rows, height = attrs["rows"], attrs["height"]
        if not part.shape or part.shape[0] != rows:
            raise ShapeError(f"a strip of {rows} rows is needed, not {part}")
        if height % rows:
            raise ShapeError(f"{height} rows are no strips of {rows}")
        return TensorType(part.dtype, (height, *part.shape[1:]))

    def stacked(self, part: TensorType, attrs: Any) -> TensorType:
        return super().stacked(self.carried(part, attrs), attrs)

    def reference_with(
        self, run: Run, inputs: Sequence[np.ndarray], attrs: Any
    ) -> tuple[np.ndarray, ...]:
        carries, height, rows = attrs["carries"], attrs["height"], attrs["rows"]
        own = carries + attrs["stacks"]
        strips = []
        for a in range(0, height, rows):
            carry = [x[a : a + rows] for x in inputs[:carries]]
            xs = [x[:, a : a + rows] for x in inputs[carries:own]]
            strips.append(super().reference_with(run, [*carry, *xs, *inputs[own:]], attrs))
        return tuple(
            np.concatenate(parts, axis=0 if k < carries else 1)
            for k, parts in enumerate(zip(*strips, strict=True))
        )

    def cost(self, node: Node) -> Dim:
        return dims.floordiv(node.attrs["height"], node.attrs["rows"]) * super().cost(node)


STRIPS = Strips("strips")


def strips_node(
    inputs: Sequence[Tensor], attrs: Mapping[str, Any], height: int, rows: int
) -> tuple[Tensor, ...]:
    """The outputs of a scan by strips: `attrs` are a scan's, but with a body for one strip."""
    return apply(STRIPS, *inputs, **attrs, height=height, rows=rows).outputs
