"""Losses of margins, quantiles and likelihoods, in the dtype of what is scored."""

from __future__ import annotations

import math

from graphc.ir.node import Tensor
from graphc.nn.losses import Reduction, reduced
from graphc.ops.arithmetic import maximum
from graphc.ops.convert import TensorLike, as_operand
from graphc.ops.exponential import exp


def pinball(
    x: Tensor, targets: TensorLike, tau: TensorLike = 0.5, reduction: Reduction = "mean"
) -> Tensor:
    """max(tau r, (tau - 1) r) with r = targets - x, whose best constant is the tau-quantile
    (Koenker and Bassett, 1978). `tau` may be a tensor of levels.
    """
    r = as_operand(targets, x.dtype) - x
    level = tau if isinstance(tau, float) else as_operand(tau, x.dtype)
    return reduced(maximum(r * level, r * (level - 1)), reduction)


def hinge(
    scores: Tensor, targets: TensorLike, margin: float = 1.0, reduction: Reduction = "mean"
) -> Tensor:
    """max(0, margin - targets * scores) for targets of -1 and 1."""
    return reduced(maximum(margin - scores * as_operand(targets, scores.dtype), 0), reduction)


def exponential_loss(scores: Tensor, targets: TensorLike, reduction: Reduction = "mean") -> Tensor:
    """exp(-targets * scores) for targets of -1 and 1: what boosting minimises."""
    return reduced(exp(-(scores * as_operand(targets, scores.dtype))), reduction)


def gaussian_nll(
    x: Tensor, targets: TensorLike, log_variance: TensorLike, reduction: Reduction = "mean"
) -> Tensor:
    """Minus the log density of the targets under a normal with mean x and this log variance."""
    r = as_operand(targets, x.dtype) - x
    log_variance = as_operand(log_variance, x.dtype)
    losses = 0.5 * (log_variance + math.log(2 * math.pi) + r * r * exp(-log_variance))
    return reduced(losses, reduction)
