"""Choosing among boxes: which anchors are objects, which are drawn for a loss, which are kept."""

from __future__ import annotations

import math

from graphc.control import scan
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import minimum
from graphc.ops.convert import TensorLike, as_tensor, cast
from graphc.ops.creation import ones, zeros
from graphc.ops.indexing.gather import take
from graphc.ops.indexing.searching import nonzero
from graphc.ops.layout import expand_dims
from graphc.ops.randomness.distributions import uniform
from graphc.ops.randomness.generator import KeyLike, split
from graphc.ops.reduction import any, argmax, max, sum
from graphc.ops.select import where
from graphc.ops.sorting.sort import argsort
from graphc.ops.source import iota
from graphc.vision.boxes import iou


def label_anchors(
    overlaps: Tensor, high: float = 0.7, low: float = 0.3, valid: TensorLike | None = None
) -> tuple[Tensor, Tensor]:
    """(labels, truths) of anchors by their `iou` (A, T) with true boxes, both (A): 1 for an overlap
    of at least `high`, or the best with any truth (the first of equals, above 0); 0 below `low`; -1
    for others, to be ignored. `truths` is that of the largest overlap (Ren et al., 2015).

    valid: (T), which of the true boxes there are.
    """
    if valid is not None:
        overlaps = where(as_tensor(valid), overlaps, -1)
    best = max(overlaps, axis=1)
    leads = (expand_dims(iota((overlaps.shape[0],)), 1) == argmax(overlaps, axis=0)) & (
        overlaps > 0
    )
    positive = (best >= high) | any(leads, axis=1)
    labels = where(positive, 1, where(best < low, 0, -1))
    return labels, argmax(overlaps, axis=1)


def sample_where(key: KeyLike, mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """(places, there): `count` different places at which a mask (A) is true, drawn at random with
    equal chances; where there are fewer, `there` is false for the rest.
    """
    order = where(mask, uniform(key, mask.shape, dtype="float64"), math.inf)
    places = argsort(order)[:count]
    return places, take(mask, places)


def balanced_sample(
    key: KeyLike, labels: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`sample_where` of the labels 1, then of the labels 0: places and which of them are there,
    `count` each.
    """
    keys = split(key, 2)
    return *sample_where(keys[0], labels == 1, count), *sample_where(keys[1], labels == 0, count)


def suppress(
    boxes: Tensor,
    scores: Tensor,
    count: int,
    threshold: float = 0.5,
    valid: TensorLike | None = None,
) -> tuple[Tensor, Tensor]:
    """Non-maximum suppression: by falling score (ties by index) a corner box (n, 4) is kept if its
    `iou` with every box kept so far is at most the threshold.

    (places, kept): the first `count` places (then -1), and how many of them there are. `valid` (n)
    says which boxes may be kept.
    """
    order = argsort(scores, descending=True)
    ranked = take(boxes, order, axis=0)
    over = iou(ranked, ranked) > threshold
    may = ones(scores.shape, "bool") if valid is None else as_tensor(valid)
    ranks = iota((boxes.shape[0],))

    def step(kept: Tensor, at: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, None]:
        rank, row, allowed = at
        return kept | ((ranks == rank) & allowed & ~any(kept & row)), None

    none = zeros((boxes.shape[0],), "bool")
    kept, _ = scan(step, none, (ranks, over, take(may, order)))
    number = minimum(sum(cast(kept, "int64")), count)
    (first,) = nonzero(kept, count)
    return where(iota((count,)) < number, take(order, first), -1), number


def detection_hits(overlaps: Tensor, scores: Tensor, threshold: float = 0.5) -> Tensor:
    """Which detections (D) are right, by their `iou` (D, T) with true boxes: by falling score, one
    is if it overlaps its best truth by the threshold and none did before (Everingham et al., 2010).
    """
    order = argsort(scores, descending=True)
    truths = iota((overlaps.shape[1],))

    def step(found: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        new = (truths == argmax(row)) & (row >= threshold) & ~found
        return found | new, any(new)

    none = zeros((overlaps.shape[1],), "bool")
    _, hits = scan(step, none, take(overlaps, order, axis=0))
    return take(hits, argsort(order))
