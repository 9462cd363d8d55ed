"""Figures of merit of classifiers, searches and language models."""

from __future__ import annotations

from graphc.ir.dtypes import float64
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import maximum
from graphc.ops.cast import astype
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.cumulative import cumsum
from graphc.ops.exponential import exp
from graphc.ops.indexing.gather import take_along_axis
from graphc.ops.layout import expand_dims
from graphc.ops.reduction import any, argmax, sum
from graphc.ops.select import where
from graphc.ops.sorting.sort import argsort
from graphc.ops.sorting.topk import topk
from graphc.ops.source import iota
from graphc.ops.statistics import mean


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """The share of rows whose largest logit (the first one, of ties) is at the label."""
    return mean(astype(argmax(logits, axis=-1) == labels, logits.dtype))


def top_k_accuracy(logits: Tensor, labels: Tensor, k: int) -> Tensor:
    """The share of rows whose label is among the k largest logits."""
    _, places = topk(logits, k)
    return mean(astype(any(places == expand_dims(labels, -1), axis=-1), logits.dtype))


def perplexity(loss: Tensor) -> Tensor:
    """e to the mean cross-entropy in nats."""
    return exp(loss)


def precision(predicted: Tensor, actual: Tensor) -> Tensor:
    """tp / (tp + fp) of bools along the last axis: the share of the predicted that is right; 0 if
    nothing is predicted.
    """
    return _share(predicted & actual, predicted)


def recall(predicted: Tensor, actual: Tensor) -> Tensor:
    """tp / (tp + fn) of bools along the last axis: the share of what is there that is predicted."""
    return _share(predicted & actual, actual)


def _share(part: Tensor, whole: Tensor) -> Tensor:
    some, many = (sum(astype(x, float64), axis=-1) for x in (part, whole))
    return some / maximum(many, 1)


def f1_score(p: Tensor, r: Tensor) -> Tensor:
    """2 p r / (p + r), the harmonic mean of precision and recall; 0 if both are."""
    total = p + r
    return where(total > 0, 2 * p * r / where(total > 0, total, 1), 0)


def average_precision(scores: Tensor, hits: Tensor, positives: TensorLike) -> Tensor:
    """The sum of precision times the rise of recall over results by falling score, along the last
    axis: hits are bools, positives how many there are to be found.
    """
    order = argsort(scores, axis=-1, descending=True)
    found = astype(take_along_axis(hits, order, axis=-1), float64)
    ranks = iota((hits.shape[-1],), dtype=float64) + 1
    total = sum(found * cumsum(found, axis=-1) / ranks, axis=-1)
    return total / maximum(astype(as_tensor(positives), float64), 1)


def mean_average_precision(scores: Tensor, hits: Tensor, positives: Tensor) -> Tensor:
    """The mean of `average_precision` over the classes (first axis) of which there are any."""
    there = astype(positives > 0, float64)
    return sum(average_precision(scores, hits, positives) * there) / maximum(sum(there), 1)


def mean_iou(predicted: Tensor, labels: Tensor, classes: int, ignore: int | None = None) -> Tensor:
    """The mean over classes of tp / (tp + fp + fn) of predicted and true labels of one shape, those
    that are to be ignored left out; a class that occurs in neither does not count.
    """
    kinds = iota((classes,))
    there = expand_dims(labels, -1) == kinds
    said = expand_dims(predicted, -1) == kinds
    if ignore is not None:
        said = said & expand_dims(labels != ignore, -1)
        there = there & (kinds != ignore)
    axes = tuple(range(labels.ndim))
    common, either = (sum(astype(x, float64), axes) for x in (said & there, said | there))
    return sum(common / maximum(either, 1)) / maximum(sum(astype(either > 0, float64)), 1)
