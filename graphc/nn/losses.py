"""Losses. Each takes `reduction`: "mean" or "sum" of all, or "none" for one value each.

Those of 16-bit floats are computed in float32 and stay so.
"""

from __future__ import annotations

from typing import Literal

from graphc.ir.dtypes import float32
from graphc.ir.errors import DTypeError, GraphError, ShapeError
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import absolute
from graphc.ops.checked import checked_index
from graphc.ops.convert import TensorLike, as_operand, as_tensor, cast
from graphc.ops.exponential import softplus
from graphc.ops.layout import broadcast, normal_axis
from graphc.ops.located import locate_errors
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.ops.source import iota
from graphc.ops.statistics import log_softmax, logsumexp, mean

Reduction = Literal["mean", "sum", "none"]


def reduced(losses: Tensor, reduction: Reduction) -> Tensor:
    """The mean or sum of losses, or the losses themselves."""
    if reduction == "none":
        return losses
    if reduction not in ("mean", "sum"):
        raise GraphError(f"a reduction is 'mean', 'sum' or 'none', not {reduction!r}")
    return mean(losses) if reduction == "mean" else total(losses)


def _widened(x: Tensor) -> Tensor:
    """16-bit floats as float32."""
    return cast(x, float32) if x.dtype.is_float and x.dtype.bits == 16 else x


@locate_errors
def cross_entropy(
    logits: Tensor,
    targets: TensorLike,
    axis: int = -1,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
    ignore: int | None = None,
) -> Tensor:
    """-log of the probability that softmax(logits) along `axis` gives the target, computed without
    overflow.

    Targets are integer labels (the shape of the logits less `axis`; a call with one out of range
    fails) or probabilities (their full shape). `label_smoothing` mixes in that much of the uniform
    distribution. Where a label is `ignore` (which may be no class) the loss is 0, and no part of a
    mean, which is NaN if no others are left.
    """
    labels = as_tensor(targets)
    logits = _widened(logits)
    axis = normal_axis(axis, logits.ndim)
    if not 0 <= label_smoothing <= 1:
        raise GraphError(f"label_smoothing is from 0 to 1, not {label_smoothing}")
    if labels.dtype.is_float:
        if ignore is not None:
            raise GraphError("labels can be ignored, probabilities cannot")
        return reduced(_of_probabilities(logits, labels, axis, label_smoothing), reduction)
    if ignore is None:
        return reduced(_of_labels(logits, labels, axis, label_smoothing), reduction)
    counted = labels != ignore
    losses = _of_labels(logits, where(counted, labels, 0), axis, label_smoothing)
    losses = where(counted, losses, 0)
    if reduction != "mean":
        return reduced(losses, reduction)
    return total(losses) / total(cast(counted, losses.dtype))


def _of_labels(logits: Tensor, labels: Tensor, axis: int, smoothing: float) -> Tensor:
    expected = logits.shape[:axis] + logits.shape[axis + 1 :]
    if labels.shape != expected:
        shape = ", ".join(map(str, expected))
        hint = (
            "\n  hint: gc.squeeze(labels, axis) drops an axis of length 1"
            if 1 in labels.shape
            else ""
        )
        raise ShapeError(
            f"labels of shape ({shape}) needed for {logits.type}, not {labels.type}{hint}"
        )
    picked = total(where(_one_hot(logits, labels, axis), logits, 0), axis)
    level = logsumexp(logits, axis)
    if smoothing == 0:
        return level - picked
    return level - picked * (1 - smoothing) - mean(logits, axis) * smoothing


def _one_hot(logits: Tensor, labels: Tensor, axis: int) -> Tensor:
    """Whether an element of the logits is the labelled one."""
    checked = checked_index(labels, logits.shape[axis], f"{logits.shape[axis]} classes")
    kept = tuple(k for k in range(logits.ndim) if k != axis)
    return iota(logits.shape, axis) == broadcast(checked, logits.shape, kept)


def _of_probabilities(logits: Tensor, targets: Tensor, axis: int, smoothing: float) -> Tensor:
    if targets.shape != logits.shape:
        raise ShapeError(
            f"probabilities must be shaped as the logits {logits.type}: {targets.type}"
            "\n  hint: labels, one for each row, are integers such as int64"
        )
    weights = cast(targets, logits.dtype)
    logs = log_softmax(logits, axis)
    loss = -total(where(weights == 0, 0, weights * logs), axis)
    if smoothing == 0:
        return loss
    return loss * (1 - smoothing) - mean(logs, axis) * smoothing


@locate_errors
def binary_cross_entropy(
    logits: Tensor, targets: TensorLike, reduction: Reduction = "mean"
) -> Tensor:
    """-log of the probability that a coin of bias sigmoid(logits) shows the target (0, 1 or
    between), without overflow.
    """
    logits = _widened(logits)
    t = as_operand(targets, logits.dtype)
    return reduced(softplus(logits) - logits * t, reduction)


@locate_errors
def mse(x: Tensor, targets: TensorLike, reduction: Reduction = "mean") -> Tensor:
    """Squared error."""
    error = _error(x, targets)
    return reduced(error * error, reduction)


@locate_errors
def mae(x: Tensor, targets: TensorLike, reduction: Reduction = "mean") -> Tensor:
    """Absolute error."""
    return reduced(absolute(_error(x, targets)), reduction)


@locate_errors
def huber(
    x: Tensor, targets: TensorLike, delta: float = 1.0, reduction: Reduction = "mean"
) -> Tensor:
    """Half the squared error up to an error of `delta`, from there on a straight line."""
    error = absolute(_error(x, targets))
    return reduced(
        where(error <= delta, error * error * 0.5, (error - delta / 2) * delta), reduction
    )


def _error(x: Tensor, targets: TensorLike) -> Tensor:
    """x less targets of the same shape: broadcasting here is nearly always a mistake."""
    if not x.dtype.is_float:
        raise DTypeError(f"a loss of floats is needed, not of {x.type}")
    x = _widened(x)
    t = as_operand(targets, x.dtype)
    if t.shape not in ((), x.shape):
        raise ShapeError(f"targets shaped as {x.type} needed, not {t.type}")
    return x - t
