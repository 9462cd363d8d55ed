"""Images (N, C, H, W) read between their pixels, and moved by maps of the plane."""

from __future__ import annotations

from graphc.ir.dims import Dim
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.ops.contraction import matmul
from graphc.ops.convert import cast
from graphc.ops.creation import meshgrid
from graphc.ops.extent import extent
from graphc.ops.gather import take_along_axis
from graphc.ops.joining import stack
from graphc.ops.layout import broadcast_to, reshape
from graphc.ops.rounding import floor
from graphc.ops.select import where
from graphc.ops.source import iota


def grid_sample(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(N, C, h, w): x at the places (rows, columns), each (N, h, w), in pixels from the centre of
    the first one; between pixels bilinear, outside 0. Places have gradients.
    """
    top, left = floor(rows), floor(columns)
    down, right = rows - top, columns - left
    corners = [
        (top, left, (1 - down) * (1 - right)),
        (top, left + 1, (1 - down) * right),
        (top + 1, left, down * (1 - right)),
        (top + 1, left + 1, down * right),
    ]
    parts = [_pixel(x, i, j) * reshape(w, _beside(w)) for i, j, w in corners]
    return parts[0] + parts[1] + parts[2] + parts[3]


def _beside(places: Tensor) -> tuple[Dim, ...]:
    """The shape of places with an axis for channels."""
    return (places.shape[0], 1, *places.shape[1:])


def _pixel(x: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """The pixels at whole places, 0 outside."""
    if x.ndim != 4 or i.shape != j.shape or i.ndim != 3:
        raise ShapeError(
            f"images (N, C, H, W) and places (N, h, w) needed, not {x.type}, {i.type}, {j.type}"
        )
    n, c, height, width = x.shape
    tall, wide = extent(height, i.dtype), extent(width, i.dtype)
    inside = (i >= 0) & (i < tall) & (j >= 0) & (j < wide)
    flat = cast(where(inside, i * wide + j, 0), "int64")
    index = broadcast_to(reshape(flat, (n, 1, -1)), (n, c, i.shape[1] * i.shape[2]))
    found = take_along_axis(reshape(x, (n, c, -1)), index, axis=2)
    return where(reshape(inside, _beside(i)), reshape(found, (n, c, *i.shape[1:])), 0)


def warp(x: Tensor, maps: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Images of this size (None: that of x) whose pixel at p is x at map(p).

    maps: (N, 3, 3) or (3, 3), or their first two rows, of points (column, row, 1), where -1 and 1
    are the centres of the first and last pixels; results are divided by their third coordinate.
    """
    height, width = size or (x.shape[2], x.shape[3])
    across, down = _ramp(width, maps), _ramp(height, maps)
    v, u = meshgrid(down, across, indexing="ij")
    points = stack([reshape(a, -1) for a in (u, v, u * 0 + 1)])
    moved = matmul(maps, points)
    moved = broadcast_to(moved, (x.shape[0], *moved.shape[-2:]))
    first, second = moved[:, 0], moved[:, 1]
    if maps.shape[-2] == 3:
        first, second = first / moved[:, 2], second / moved[:, 2]
    shape = (x.shape[0], height, width)
    rows = (reshape(second, shape) + 1) * (extent(x.shape[2] - 1, maps.dtype) * 0.5)
    columns = (reshape(first, shape) + 1) * (extent(x.shape[3] - 1, maps.dtype) * 0.5)
    return grid_sample(x, rows, columns)


def _ramp(count: Dim, like: Tensor) -> Tensor:
    """-1 to 1 in equal steps."""
    place = cast(iota((count,)), like.dtype) * 2
    return (place - extent(count - 1, like.dtype)) / extent(count - 1, like.dtype)
