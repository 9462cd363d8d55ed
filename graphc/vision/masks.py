"""Masks of single objects, and pictures in which each pixel belongs to one thing."""

from __future__ import annotations

import math
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.dims import Dim
from graphc.ir.node import Tensor
from graphc.nn.convolution import ConvTranspose, conv2d
from graphc.nn.layers import Sequential
from graphc.nn.losses import binary_cross_entropy
from graphc.ops.activations import relu
from graphc.ops.arithmetic import maximum, minimum
from graphc.ops.convert import cast
from graphc.ops.creation import one_hot
from graphc.ops.extent import extent
from graphc.ops.indexing.gather import take
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import any, argmax, sum
from graphc.ops.resampling import sample_linear
from graphc.ops.select import where
from graphc.ops.source import iota
from graphc.ops.statistics import mean


def mask_head(
    channels: int,
    classes: int,
    width: int = 256,
    depth: int = 4,
    seed: Seed = None,
    dtype: Any = "float32",
) -> Sequential:
    """Logits (B, classes, 2 h, 2 w) of masks of regions pooled to (B, channels, h, w): `depth` 3 x
    3 convolutions, one that doubles the sides, and 1 x 1 kernels (He et al., 2017).
    """
    options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
    steps: list[Any] = []
    for _ in range(depth):
        steps.append(conv2d(channels, width, 3, padding=1, activation=relu, **options))
        channels = width
    steps.append(ConvTranspose(channels, width, (2, 2), stride=2, activation=relu, **options))
    return Sequential(*steps, conv2d(width, classes, 1, **options))


def mask_loss(logits: Tensor, labels: Tensor, masks: Tensor) -> Tensor:
    """The mean binary cross-entropy of the true masks (B, h, w), for the logits (B, classes, h, w)
    of each region's own class alone. Labels (B) count from 1; those of 0 are background and do not
    count.
    """
    mine = iota((1, logits.shape[1], 1, 1), 1) == reshape(labels - 1, (-1, 1, 1, 1))
    own = sum(where(mine, logits, 0), 1)
    each = mean(binary_cross_entropy(own, cast(masks, own.dtype), "none"), (1, 2))
    there = labels > 0
    return sum(where(there, each, 0)) / maximum(sum(cast(there, each.dtype)), 1)


def paste_masks(masks: Tensor, boxes: Tensor, size: tuple[Dim, Dim]) -> Tensor:
    """Masks (B, h, w) resized to their corner boxes (B, 4) in images of this size: (B, *size), 0
    outside the box.
    """
    shape = (masks.shape[0], *size)
    places, inside = [], None
    for axis, low, high in ((1, 1, 3), (2, 0, 2)):
        first, last = (broadcast(cast(boxes[:, k], masks.dtype), shape, (0,)) for k in (low, high))
        at = iota(shape, axis, masks.dtype) + 0.5
        count = extent(masks.shape[axis], masks.dtype)
        place = (at - first) / (last - first) * count - 0.5
        places.append(maximum(minimum(place, count - 1), 0))
        within = (at > first) & (at < last)
        inside = within if inside is None else inside & within
    spread = sample_linear(reshape(masks, (masks.shape[0], 1, *masks.shape[1:])), *places)
    assert inside is not None
    return where(inside, spread[:, 0], 0)


def merge_segments(
    masks: Tensor, scores: Tensor, classes: Tensor, rest: Tensor
) -> tuple[Tensor, Tensor]:
    """The class and the number (H, W) of the thing at each pixel: the mask (D, H, W) of bools with
    the largest score (D) that covers it has its class (D), and 1 plus its place as number; pixels
    without any have the class `rest` (H, W) and number 0.
    """
    ranked = where(masks, reshape(scores, (-1, 1, 1)), -math.inf)
    best, some = argmax(ranked, axis=0), any(masks, axis=0)
    return where(some, take(classes, best), rest), where(some, best + 1, 0)


def panoptic_quality(
    found: Tensor, found_classes: Tensor, truth: Tensor, true_classes: Tensor
) -> Tensor:
    """The sum of IoU over matched segments, over their number plus half of those that are wrong and
    half of those that were missed: Kirillov et al. (2019).

    `found` and `truth` (H, W) hold the number of each pixel's segment, from 0 on, the others the
    class of each segment. Two match if they have one class and an IoU above one half: at most one
    does with each. A segment without pixels does not count.
    """
    rows = _pixels(found, found_classes)
    columns = _pixels(truth, true_classes)
    common = matmul(rows, transpose(columns, (1, 0)))
    sizes, others = sum(rows, 1), sum(columns, 1)
    union = reshape(sizes, (-1, 1)) + others - common
    overlap = common / maximum(union, 1)
    same = reshape(found_classes, (-1, 1)) == true_classes
    matched = same & (overlap > 0.5)
    right = sum(cast(matched, overlap.dtype))
    segments = sum(cast(sizes > 0, overlap.dtype)) + sum(cast(others > 0, overlap.dtype))
    return sum(where(matched, overlap, 0)) / maximum(right + 0.5 * (segments - 2 * right), 0.5)


def _pixels(numbers: Tensor, classes: Tensor) -> Tensor:
    """Which pixels each segment has, (segments, pixels)."""
    count = classes.shape[0]
    assert isinstance(count, int), "the number of segments is known"
    return transpose(one_hot(reshape(numbers, -1), count, dtype="float64"), (1, 0))
