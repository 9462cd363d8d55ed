"""Losses of margins, quantiles and likelihoods."""

from __future__ import annotations

import math

from graphc.ir.node import Tensor
from graphc.nn.losses import Reduction, reduced
from graphc.ops.arithmetic import maximum
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.exponential import exp


def pinball(
    x: Tensor, targets: TensorLike, tau: TensorLike = 0.5, reduction: Reduction = "mean"
) -> Tensor:
    """max(tau r, (tau - 1) r) with r = targets - x, whose best constant is the tau-quantile
    (Koenker and Bassett, 1978). `tau` may be a tensor of levels.
    """
    r = as_tensor(targets) - x
    level = tau if isinstance(tau, float) else as_tensor(tau)
    return reduced(maximum(r * level, r * (level - 1)), reduction)


def hinge(
    scores: Tensor, targets: TensorLike, margin: float = 1.0, reduction: Reduction = "mean"
) -> Tensor:
    """max(0, margin - targets * scores) for targets of -1 and 1."""
    return reduced(maximum(margin - scores * targets, 0), reduction)


def exponential_loss(scores: Tensor, targets: TensorLike, reduction: Reduction = "mean") -> Tensor:
    """exp(-targets * scores) for targets of -1 and 1: what boosting minimises."""
    return reduced(exp(-(scores * targets)), reduction)


def gaussian_nll(
    x: Tensor, targets: TensorLike, log_variance: TensorLike, reduction: Reduction = "mean"
) -> Tensor:
    """Minus the log density of the targets under a normal with mean x and this log variance."""
    r = as_tensor(targets) - x
    log_variance = as_tensor(log_variance)
    losses = 0.5 * (log_variance + math.log(2 * math.pi) + r * r * exp(-log_variance))
    return reduced(losses, reduction)
