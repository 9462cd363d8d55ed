"""Weights that are distributions: a normal law over all parameters of a model together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer, state_of
from graphc.ops.arithmetic import absolute
from graphc.ops.diagonal import diagonal, tril
from graphc.ops.exponential import exp, log
from graphc.ops.linear.contraction import matmul
from graphc.ops.randomness.distributions import normal
from graphc.ops.randomness.generator import KeyLike
from graphc.ops.reduction import sum as total
from graphc.ops.source import variable
from graphc.ops.statistics import mean, var
from graphc.optim.points import along
from graphc.passes.derivatives.batch import vmap


class NormalWeights(Layer):
    """A normal law q of the parameters, joined in one vector w = μ + L ε (Blundell et al., 2015).

    L is diag(exp(log_std)), or with `full` a lower triangular matrix. μ starts at the parameters'
    values. `elbo` is to be raised by training `self.parameters()`.
    """

    def __init__(
        self, parameters: Iterable[Tensor] | Mapping[str, Tensor], std: float = 0.1,
        full: bool = False,
    ):  # fmt: skip
        given = parameters.values() if isinstance(parameters, Mapping) else parameters
        self.replaced = tuple(given)
        arrays = [state.array for x in self.replaced if (state := state_of(x)) is not None]
        if not arrays or len(arrays) != len(self.replaced):
            raise GraphError("a law of weights needs variables")
        start = np.concatenate([a.reshape(-1) for a in arrays])
        self.mean = variable(start, "mean")
        n, kind = start.size, start.dtype
        first = std * np.eye(n, dtype=kind) if full else np.full(n, math.log(std), kind)
        self.spread = variable(first, "root" if full else "log_std")
        self.size = n

    def variables(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "spread": self.spread}

    def weights(self, noise: Tensor) -> Tensor:
        """The vector w = μ + L · noise."""
        if self.spread.ndim == 2:
            return self.mean + matmul(tril(self.spread), noise)
        return self.mean + exp(self.spread) * noise

    def draw(self, output: Tensor, noise: Tensor) -> Tensor:
        """The output with the model's parameters replaced by μ + L · noise."""
        return along(output, self.replaced, self.weights(noise))

    def kl(self, prior_std: float = 1.0) -> Tensor:
        """KL(q || N(0, prior_std² I))."""
        if self.spread.ndim == 2:
            root = tril(self.spread)
            squares, logs = total(root * root), total(log(absolute(diagonal(root))))
        else:
            squares, logs = total(exp(2 * self.spread)), total(self.spread)
        fit = (squares + total(self.mean * self.mean)) / prior_std**2
        return 0.5 * (fit - self.size * (1 - 2 * math.log(prior_std))) - logs

    def elbo(
        self, log_likelihood: Tensor, key: KeyLike, samples: int = 1, prior_std: float = 1.0,
        kl_weight: float = 1.0,
    ) -> Tensor:  # fmt: skip
        """The mean log likelihood over draws of the weights, less the KL: at most the log evidence.
        With one of M minibatches (and its own likelihood alone) `kl_weight` is 1 / M.
        """
        noise = normal(key, (samples, self.size), dtype=self.mean.dtype)
        each = vmap(lambda e: self.draw(log_likelihood, e))(noise)
        return mean(each) - kl_weight * self.kl(prior_std)


def predictive_moments(
    output: Tensor, parameters: Sequence[Tensor], vectors: Tensor
) -> tuple[Tensor, Tensor]:
    """The mean and variance of an output over weights (draws, P), each a model of its own: what a
    Bayesian network predicts, from draws of any sampler.
    """
    every = vmap(lambda v: along(output, parameters, v))(vectors)
    return mean(every, 0), var(every, 0)
