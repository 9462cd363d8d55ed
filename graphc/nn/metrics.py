"""Figures of merit of classifiers and language models."""

from __future__ import annotations

from graphc.ir.node import Tensor
from graphc.ops.cast import astype
from graphc.ops.exponential import exp
from graphc.ops.layout import expand_dims
from graphc.ops.reduction import any, argmax
from graphc.ops.statistics import mean
from graphc.ops.topk import topk


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
