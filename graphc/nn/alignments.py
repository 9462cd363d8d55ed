"""Losses over all ways in which a short sequence may lie along a longer one."""

from __future__ import annotations

import numpy as np

from graphc.control import scan
from graphc.ir.dims import Dim
from graphc.ir.dtypes import float32
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Tensor
from graphc.nn.losses import Reduction, reduced
from graphc.ops.arithmetic import maximum
from graphc.ops.convert import TensorLike, as_tensor, cast
from graphc.ops.creation import arange, full
from graphc.ops.exponential import logaddexp
from graphc.ops.extent import extent
from graphc.ops.indexing.gather import take_along_axis
from graphc.ops.joining import concat
from graphc.ops.layout import broadcast_to, expand_dims
from graphc.ops.located import locate_errors
from graphc.ops.select import where
from graphc.ops.statistics import log_softmax

#: The logarithm of a probability that counts as none: finite, so that gradients are.
_NEVER = -1e30


@locate_errors
def ctc_loss(
    logits: Tensor,
    labels: TensorLike,
    lengths: TensorLike | None = None,
    label_lengths: TensorLike | None = None,
    blank: int = 0,
    reduction: Reduction = "mean",
) -> Tensor:
    """-log of the probability that a sequence of steps, each a class by softmax(logits), spells the
    labels once repeated classes are joined and blanks are left out (connectionist temporal
    classification: Graves et al., 2006).

    logits: (time, batch, classes); labels: (batch, most) integers, none of them `blank`. `lengths`
    and `label_lengths`, (batch,), say how many steps and labels of each sample count; None is all
    of them. What lies behind has no influence. A loss is infinite, with a gradient of zeros, where
    the labels do not fit into the steps. "mean" is that of the losses, whatever their lengths.
    """
    labels = as_tensor(labels)
    _demand_sequences(logits, labels)
    time, batch = logits.shape[:2]
    if logits.dtype.bits == 16:
        logits = cast(logits, float32)
    many = _lengths(label_lengths, batch, labels.shape[1])
    states = _with_blanks(cast(labels, "int64"), blank)
    width = states.shape[1]
    scores = take_along_axis(
        log_softmax(logits), broadcast_to(states, (time, batch, width)), axis=-1
    )
    skips = (states != blank) & (states != _shifted(states, 2, blank))

    def step(alpha: Tensor, now: tuple[Tensor, Tensor]) -> tuple[Tensor, None]:
        score, t = now
        stay = logaddexp(alpha, _shifted(alpha, 1, _NEVER))
        ways = logaddexp(stay, where(skips, _shifted(alpha, 2, _NEVER), _NEVER))
        lasts = expand_dims(t < _lengths(lengths, batch, time), 1)
        return where(lasts, maximum(ways + score, _NEVER), alpha), None

    first = where(arange(width) < 2, scores[0], _NEVER)
    alpha, _ = scan(step, first, (scores[1:], arange(1, time)))
    ends = [_at(alpha, 2 * many), where(many > 0, _at(alpha, maximum(2 * many - 1, 0)), _NEVER)]
    losses = -logaddexp(*ends)
    return reduced(where(losses > -_NEVER / 2, np.inf, losses), reduction)


def _demand_sequences(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim != 3 or not logits.dtype.is_float:
        raise ShapeError(f"logits are floats (time, batch, classes), not {logits.type}")
    if not labels.dtype.is_integer:
        raise DTypeError(f"labels are integers, not {labels.type}")
    if labels.ndim != 2 or labels.shape[0] != logits.shape[1]:
        raise ShapeError(f"labels are (batch, most) = ({logits.shape[1]}, ...), not {labels.type}")


def _lengths(given: TensorLike | None, batch: Dim, all_: Dim) -> Tensor:
    found = extent(all_, "int64") if given is None else cast(as_tensor(given), "int64")
    return broadcast_to(found, (batch,))


def _with_blanks(labels: Tensor, blank: int) -> Tensor:
    """The labels with a blank before, between and after them."""
    batch, most = labels.shape
    blanks = full((batch, most), blank, labels.dtype)
    paired = concat([expand_dims(blanks, 2), expand_dims(labels, 2)], axis=2)
    last = full((batch, 1), blank, labels.dtype)
    return concat([paired.reshape((batch, 2 * most)), last], axis=1)


def _shifted(x: Tensor, by: int, fill: float) -> Tensor:
    """x (batch, width) moved to higher places."""
    batch, width = x.shape
    return concat([full((batch, by), fill, x.dtype), x], axis=1)[:, :width]


def _at(x: Tensor, places: Tensor) -> Tensor:
    """The element of each row at its place."""
    return take_along_axis(x, expand_dims(places, 1), axis=1)[:, 0]
