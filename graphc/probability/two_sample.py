"""Whether two samples come from one law."""

from __future__ import annotations

from collections.abc import Callable

from graphc.ir.node import Tensor
from graphc.nn.contrastive import square_distances
from graphc.ops.arithmetic import absolute
from graphc.ops.convert import TensorLike, cast
from graphc.ops.cumulative import trace
from graphc.ops.exponential import exp
from graphc.ops.extent import extent
from graphc.ops.indexing.gather import take
from graphc.ops.joining import concat
from graphc.ops.randomness.choosing import permutation
from graphc.ops.randomness.generator import KeyLike, split
from graphc.ops.reduction import sum as total
from graphc.ops.statistics import mean
from graphc.passes.derivatives.batch import vmap

Statistic = Callable[[Tensor, Tensor], Tensor]
Kernel = Callable[[Tensor, Tensor], Tensor]


def mean_difference(x: Tensor, y: Tensor) -> Tensor:
    """|mean of x - mean of y|."""
    return absolute(mean(x) - mean(y))


def permutation_test(
    statistic: Statistic, x: Tensor, y: Tensor, key: KeyLike, rounds: int
) -> Tensor:
    """The p-value of statistic(x, y), large where samples (n, ...) and (m, ...) differ: the share
    of random divisions of all of them into n and m, this one included, with at least its value.
    """
    every, first = concat([x, y], axis=0), x.shape[0]
    observed = statistic(x, y)

    def again(k: Tensor) -> Tensor:
        mixed = take(every, permutation(k, every.shape[0]), axis=0)
        return statistic(mixed[:first], mixed[first:])

    other = vmap(again)(split(key, rounds))
    return (1 + total(cast(other >= observed, "float64"))) / (1 + rounds)


def classifier_statistic(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """The share of real samples that a discriminator takes for real plus that of fakes that it
    takes for fake: 1 by chance, 2 if it is perfect. It calls real what has a logit above 0.
    """
    real, fake = cast(real_logits > 0, "float64"), cast(fake_logits < 0, "float64")
    return mean(real) + mean(fake)


def gaussian_kernel(scale: TensorLike = 1.0) -> Kernel:
    """k(x, y) = exp(-|x - y|² / (2 scale²)) of all pairs of rows."""
    return lambda x, y: exp(-0.5 * square_distances(x / scale, y / scale))


def squared_mmd(x: Tensor, y: Tensor, kernel: Kernel, biased: bool = True) -> Tensor:
    """mean k(x, x') + mean k(y, y') - 2 mean k(x, y) of rows (n, d) and (m, d): the squared maximum
    mean discrepancy (Gretton et al., 2012); unbiased, pairs of a row with itself are left out.
    """
    return _within(x, kernel, biased) + _within(y, kernel, biased) - 2 * mean(kernel(x, y))


def _within(x: Tensor, kernel: Kernel, biased: bool) -> Tensor:
    values = kernel(x, x)
    if biased:
        return mean(values)
    count = extent(x.shape[0], x.dtype)
    return (total(values) - trace(values)) / (count * (count - 1))
