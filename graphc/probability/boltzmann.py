"""Restricted Boltzmann machines: Smolensky (1986), Hinton (2002).

Rows v (N, visible) and h (N, hidden) are units; weights are (hidden, visible).
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from graphc import init
from graphc.control import scan
from graphc.init import Seed
from graphc.ir.dtypes import as_dtype
from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer, first_value
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import cast
from graphc.ops.creation import zeros
from graphc.ops.custom import stop_gradient
from graphc.ops.exponential import log, sigmoid, softplus
from graphc.ops.extent import extent
from graphc.ops.linear.contraction import matmul
from graphc.ops.randomness.distributions import bernoulli, normal
from graphc.ops.randomness.generator import KeyLike, split
from graphc.ops.reduction import sum as total
from graphc.ops.source import iota, variable
from graphc.ops.statistics import logsumexp, mean
from graphc.probability.enumeration import binary_states


class RBM(Layer):
    """Units of 0 and 1 with energy E(v, h) = -h W v - b h - c v.

    Parameters: `weight` W, normal with deviation 0.01 at first, `hidden_bias` b, `visible_bias` c.
    """

    def __init__(self, visible: int, hidden: int, seed: Seed = None, dtype: Any = "float32"):
        small = partial(init.normal, std=0.01)
        self.weight = variable(first_value(small, (hidden, visible), seed, dtype), "weight")
        self.hidden_bias = variable(init.zeros((hidden,), dtype), "hidden_bias")
        self.visible_bias = variable(init.zeros((visible,), dtype), "visible_bias")

    def __call__(self, v: Tensor) -> Tensor:
        """p(h = 1 | v) of each hidden unit."""
        return sigmoid(self.hidden_input(v))

    def hidden_input(self, v: Tensor) -> Tensor:
        """b + W v: the logits of p(h = 1 | v)."""
        return matmul(v, matrix_transpose(self.weight)) + self.hidden_bias

    def visible_mean(self, h: Tensor) -> Tensor:
        """The mean of v given h: p(v = 1 | h)."""
        return sigmoid(matmul(h, self.weight) + self.visible_bias)

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h) of rows."""
        return self.visible_energy(v) - total(self.hidden_input(v) * h, axis=-1)

    def visible_energy(self, v: Tensor) -> Tensor:
        """What v alone adds to the energy."""
        return -matmul(v, self.visible_bias)

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) = -log of the sum over h of e^-E, so that p(v) = e^-F / Z."""
        return self.visible_energy(v) - total(softplus(self.hidden_input(v)), axis=-1)

    def hidden_free_energy(self, h: Tensor) -> Tensor:
        """-log of the sum over v of e^-E."""
        up = total(softplus(matmul(h, self.weight) + self.visible_bias), axis=-1)
        return -up - matmul(h, self.hidden_bias)

    def log_partition(self) -> Tensor:
        """log Z, by enumeration of the hidden units."""
        states = binary_states(self.hidden_bias.shape[0], self.weight.dtype)
        return logsumexp(-self.hidden_free_energy(states))

    def nll(self, v: Tensor) -> Tensor:
        """-log p(v) of rows; its gradient is exact, by enumeration of the hidden units."""
        return self.free_energy(v) + self.log_partition()

    def sample_hidden(self, key: KeyLike, v: Tensor) -> Tensor:
        """h drawn given v."""
        return cast(bernoulli(key, self(v)), v.dtype)

    def sample_visible(self, key: KeyLike, h: Tensor) -> Tensor:
        """v drawn given h."""
        return cast(bernoulli(key, self.visible_mean(h)), h.dtype)

    def gibbs(self, key: KeyLike, v: Tensor, steps: int = 1) -> Tensor:
        """v after so many rounds in which h is drawn given v, then v given h."""

        def step(state: Tensor, draw: Tensor) -> tuple[Tensor, None]:
            first, second = split(draw)[0], split(draw)[1]
            return self.sample_visible(second, self.sample_hidden(first, state)), None

        return scan(step, v, split(key, steps))[0]  # type: ignore[no-any-return]


class GaussianRBM(RBM):
    """Real visible units: E(v, h) = sum (v - c)² / 2 s² - h W (v / s) - b h, with deviations s.

    Given h, v is normal with mean c + s W^T h and deviation s. `deviation` is 1 at first and does
    not train; data are best standardised, and rates ten times smaller than for binary units.
    """

    def __init__(self, visible: int, hidden: int, seed: Seed = None, dtype: Any = "float32"):
        super().__init__(visible, hidden, seed, dtype)
        self.deviation = variable(init.ones((visible,), dtype), "deviation", trainable=False)

    def hidden_input(self, v: Tensor) -> Tensor:
        return super().hidden_input(v / self.deviation)

    def visible_mean(self, h: Tensor) -> Tensor:
        return self.visible_bias + self.deviation * matmul(h, self.weight)

    def visible_energy(self, v: Tensor) -> Tensor:
        z = (v - self.visible_bias) / self.deviation
        return total(z * z, axis=-1) / 2

    def hidden_free_energy(self, h: Tensor) -> Tensor:
        up = matmul(h, self.weight)
        each = up * up / 2 + up * self.visible_bias / self.deviation + log(self.deviation)
        size = self.visible_bias.shape[0]
        assert isinstance(size, int)
        constant = size * math.log(2 * math.pi) / 2
        return -total(each, axis=-1) - matmul(h, self.hidden_bias) - constant

    def sample_visible(self, key: KeyLike, h: Tensor) -> Tensor:
        middle = self.visible_mean(h)
        return middle + self.deviation * normal(key, middle.shape, dtype=middle.dtype)


def phase_loss(model: RBM, positive: Tensor, negative: Tensor) -> Tensor:
    """The mean free energy of data less that of negative samples, which are constants: its gradient
    estimates that of the mean -log p, as far as the samples come from the model.
    """
    return mean(model.free_energy(positive)) - mean(model.free_energy(stop_gradient(negative)))


def contrastive_divergence(model: RBM, v: Tensor, key: KeyLike, steps: int = 1) -> Tensor:
    """CD-k: `phase_loss` with negative samples from k = `steps` rounds of Gibbs sampling that start
    at the data (Hinton, 2002).
    """
    return phase_loss(model, v, model.gibbs(key, stop_gradient(v), steps))


class PersistentChains(Layer):
    """Gibbs chains that go on from call to call: the negative samples of persistent contrastive
    divergence (Tieleman, 2008). They start at the rows of `start` (chains, visible); `state` is
    saved and exported like weights.
    """

    def __init__(self, start: Any, dtype: Any = "float32"):
        first = np.array(start, as_dtype(dtype).numpy)
        self.state = variable(first, "state", trainable=False)

    def loss(
        self, model: RBM, v: Tensor, key: KeyLike, steps: int = 1
    ) -> tuple[Tensor, dict[Tensor, Tensor]]:
        """(`phase_loss` with the chains after `steps` more rounds, the update that keeps them)."""
        new = model.gibbs(key, self.state, steps)
        return phase_loss(model, v, new), {self.state: new}


def annealed_log_partition(
    model: RBM, key: KeyLike, base: Tensor, chains: int = 100, steps: int = 1000
) -> Tensor:
    """An estimate of log Z of binary units by annealed importance sampling (Salakhutdinov and
    Murray, 2008): chains go in `steps` steps from independent visible units of logits `base`
    (visible,), say those of the data's means, to the model. Where steps are too few it is too low.
    """
    if isinstance(model, GaussianRBM):
        raise GraphError("annealing from independent units needs units of 0 and 1")
    hidden, visible = model.weight.shape
    kind = model.weight.dtype

    def log_weight(v: Tensor, heat: Tensor) -> Tensor:
        fields = matmul(v, (1 - heat) * base + heat * model.visible_bias)
        return fields + total(softplus(model.hidden_input(v) * heat), axis=-1)

    def step(
        state: tuple[Tensor, Tensor], now: tuple[Tensor, Tensor]
    ) -> tuple[tuple[Tensor, Tensor], None]:
        (v, weight), (draw, count) = state, now
        heat, last = (count + 1) / steps, count / steps
        weight = weight + log_weight(v, heat) - log_weight(v, last)
        keys = split(draw)
        h = cast(bernoulli(keys[0], sigmoid(model.hidden_input(v) * heat)), kind)
        field = (1 - heat) * base + heat * (matmul(h, model.weight) + model.visible_bias)
        return (cast(bernoulli(keys[1], sigmoid(field)), kind), weight), None

    keys = split(key)
    v = cast(bernoulli(keys[0], sigmoid(base), (chains, visible)), kind)
    counts = iota((steps,), 0, kind)
    (_, weight), _ = scan(step, (v, zeros((chains,), dtype=kind)), (split(keys[1], steps), counts))
    start = total(softplus(base)) + extent(hidden, kind) * math.log(2)
    return start + logsumexp(weight) - math.log(chains)
