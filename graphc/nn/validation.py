"""How much of a fit is skill: folds of data, errors left out, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.linalg import solve
from graphc.nn.divergences import kl_divergence
from graphc.ops.axes import matrix_transpose
from graphc.ops.diagonal import eye
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import sum
from graphc.ops.statistics import mean, softmax, var

Array = np.ndarray[Any, Any]


def folds(samples: int, parts: int, seed: int | None = None) -> Iterator[tuple[Array, Array]]:
    """(indices to train on, indices held out), for each of the parts into which the samples fall:
    in order, or shuffled by a seed. Sizes differ by one at most; parts = samples leaves one out.
    """
    if not 2 <= parts <= samples:
        raise GraphError(f"{samples} samples fall into 2 to {samples} parts, not {parts}")
    rng = np.random.default_rng(seed)
    order = np.arange(samples) if seed is None else rng.permutation(samples)
    pieces = np.array_split(order, parts)
    for k, held in enumerate(pieces):
        yield np.concatenate(pieces[:k] + pieces[k + 1 :]), held


def cross_validate(
    error: Callable[[Array, Array], float], samples: int, parts: int, seed: int | None = None
) -> float:
    """The mean over all samples of the error that each has when it is held out.

    error(train, held): fits to the samples of the first indices, gives the mean error on the
    second.
    """
    each = [(float(error(train, held)), len(held)) for train, held in folds(samples, parts, seed)]
    return float(np.average([e for e, _ in each], weights=[n for _, n in each]))


def leave_one_out(features: Tensor, targets: Tensor, alpha: float | Tensor = 0.0) -> Tensor:
    """The squared errors f[samples] that samples have under the ridge regression on all others.

    From one fit to all: (residual / (1 - h))**2, with residuals y - H y and h the diagonal of H =
    X (X^T X + alpha)^-1 X^T (Allen, 1974). features f[samples, n], targets f[samples].
    """
    columns = matrix_transpose(features)
    gram = matmul(columns, features) + eye(features.shape[-1], dtype=features.dtype) * alpha
    pulls = solve(gram, columns)
    residuals = targets - matmul(features, matmul(pulls, targets))
    leverage = sum(columns * pulls, axis=0)
    return (residuals / (1 - leverage)) ** 2


def bias_variance(predictions: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """(squared bias, variance) of predictions f[fits, ...] of a truth f[...], by points: their sum
    is the mean squared error over the fits, to which noise of the targets adds its variance.
    """
    return (mean(predictions, axis=0) - truth) ** 2, var(predictions, axis=0)


def classification_bias_variance(log_probabilities: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """(bias, variance) f[...] of classifiers' log probabilities f[fits, ..., classes] for the
    law p f[..., classes] of the label: with its entropy they add up to the mean cross-entropy.

    The bias is KL(p | q) and the variance the mean of KL(q | each), where q is the normalised
    geometric mean of the fits (Heskes, 1998).
    """
    centre = softmax(mean(log_probabilities, axis=0), axis=-1)
    spread = kl_divergence(centre, softmax(log_probabilities, axis=-1))
    return kl_divergence(p, centre), mean(spread, axis=0)
