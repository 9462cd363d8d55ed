"""Parts of images: windows at all places, and boxes brought to one size."""

from __future__ import annotations

from graphc.ir.dtypes import int64
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.layers import Dense
from graphc.ops.arithmetic import maximum, minimum
from graphc.ops.convert import TensorLike, as_operand, cast
from graphc.ops.convolutions.convolving import PerAxis, count_positions, per_axis
from graphc.ops.convolutions.windows import windows
from graphc.ops.indexing.gather import take
from graphc.ops.layout import broadcast, broadcast_to, reshape, transpose
from graphc.ops.located import locate_errors
from graphc.ops.resampling import sample_linear
from graphc.ops.source import iota


@locate_errors
def crops(x: Tensor, size: PerAxis, stride: PerAxis = 1) -> Tensor:
    """The parts of this size of images (N, C, H, W) at every stride-th place: (N, rows, columns, C,
    *size). None is copied until it is needed as such.
    """
    if x.ndim != 4:
        raise ShapeError(f"images (N, C, H, W) are needed, not {x.type}")
    taps, strides = per_axis(size, 2, "size"), per_axis(stride, 2, "stride")
    places = count_positions(x.shape[2:], taps, strides, [(0, 0), (0, 0)])
    steps = tuple((s, 1, 0, 1) for s in strides)
    return transpose(windows(x, (2, 3), places, taps, steps), (0, 2, 3, 1, 4, 5))


@locate_errors
def crop_resize(
    x: Tensor, boxes: Tensor, size: tuple[int, int], images: TensorLike | None = None
) -> Tensor:
    """The parts of images (N, C, H, W) in corner boxes (B, 4) in pixels, each brought to one size
    as by `resize`: (B, C, *size). `images` (B) says of which image each box is (None: of the
    first).
    """
    if x.ndim != 4 or boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ShapeError(f"images (N, C, H, W) and boxes (B, 4), not {x.type} and {boxes.type}")
    of = as_operand(0 if images is None else images, int64)
    parts = take(x, broadcast_to(of, (boxes.shape[0],)), axis=0)
    corners = cast(boxes, x.dtype)
    shape = (boxes.shape[0], *size)
    rows, columns = (
        broadcast(_centres(corners[:, k], corners[:, k + 2], n), shape, (0, axis))
        for k, n, axis in ((1, size[0], 1), (0, size[1], 2))
    )
    return sample_linear(parts, rows, columns)


def _centres(start: Tensor, end: Tensor, count: int) -> Tensor:
    """Where the centres of `count` equal parts of pixels `start` up to `end` lie, (B, count)."""
    first, last = reshape(start, (-1, 1)), reshape(end, (-1, 1))
    places = (iota((count,), dtype=start.dtype) + 0.5) * ((last - first) / count)
    return maximum(minimum(first + places - 0.5, last - 1), first)


def dense_kernels(layer: Dense, shape: tuple[int, ...]) -> Tensor:
    """The weights of a `Dense` on flat maps of this shape (C, *sizes) as kernels (outputs, C,
    *sizes): with them `conv` evaluates the layer at every place of a larger map at once.
    """
    return reshape(transpose(layer.weight, (1, 0)), (layer.weight.shape[1], *shape))
