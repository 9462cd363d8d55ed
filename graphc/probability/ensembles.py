"""Several models as one: their joint moments, and what kind of doubt they express."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from graphc.ir.node import Tensor
from graphc.nn.divergences import entropy
from graphc.nn.layer import Layer
from graphc.ops.cast import astype
from graphc.ops.indexing.gather import take, take_along_axis
from graphc.ops.layout import expand_dims
from graphc.ops.randomness.choosing import choice
from graphc.ops.randomness.generator import KeyLike, split
from graphc.ops.reduction import argmax
from graphc.ops.reduction import max as largest
from graphc.ops.reduction import sum as total
from graphc.ops.select import clip, where
from graphc.ops.source import iota
from graphc.ops.statistics import log_softmax, mean, std, var
from graphc.passes.derivatives.batch import vmap


def mixture_moments(means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and variance of an equal mixture of members along the first axis: mean μ, and
    mean σ² + var μ.
    """
    return mean(means, 0), mean(variances, 0) + var(means, 0)


def doubt_of_regression(means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """(aleatoric, epistemic) parts of a mixture's variance: the members' own mean σ², which more
    data leaves, and the variance of their μ, on which they would agree with more data.
    """
    return mean(variances, 0), var(means, 0)


def doubt_of_classes(probabilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(total, aleatoric, epistemic) in nats for members' probabilities (M, ..., classes): the
    entropy of the mean, the mean of the entropies, and the difference, which is the information
    that the label has on the member.
    """
    whole, own = entropy(mean(probabilities, 0)), mean(entropy(probabilities), 0)
    return whole, own, whole - own


def log_score(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean log probability given to the labels (N,); log(1 / classes) for a uniform guess."""
    return mean(take_along_axis(log_softmax(logits, -1), expand_dims(labels, -1), axis=-1))


def calibration_table(
    probabilities: Tensor, labels: Tensor, bins: int = 10
) -> tuple[Tensor, Tensor, Tensor]:
    """(how many, mean confidence, accuracy), each (bins,), of rows (N, classes) whose largest
    probability falls into each of equal bins of [0, 1]; 0 in empty ones. A calibrated model is as
    often right as it is confident.
    """
    confidence = largest(probabilities, axis=-1)
    right = astype(argmax(probabilities, axis=-1) == labels, confidence.dtype)
    place = clip(astype(confidence * bins, "int64"), 0, bins - 1)
    inside = astype(expand_dims(place, 0) == expand_dims(iota((bins,)), 1), confidence.dtype)
    count = total(inside, 1)
    shared = where(count > 0, count, 1)
    return count, total(inside * confidence, 1) / shared, total(inside * right, 1) / shared


def bootstrap(
    statistic: Callable[[Tensor], Tensor], values: Tensor, key: KeyLike, draws: int
) -> tuple[Tensor, Tensor]:
    """The mean and deviation of a statistic over samples of the rows of `values`, each drawn with
    replacement and as large (Efron, 1979).
    """
    n = values.shape[0]

    def one(own: Tensor) -> Tensor:
        return statistic(take(values, choice(own, n, (n,)), axis=0))

    every: Tensor = vmap(one)(split(key, draws))
    return mean(every, 0), std(every, 0)


def snapshots(
    step: Callable[[], object], model: Layer, period: int, cycles: int
) -> Iterator[dict[str, np.ndarray]]:
    """A model's variables after each `period` steps, the rate restarting with the same period: an
    ensemble from one run (Huang et al., 2017).
    """
    for _ in range(cycles):
        for _ in range(period):
            step()
        yield model.state_dict()
