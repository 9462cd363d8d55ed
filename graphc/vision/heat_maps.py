"""Points in images as heat maps, and back."""

from __future__ import annotations

from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.ops.exponential import exp
from graphc.ops.joining import stack
from graphc.ops.layout import expand_dims, reshape
from graphc.ops.located import locate_errors
from graphc.ops.reduction import sum
from graphc.ops.source import iota
from graphc.ops.statistics import softmax


@locate_errors
def soft_argmax(heat: Tensor) -> Tensor:
    """Where each map of (N, K, *sizes) is large: the mean of the places, in pixels along each axis,
    weighted by a softmax of the map, (N, K, axes). It has gradients everywhere.
    """
    if heat.ndim < 3 or not heat.dtype.is_float:
        raise ShapeError(f"maps (N, K, *sizes) of floats are needed, not {heat.type}")
    n, k, *sizes = heat.shape
    weights = reshape(softmax(reshape(heat, (n, k, -1)), -1), (n, k, *sizes))
    axes = tuple(range(2, heat.ndim))
    places = [iota(tuple(sizes), axis, heat.dtype) for axis in range(len(sizes))]
    return stack([sum(weights * p, axes) for p in places], axis=-1)


@locate_errors
def heat_maps(points: Tensor, size: tuple[int, ...], width: float = 1.0) -> Tensor:
    """Maps (N, K, *size) that are 1 at each of the points (N, K, axes), in pixels, and fall off as
    exp(-distance² / (2 width²)): what a network that finds joints is trained to give.
    """
    if points.ndim != 3 or points.shape[2] != len(size):
        raise ShapeError(f"points (N, K, {len(size)}) are needed, not {points.type}")
    square: Tensor | None = None
    for axis in range(len(size)):
        at = points[:, :, axis]
        for _ in size:
            at = expand_dims(at, -1)
        d = iota(size, axis, points.dtype) - at
        square = d * d if square is None else square + d * d
    assert square is not None
    return exp(square * (-0.5 / width**2))
