"""Detectors that classify regions found by others: R-CNN and Fast R-CNN."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.nn.layers import Dense
from graphc.nn.losses import cross_entropy
from graphc.ops.activations import relu
from graphc.ops.arithmetic import maximum
from graphc.ops.convert import TensorLike, as_tensor, cast
from graphc.ops.layout import reshape
from graphc.ops.reduction import sum
from graphc.ops.select import where
from graphc.ops.source import iota
from graphc.vision.boxes import project_boxes
from graphc.vision.cropping import crop_resize
from graphc.vision.models.parts import flat
from graphc.vision.roi_pooling import roi_max_pool


class RCNN(Layer):
    """Scores (B, classes) of regions of images, each warped to a square, and offsets of a better
    box (B, 4): Girshick et al. (2014).

    `features` maps (B, C, side, side) to (B, `size`); the scores are for a `hinge` loss, one
    classifier for each class.
    """

    def __init__(
        self,
        features: Callable[[Tensor], Tensor],
        size: int,
        side: int,
        classes: int,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        source = init.generator(seed)
        self.features, self.side = features, side
        self.classes = Dense(size, classes, seed=source, dtype=dtype)
        self.offsets = Dense(size, 4, seed=source, dtype=dtype)

    def __call__(  # type: ignore[override]
        self, images: Tensor, boxes: Tensor, of: TensorLike | None = None
    ) -> tuple[Tensor, Tensor]:
        h = self.features(crop_resize(images, boxes, (self.side, self.side), of))
        return self.classes(h), self.offsets(h)


class FastRCNN(Layer):
    """Logits (B, 1 + classes) of regions, the first for background, and offsets (B, classes, 4) of
    a better box for each class: Girshick (2015).

    The backbone (`channels` outputs after `pools` halvings of the sides) sees an image once; each
    region is pooled to `bins` x `bins` of its maps. Boxes (B, 4) are whole corners in pixels.
    """

    def __init__(
        self,
        backbone: Layer,
        channels: int,
        pools: int,
        classes: int,
        hidden: int = 4096,
        bins: int = 7,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
        self.backbone, self.pools, self.bins = backbone, pools, bins
        self.hidden = Dense(channels * bins * bins, hidden, relu, **options)
        small = partial(init.normal, std=0.01)
        self.classes = Dense(hidden, 1 + classes, weights=small, **options)
        self.offsets = Dense(hidden, 4 * classes, weights=small, **options)

    def regions(
        self, maps: Tensor, boxes: Tensor, of: TensorLike | None = None, valid: TensorLike = True
    ) -> tuple[Tensor, Tensor]:
        """Logits and offsets of boxes, given the backbone's maps."""
        places = project_boxes(boxes, self.pools)
        there = None if valid is True else as_tensor(valid)
        h = self.hidden(flat(roi_max_pool(maps, places, (self.bins, self.bins), of, there)))
        return self.classes(h), reshape(self.offsets(h), (boxes.shape[0], -1, 4))

    def __call__(  # type: ignore[override]
        self, images: Tensor, boxes: Tensor, of: TensorLike | None = None, valid: TensorLike = True
    ) -> tuple[Tensor, Tensor]:
        return self.regions(self.backbone(images), boxes, of, valid)


def region_loss(
    logits: Tensor, offsets: Tensor, labels: Tensor, wanted: Tensor, valid: Tensor
) -> Tensor:
    """Cross-entropy of the labels (B), 0 for background, and half the squared error of the offsets
    of the labelled class from those `wanted` (B, 4) where there is an object; means over the boxes
    that are `valid` (B).
    """
    weights = cast(valid, logits.dtype)
    mine = iota((1, offsets.shape[1], 1), 1) == reshape(labels - 1, (-1, 1, 1))
    squares = sum(where(mine, offsets - wanted[:, None], 0) ** 2, (1, 2)) * 0.5
    each = cross_entropy(logits, labels, reduction="none") + where(labels > 0, squares, 0)
    return sum(where(valid, each, 0)) / maximum(sum(weights), 1)
