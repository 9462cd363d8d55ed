"""Parts of feature maps of any size, pooled to one size."""

from __future__ import annotations

import math

from graphc.ir.dtypes import int64
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import negative
from graphc.ops.convert import TensorLike, as_operand, as_tensor
from graphc.ops.division import floor_divide
from graphc.ops.indexing.gather import take
from graphc.ops.layout import broadcast_to, expand_dims, reshape
from graphc.ops.reduction import any, max
from graphc.ops.select import where
from graphc.ops.source import iota


def roi_max_pool(
    x: Tensor,
    boxes: Tensor,
    size: tuple[int, int],
    images: TensorLike | None = None,
    valid: TensorLike | None = None,
) -> Tensor:
    """Maps (N, C, H, W) at boxes (B, 4) of whole numbers, columns c to d and rows a to b as (c, a,
    d, b) with the ends left out: (B, C, *size).

    Bin i of n covers a + floor(i (b - a) / n) up to a + ceil((i + 1) (b - a) / n); each gives its
    largest element per channel, and takes its gradient (the first of equals), which add up where
    boxes overlap (Girshick, 2015). `images` (B) says of which image each box is (None: all of the
    first), `valid` (B) which boxes there are: others give 0, as do empty ones.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.is_float:
        raise DTypeError(f"boxes are whole numbers (B, 4), not {boxes.type}")
    if x.ndim != 4 or not x.dtype.is_float:
        raise ShapeError(f"maps (N, C, H, W) of floats are needed, not {x.type}")
    of = as_operand(0 if images is None else images, int64)
    y = take(x, broadcast_to(of, (boxes.shape[0],)), axis=0)
    some = (
        as_tensor(True) if valid is None else reshape(as_tensor(valid), (boxes.shape[0], 1, 1, 1))
    )
    for axis, n in ((3, size[1]), (2, size[0])):
        y, filled = _pooled(y, boxes[:, 3 - axis], boxes[:, 5 - axis], axis, n)
        some = some & filled
    return where(some, y, 0)


def _pooled(x: Tensor, start: Tensor, end: Tensor, axis: int, bins: int) -> tuple[Tensor, Tensor]:
    """The largest element of each bin from `start` to `end` (B) of an axis, and whether the bin has
    one.
    """
    i, length = iota((bins,)), expand_dims(end - start, 1)
    first = expand_dims(start, 1) + floor_divide(i * length, bins)
    last = expand_dims(start, 1) - floor_divide(negative((i + 1) * length), bins)
    places = iota((x.shape[axis],))
    inside = (places >= expand_dims(first, 2)) & (places < expand_dims(last, 2))
    shape = [x.shape[0], 1, 1, 1, 1]
    shape[axis], shape[axis + 1] = bins, x.shape[axis]
    mask = reshape(inside, tuple(shape))
    y = max(where(mask, expand_dims(x, axis), -math.inf), axis + 1)
    return y, any(mask, axis + 1)
