"""Boxes in images: their codings, overlaps, anchors and projections.

A box is four numbers in pixels, along the last axis: corners (x0, y0, x1, y1), x to the right and y
down, or centre and size (cx, cy, w, h).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphc.init import Seed, generator, normal
from graphc.ir.dims import Dim
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.convolution import Conv
from graphc.nn.layer import Layer
from graphc.ops.arithmetic import maximum, minimum
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.division import floor_divide
from graphc.ops.exponential import exp, log
from graphc.ops.joining import concat, stack
from graphc.ops.layout import broadcast, expand_dims, reshape, transpose
from graphc.ops.reduction import prod
from graphc.ops.select import where
from graphc.ops.source import iota


def to_corners(boxes: Tensor) -> Tensor:
    """(x0, y0, x1, y1) of (cx, cy, w, h)."""
    centre, half = _halves(boxes)[0], _halves(boxes)[1] / 2
    return concat([centre - half, centre + half], axis=-1)


def to_centres(boxes: Tensor) -> Tensor:
    """(cx, cy, w, h) of (x0, y0, x1, y1)."""
    first, last = _halves(boxes)
    return concat([(first + last) / 2, last - first], axis=-1)


def encode_boxes(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Offsets ((x - xa) / wa, (y - ya) / ha, ln w / wa, ln h / ha) of boxes from anchors, both as
    centre and size (Girshick et al., 2014).
    """
    (centre, size), (origin, unit) = _halves(boxes), _halves(anchors)
    return concat([(centre - origin) / unit, log(size / unit)], axis=-1)


def decode_boxes(offsets: Tensor, anchors: Tensor) -> Tensor:
    """The boxes, as centre and size, that have these offsets from anchors."""
    (shift, stretch), (origin, unit) = _halves(offsets), _halves(anchors)
    return concat([origin + shift * unit, unit * exp(stretch)], axis=-1)


def _halves(boxes: Tensor) -> tuple[Tensor, Tensor]:
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise ShapeError(f"boxes have four numbers along the last axis, unlike {boxes.type}")
    return boxes[..., :2], boxes[..., 2:]


def box_area(boxes: Tensor) -> Tensor:
    """Width times height of corner boxes; 0 of one whose corners are in the wrong order."""
    first, last = _halves(boxes)
    return prod(maximum(last - first, 0), axis=-1)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of each corner box of a (..., n, 4) with each of b (..., m, 4): (...,
    n, m). Two empty boxes have 0.
    """
    (a0, a1), (b0, b1) = _halves(expand_dims(a, -2)), _halves(expand_dims(b, -3))
    common = prod(maximum(minimum(a1, b1) - maximum(a0, b0), 0), axis=-1)
    union = expand_dims(box_area(a), -1) + expand_dims(box_area(b), -2) - common
    some = union > 0
    return where(some, common / where(some, union, 1), 0)


def anchor_shapes(scales: Sequence[float], aspects: Sequence[float]) -> np.ndarray[Any, Any]:
    """(width, height) of len(scales) * len(aspects) boxes: area scale², height / width aspect."""
    return np.array([(s / a**0.5, s * a**0.5) for s in scales for a in aspects])


def anchor_grid(size: tuple[Dim, Dim], stride: float, shapes: TensorLike) -> Tensor:
    """Boxes (cx, cy, w, h) of k shapes (k, 2) at each place of a feature map: (k, rows, columns,
    4). Place (i, j) stands for the pixel ((j + 1/2) stride, (i + 1/2) stride).
    """
    sides = as_tensor(shapes)
    if sides.ndim != 2 or sides.shape[1] != 2:
        raise ShapeError(f"shapes are (k, 2), widths and heights, not {sides.type}")
    every = (sides.shape[0], *size)
    y, x = ((iota(every, axis, sides.dtype) + 0.5) * stride for axis in (1, 2))
    w, h = (broadcast(sides[:, k], every, (0,)) for k in (0, 1))
    return stack([x, y, w, h], axis=-1)


class AnchorHead(Layer):
    """For k anchors at each place of a map (N, C, H, W): logits (N, k, H, W) of being an object,
    and box offsets (N, 4 k, H, W), both by 1 x 1 kernels, which are small at first.
    """

    def __init__(self, inputs: int, anchors: int, seed: Seed = None, dtype: Any = "float32"):
        options: dict[str, Any] = {"weights": partial(normal, std=0.01), "dtype": dtype}
        options["seed"] = generator(seed)
        self.objects = Conv(inputs, anchors, (1, 1), **options)
        self.offsets = Conv(inputs, 4 * anchors, (1, 1), **options)

    def __call__(self, x: Tensor) -> Any:
        return self.objects(x), self.offsets(x)


def by_anchor(offsets: Tensor) -> Tensor:
    """The offsets (N, 4 k, H, W) of an `AnchorHead` as (N, k, H, W, 4), like `anchor_grid`."""
    n, channels, *sizes = offsets.shape
    assert isinstance(channels, int) and channels % 4 == 0, "each anchor has four offsets"
    return transpose(reshape(offsets, (n, channels // 4, 4, *sizes)), (0, 1, 3, 4, 2))


def project_boxes(boxes: Tensor, pools: int) -> Tensor:
    """Whole coordinates on the map after so many 2 x 2 pools: each halves them, rounding up."""
    for _ in range(pools):
        boxes = floor_divide(boxes + 1, 2)
    return boxes
