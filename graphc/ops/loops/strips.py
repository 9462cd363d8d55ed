"""A scan whose rows go through all steps on their own: strips of them may run at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir.dim_values import substitute
from graphc.ir.dims import Dim, floordiv, minimum, size
from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.types import TensorType
from graphc.ops.loops.control import Run, Scan


class Strips(Scan):
    """carry[a:b], y[t, a:b] = body(carry[a:b], x[t, a:b], *shared) for each of `count` strips a:b
    that make up `height`, and t = 0, 1, ..., length - 1, or backwards.

    Inputs: the first carry, the stacked x, what all steps and strips share. Outputs: the last
    carry, the stacked y. Attributes: `body`, `carries`, `stacks` (how many of the inputs are
    which), `length`, `reverse`, `height`, `count`, `most`, and `rows`, the name of the size that is
    a strip's height in the body, where it reads as what is no more than `most` if that is a number;
    None if all strips are of `most` rows.

    No gradient or batch of it is needed: passes make it after those.
    """

    def carried(self, part: TensorType, attrs: Any) -> TensorType:
        rows, height = strip_rows(attrs), attrs["height"]
        if not part.shape or part.shape[0] != rows:
            raise ShapeError(f"a strip of {rows} rows is needed, not {part}")
        if attrs["rows"] is None and height != attrs["count"] * rows:
            raise ShapeError(f"{height} rows are not {attrs['count']} strips of {rows}")
        return TensorType(part.dtype, (height, *part.shape[1:]))

    def stacked(self, part: TensorType, attrs: Any) -> TensorType:
        return super().stacked(self.carried(part, attrs), attrs)

    def reference_with(
        self, run: Run, inputs: Sequence[np.ndarray], attrs: Any
    ) -> tuple[np.ndarray, ...]:
        carries, height, count = attrs["carries"], int(attrs["height"]), int(attrs["count"])
        own = carries + attrs["stacks"]
        strips = []
        for k in range(count):
            a, b = k * height // count, (k + 1) * height // count
            at = run if attrs["rows"] is None else run.sized(attrs["rows"], b - a)
            carry = [x[a:b] for x in inputs[:carries]]
            xs = [x[:, a:b] for x in inputs[carries:own]]
            strips.append(super().reference_with(at, [*carry, *xs, *inputs[own:]], attrs))
        return tuple(
            np.concatenate(parts, axis=0 if k < carries else 1)
            for k, parts in enumerate(zip(*strips, strict=True))
        )

    def cost(self, node: Node) -> Dim:
        attrs = node.attrs
        most, name, height = attrs["most"], attrs["rows"], attrs["height"]
        rows = most if isinstance(most, int) else height
        each = substitute(super().cost(node), lambda a: rows if a.name == name else None)
        return floordiv(height * each, most) if isinstance(most, int) else each


STRIPS = Strips("strips")


def strip_rows(attrs: Mapping[str, Any]) -> Dim:
    """The height of a strip in the body."""
    most: Dim = attrs["most"]
    if attrs["rows"] is None:
        return most
    rows = size(attrs["rows"])
    return minimum(rows, most) if isinstance(most, int) else rows


def strips_node(inputs: Sequence[Tensor], attrs: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """The outputs of a scan by strips: `attrs` are a scan's, but with a body for one strip, and
    what tells of strips.
    """
    return apply(STRIPS, *inputs, **attrs).outputs
