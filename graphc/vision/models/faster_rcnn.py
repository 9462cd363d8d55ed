"""Faster R-CNN: a detector that finds its regions itself."""

from __future__ import annotations

from typing import Any, NamedTuple

from graphc import init
from graphc.init import Seed
from graphc.ir.dims import Dim
from graphc.ir.node import Tensor
from graphc.nn.convolution import conv2d
from graphc.nn.layer import Layer
from graphc.nn.losses import binary_cross_entropy
from graphc.ops.activations import relu
from graphc.ops.arithmetic import maximum, minimum
from graphc.ops.convert import as_tensor, cast
from graphc.ops.custom import stop_gradient
from graphc.ops.extent import extent
from graphc.ops.indexing.gather import take
from graphc.ops.joining import concat
from graphc.ops.layout import reshape
from graphc.ops.randomness.generator import KeyLike
from graphc.ops.reduction import argmax, max, sum
from graphc.ops.rounding import rint
from graphc.ops.select import where
from graphc.vision.boxes import (
    AnchorHead,
    anchor_grid,
    by_anchor,
    decode_boxes,
    encode_boxes,
    iou,
    to_centres,
    to_corners,
)
from graphc.vision.detection import balanced_sample, label_anchors, suppress
from graphc.vision.models.rcnn import FastRCNN, region_loss


class Proposals(NamedTuple):
    """Regions that may hold objects: whole corners (count, 4), how likely, which there are."""

    boxes: Tensor
    scores: Tensor
    valid: Tensor


class FasterRCNN(FastRCNN):
    """A `FastRCNN` whose regions come from a network on the same maps: Ren et al. (2015).

    For one image (1, C, H, W) at a time. Anchors of the shapes (k, 2), widths and heights in
    pixels, lie at every place of the maps.
    """

    def __init__(
        self,
        backbone: Layer,
        channels: int,
        pools: int,
        classes: int,
        anchors: Any,
        hidden: int = 4096,
        bins: int = 7,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
        super().__init__(backbone, channels, pools, classes, hidden, bins, **options)
        self.shapes = cast(as_tensor(anchors), as_tensor(self.hidden.weight).dtype)
        self.near = conv2d(channels, channels, 3, padding=1, activation=relu, **options)
        self.anchors = AnchorHead(channels, len(anchors), **options)

    def looked_at(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For every anchor (A): a logit of being an object, offsets (A, 4), and itself as centre
        and size (A, 4).
        """
        objects, offsets = self.anchors(self.near(maps))
        height, width = maps.shape[2:]
        grid = anchor_grid((height, width), 2**self.pools, self.shapes)
        rows = reshape(by_anchor(offsets), (-1, 4))
        return reshape(objects, -1), rows, reshape(grid, (-1, 4))

    def proposals(
        self, maps: Tensor, size: tuple[Dim, Dim], count: int, threshold: float = 0.7
    ) -> Proposals:
        """The `count` best regions of an image of this height and width that do not overlap by
        more than the threshold. They are constants for gradients.
        """
        objects, offsets, anchors = (stop_gradient(x) for x in self.looked_at(maps))
        corners = clip_boxes(rint(to_corners(decode_boxes(offsets, anchors))), size)
        some = (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])
        places, _ = suppress(corners, objects, count, threshold, some)
        chosen = maximum(places, 0)
        boxes = cast(take(corners, chosen, axis=0), "int64")
        return Proposals(boxes, take(objects, chosen), places >= 0)

    def proposal_loss(
        self, maps: Tensor, key: KeyLike, truths: Tensor, there: Tensor, count: int
    ) -> Tensor:
        """Cross-entropy of up to `count` anchors that are objects and as many that are none, drawn
        at random, and half the squared error of the offsets of the former. truths: corner boxes (T,
        4), of which those exist that are `there` (T).
        """
        objects, offsets, anchors = self.looked_at(maps)
        overlaps = iou(to_corners(anchors), truths)
        labels, which = label_anchors(overlaps, valid=there)
        yes, is_yes, no, is_no = balanced_sample(key, labels, count)
        goals = to_centres(take(truths, take(which, yes), axis=0))
        wanted = encode_boxes(goals, take(anchors, yes, axis=0))
        squares = sum((take(offsets, yes, axis=0) - wanted) ** 2, 1) * 0.5
        positive = binary_cross_entropy(take(objects, yes), 1.0, "none") + squares
        negative = binary_cross_entropy(take(objects, no), 0.0, "none")
        total = sum(where(is_yes, positive, 0)) + sum(where(is_no, negative, 0))
        return total / maximum(sum(cast(concat([is_yes, is_no]), total.dtype)), 1)

    def detection_loss(
        self, maps: Tensor, found: Proposals, truths: Tensor, there: Tensor, classes: Tensor
    ) -> Tensor:
        """`region_loss` of proposals: one that overlaps a true box by half has its class (T), 1 or
        more, and its offsets; others are background.
        """
        corners = cast(found.boxes, truths.dtype)
        overlaps = where(there, iou(corners, truths), -1)
        best = argmax(overlaps, axis=1)
        labels = where(max(overlaps, axis=1) >= 0.5, take(classes, best), 0)
        wanted = encode_boxes(to_centres(take(truths, best, axis=0)), to_centres(corners))
        logits, offsets = self.regions(maps, found.boxes, valid=found.valid)
        wanted = where(reshape(labels > 0, (-1, 1)), wanted, 0)
        return region_loss(logits, offsets, labels, wanted, found.valid)


def clip_boxes(boxes: Tensor, size: tuple[Dim, Dim]) -> Tensor:
    """Corner boxes (B, 4) without what is outside an image of this height and width."""
    height, width = (extent(d, boxes.dtype) for d in size)
    most = [width, height, width, height]
    sides = [minimum(maximum(boxes[:, k : k + 1], 0), most[k]) for k in range(4)]
    return concat(sides, axis=1)
