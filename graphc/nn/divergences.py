"""Entropies and divergences of discrete distributions; 0 log 0 counts as 0."""

from __future__ import annotations

from graphc.ir.node import Tensor
from graphc.ops.exponential import log
from graphc.ops.reduction import sum
from graphc.ops.select import where


def _times_log(p: Tensor, x: Tensor) -> Tensor:
    """p log x, 0 where p is 0, without a NaN in the gradient."""
    none = p == 0
    return where(none, 0, p * log(where(none, 1, x)))


def entropy(p: Tensor, axis: int = -1) -> Tensor:
    """-sum p log p, in nats."""
    return -sum(_times_log(p, p), axis=axis)


def kl_divergence(p: Tensor, q: Tensor, axis: int = -1) -> Tensor:
    """sum p log(p / q), in nats (Kullback and Leibler, 1951)."""
    return sum(_times_log(p, p) - _times_log(p, q), axis=axis)


def jensen_shannon(p: Tensor, q: Tensor, axis: int = -1) -> Tensor:
    """The mean divergence of p and q from their mean; at most log 2 (Lin, 1991)."""
    middle = 0.5 * (p + q)
    return 0.5 * (kl_divergence(p, middle, axis) + kl_divergence(q, middle, axis))
