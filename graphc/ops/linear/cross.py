"""Products of vectors in space."""

from __future__ import annotations

from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.ops.axes import moveaxis
from graphc.ops.convert import TensorLike, common
from graphc.ops.joining import stack
from graphc.ops.layout import normal_axis
from graphc.ops.located import locate_errors


@locate_errors
def cross(a: TensorLike, b: TensorLike, axis: int = -1) -> Tensor:
    """The vector products along an axis of three elements, other axes broadcast."""
    a, b = common("cross", (a, b))
    axis = normal_axis(axis, a.ndim)
    if a.shape[axis] != 3:
        raise ShapeError(f"cross: vectors have three elements, not {a.shape[axis]}")
    (a0, a1, a2), (b0, b1, b2) = ([moveaxis(x, axis, 0)[k] for k in range(3)] for x in (a, b))
    return stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=axis)
