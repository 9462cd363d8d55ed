"""Dropout and its kin. Rates are chances to be dropped; what stays is scaled so that means are
kept, and nothing is to be scaled after training.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from graphc import init
from graphc.control import cond
from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.nn.activations import SELU_ALPHA, SELU_SCALE
from graphc.nn.layer import Layer
from graphc.ops.randomness.distributions import bernoulli, normal, uniform
from graphc.ops.randomness.generator import Generator, KeyLike, split
from graphc.ops.select import where
from graphc.ops.statistics import mean, var
from graphc.passes.derivatives.batch import vmap

_SATURATED = -SELU_ALPHA * SELU_SCALE  # what selu gives far below 0


def _check(rate: float) -> None:
    if not 0 <= rate < 1:
        raise GraphError(f"a dropout rate is at least 0 and below 1, not {rate}")


def dropout(x: Tensor, rate: float, key: KeyLike) -> Tensor:
    """x with each element zero with probability `rate`, the others divided by 1 - rate."""
    _check(rate)
    if rate == 0:
        return x
    return where(uniform(key, x.shape) < rate, 0, x * (1 / (1 - rate)))


def alpha_dropout(x: Tensor, rate: float, key: KeyLike) -> Tensor:
    """x with elements replaced, with probability `rate`, by the value at which selu saturates, then
    moved and scaled so that mean 0 and variance 1 are kept: Klambauer et al. (2017).
    """
    _check(rate)
    if rate == 0:
        return x
    scale, shift = alpha_correction(rate)
    return where(uniform(key, x.shape) < rate, _SATURATED, x) * scale + shift


def alpha_correction(rate: float) -> tuple[float, float]:
    """The factor and the summand that give mean 0 and variance 1 back after alpha dropout."""
    keep = 1 - rate
    scale = (keep + _SATURATED**2 * keep * rate) ** -0.5
    return scale, -scale * rate * _SATURATED


def add_noise(x: Tensor, std: float, key: KeyLike) -> Tensor:
    """x plus normal noise of this standard deviation."""
    return x + normal(key, x.shape, 0.0, std, x.dtype)


def drop_path(y: Tensor, rate: float, key: KeyLike) -> Tensor:
    """A branch y with each sample (along axis 0) zero with probability `rate`, the others divided
    by 1 - rate: Huang et al. (2016); to be added to the path around it.
    """
    _check(rate)
    if rate == 0:
        return y
    kept = uniform(key, (y.shape[0], *(1 for _ in y.shape[1:]))) >= rate
    return where(kept, y * (1 / (1 - rate)), 0)


def skip_branch(x: Tensor, branch: Callable[[Tensor], Tensor], rate: float, key: KeyLike) -> Tensor:
    """x + branch(x) / (1 - rate), or with probability `rate` x itself; then the branch is not
    computed.
    """
    _check(rate)
    kept = bernoulli(key, 1 - rate)
    y: Tensor = cond(kept, lambda x: x + branch(x) * (1 / (1 - rate)), lambda x: x, x)
    return y


def linear_rates(last: float, count: int) -> list[float]:
    """Rates that grow linearly with depth, from last / count to `last`."""
    return [last * (k + 1) / count for k in range(count)]


def width_for(survivors: int, rate: float) -> int:
    """The least width of a layer of which so many units stay on average."""
    _check(rate)
    return math.ceil(survivors / (1 - rate))


def sampled(f: Callable[[Tensor], Tensor], key: KeyLike, passes: int) -> tuple[Tensor, Tensor]:
    """The mean and the variance of f(key) over so many keys: what a net with dropout predicts, and
    how unsure its weights leave it (Gal and Ghahramani, 2016).
    """
    every = vmap(f)(split(key, passes))
    return mean(every, 0), var(every, 0)


class Dropout(Layer):
    """`dropout` where it is called while training; x itself after `eval()`.

    Without a generator it has one of its own, whose seed comes, like first weights, from the stream
    that `gc.init.seed` starts.
    """

    drop = staticmethod(dropout)

    def __init__(self, rate: float, generator: Generator | None = None):
        _check(rate)
        if generator is None:
            generator = Generator(int(init.generator(None).integers(2**63)))
        self.rate, self.generator = rate, generator

    def __call__(self, x: Tensor) -> Tensor:
        return self.drop(x, self.rate, self.generator) if self.training else x


class AlphaDropout(Dropout):
    """`alpha_dropout` where it is called while training; x itself after `eval()`."""

    drop = staticmethod(alpha_dropout)


def eval_with_dropout(layer: Layer) -> Layer:
    """`layer.eval()`, but dropout goes on within it; returns the layer."""
    layer.eval()
    for part in layer.layers():
        part.training = isinstance(part, Dropout)
    return layer
