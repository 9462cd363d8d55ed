"""Functions that are known at some points: between these, and the areas under them."""

from __future__ import annotations

from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import maximum, minimum
from graphc.ops.axes import moveaxis
from graphc.ops.convert import TensorLike, as_operand, as_tensor, cast, common_dtype
from graphc.ops.cumulative import diff
from graphc.ops.extent import extent
from graphc.ops.indexing.gather import take
from graphc.ops.indexing.searching import searchsorted
from graphc.ops.layout import normal_axis
from graphc.ops.located import locate_errors
from graphc.ops.reduction import sum as total
from graphc.ops.select import where


@locate_errors
def interp(
    x: TensorLike,
    xp: TensorLike,
    fp: TensorLike,
    left: TensorLike | None = None,
    right: TensorLike | None = None,
) -> Tensor:
    """The values at x of the lines between the points (xp, fp), as numpy.interp: xp is a vector in
    ascending order. Before the first point `left` (None: its value), after the last one `right`.
    Gradients reach x and fp, and xp where it matters.
    """
    dtype = common_dtype("interp", (x, xp, fp), True)
    x, xp, fp = (as_operand(t, dtype) for t in (x, xp, fp))
    if xp.ndim != 1 or xp.shape != fp.shape or xp.shape[0] == 0:
        raise ShapeError(f"interp: points are two vectors of one length, not {xp.type}, {fp.type}")
    last = extent(xp.shape[0], "int64") - 1
    k = maximum(minimum(searchsorted(xp, x, "right") - 1, last - 1), 0)
    after = minimum(k + 1, last)
    width = take(xp, after) - take(xp, k)
    slope = (take(fp, after) - take(fp, k)) / where(width == 0, 1, width)
    found = where(x == xp[-1], fp[-1], take(fp, k) + slope * (x - take(xp, k)))
    found = where(x < xp[0], fp[0] if left is None else left, found)
    return cast(where(x > xp[-1], fp[-1] if right is None else right, found), dtype)


@locate_errors
def trapezoid(
    y: TensorLike, x: TensorLike | None = None, dx: TensorLike = 1.0, axis: int = -1
) -> Tensor:
    """The area under y along an axis by the trapezoidal rule; its points are `x` (a vector, or of
    the shape of y) or lie `dx` apart.
    """
    y = as_tensor(y)
    y = y if y.dtype.is_float else cast(y, "float64")
    axis = normal_axis(axis, y.ndim)
    line = moveaxis(y, axis, -1)
    if x is None:
        return total((line[..., 1:] + line[..., :-1]) * dx, -1) / 2
    x = as_tensor(x)
    along = x if x.ndim == 1 else moveaxis(x, axis, -1)
    return total((line[..., 1:] + line[..., :-1]) * diff(along, axis=-1), -1) / 2
