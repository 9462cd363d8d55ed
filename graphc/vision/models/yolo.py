"""YOLO: Redmon, Divvala, Girshick and Farhadi (2016). All boxes of an image in one pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.nn.layers import Dense
from graphc.ops.custom import stop_gradient
from graphc.ops.joining import concat
from graphc.ops.layout import broadcast, reshape
from graphc.ops.powers import sqrt
from graphc.ops.reduction import argmax, max, sum
from graphc.ops.select import where
from graphc.ops.source import iota
from graphc.ops.statistics import mean
from graphc.vision.boxes import iou, to_corners


class Cells(NamedTuple):
    """What each of S x S cells says: boxes (N, S, S, B, 4) as centre, from 0 to 1 within the cell,
    and size as parts of the image; how sure it is of each (N, S, S, B); classes (N, S, S, C).
    """

    boxes: Tensor
    sure: Tensor
    classes: Tensor


class YOLO(Layer):
    """`Cells` of images by one layer on the `size` features of each: S x S x (5 B + C) numbers."""

    def __init__(
        self,
        features: Callable[[Tensor], Tensor],
        size: int,
        cells: int = 7,
        boxes: int = 2,
        classes: int = 20,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        self.features, self.cells, self.boxes = features, cells, boxes
        outputs = cells * cells * (5 * boxes + classes)
        self.head = Dense(size, outputs, seed=seed, dtype=dtype)

    def __call__(self, images: Tensor) -> Any:
        s, b = self.cells, self.boxes
        y = self.head(self.features(images))
        y = reshape(y, (y.shape[0], s, s, -1))
        each = reshape(y[..., : 5 * b], (y.shape[0], s, s, b, 5))
        return Cells(each[..., :4], each[..., 4], y[..., 5 * b :])


def in_image(boxes: Tensor) -> Tensor:
    """The boxes (N, S, S, B, 4) of cells as corners, in parts of the image."""
    s = boxes.shape[1]
    assert isinstance(s, int), "the number of cells is known"
    column, row = (broadcast(iota((s,), 0, boxes.dtype), boxes.shape[:4], (k,)) for k in (2, 1))
    x, y = (boxes[..., 0] + column) / s, (boxes[..., 1] + row) / s
    centres = [reshape(v, (*v.shape, 1)) for v in (x, y)]
    return to_corners(concat([*centres, boxes[..., 2:]], axis=-1))


def responsible(found: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the boxes (N, S, S, B, 4) overlaps its cell's true box (N, S, S, 4) most (the first
    of equals), and by how much; both (N, S, S, B), and constants for gradients.
    """
    meant = in_image(reshape(truth, (*truth.shape[:3], 1, 4)))
    overlaps = stop_gradient(iou(in_image(found), meant)[..., 0])
    best = argmax(overlaps, axis=-1)
    places = iota(overlaps.shape, 3)
    return places == reshape(best, (*best.shape, 1)), overlaps


def root(x: Tensor) -> Tensor:
    """The square root of what is above 0, else 0 with no gradient."""
    some = x > 0
    return where(some, sqrt(where(some, x, 1)), 0)


def yolo_loss(
    found: Cells, there: Tensor, truth: Tensor, classes: Tensor, near: float = 5, far: float = 0.5
) -> Tensor:
    """The mean over images of sums of squared errors: `near` times those of centres and of roots of
    sizes of the boxes that answer for an object; of their sureness, which ought to be the overlap;
    `far` times that of all other boxes, which ought to be 0; and of the classes of cells with an
    object.

    there: (N, S, S), whether an object has its centre in the cell; truth: its box (N, S, S, 4);
    classes: (N, S, S, C).
    """
    mine, overlaps = responsible(found.boxes, truth)
    mine = mine & reshape(there, (*there.shape, 1))
    wanted = reshape(truth, (*truth.shape[:3], 1, 4))
    centres = found.boxes[..., :2] - wanted[..., :2]
    sizes = root(found.boxes[..., 2:]) - root(wanted[..., 2:])
    places = near * (sum(centres**2, -1) + sum(sizes**2, -1)) + (found.sure - overlaps) ** 2
    boxes = where(mine, places, far * found.sure**2)
    kinds = where(reshape(there, (*there.shape, 1)), (found.classes - classes) ** 2, 0)
    per_image = sum(boxes, (1, 2, 3)) + sum(kinds, (1, 2, 3))
    return mean(per_image)


def detections(found: Cells) -> tuple[Tensor, Tensor, Tensor]:
    """Corner boxes (N, S S B, 4) in parts of the image, scores and classes (N, S S B): for
    `suppress`. A score is the sureness times the largest class value.
    """
    n = found.boxes.shape[0]
    best = max(found.classes, axis=-1)
    scores = found.sure * reshape(best, (*best.shape, 1))
    kinds = reshape(argmax(found.classes, axis=-1), (*best.shape, 1))
    kinds = broadcast(kinds[..., 0], found.sure.shape, (0, 1, 2))
    boxes = reshape(in_image(found.boxes), (n, -1, 4))
    return boxes, reshape(scores, (n, -1)), reshape(kinds, (n, -1))
