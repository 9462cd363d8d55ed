"""Boltzmann machines in layers: deep belief nets (Hinton, Osindero and Teh, 2006) and deep
Boltzmann machines (Salakhutdinov and Hinton, 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from itertools import pairwise
from typing import Any

from graphc import init
from graphc.control import scan, while_loop
from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.nn.divergences import entropy
from graphc.nn.layer import Layer, first_value
from graphc.nn.layers import Dense, Sequential
from graphc.ops.arithmetic import absolute, maximum
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import cast
from graphc.ops.creation import full
from graphc.ops.custom import stop_gradient
from graphc.ops.exponential import sigmoid, softplus
from graphc.ops.joining import stack
from graphc.ops.layout import broadcast_to, expand_dims
from graphc.ops.linear.contraction import matmul
from graphc.ops.logic import logical_and
from graphc.ops.randomness.distributions import bernoulli
from graphc.ops.randomness.generator import KeyLike, split
from graphc.ops.reduction import max as largest
from graphc.ops.reduction import sum as total
from graphc.ops.source import constant, variable
from graphc.ops.statistics import logsumexp, mean
from graphc.probability.boltzmann import RBM
from graphc.probability.enumeration import binary_states


class DeepBeliefNet(Layer):
    """An RBM between the two top layers, and below it sigmoid units that are drawn given the layer
    above.

    sizes: units of each layer, the visible first. Train `rbms[k]` on `up(v, k)`, one after the
    other; an optimiser that is given the variables of one leaves the others as they are.
    """

    def __init__(self, sizes: Sequence[int], seed: int = 0, dtype: Any = "float32"):
        if len(sizes) < 2:
            raise GraphError(f"a deep belief net has at least two layers, not {len(sizes)}")
        pairs = enumerate(pairwise(sizes))
        self.rbms = [RBM(low, high, seed + k, dtype) for k, (low, high) in pairs]

    def __call__(self, v: Tensor) -> Tensor:
        """The top layer's means."""
        return self.up(v, len(self.rbms))

    def up(self, v: Tensor, depth: int) -> Tensor:
        """The means of layer `depth`, those of each layer taken as if they were states."""
        for rbm in self.rbms[:depth]:
            v = rbm(v)
        return v

    def log_probability(self, v: Tensor) -> Tensor:
        """log p of rows v, by enumeration of the states of every layer."""
        return _log_probability(self.rbms, v)

    def sample(self, key: KeyLike, start: Tensor, steps: int) -> Tensor:
        """Visible states: the top RBM's Gibbs chains from `start` (N, units below the top) on,
        then each layer drawn given the one above.
        """
        keys = split(key, len(self.rbms))
        *below, top = self.rbms
        h = top.gibbs(keys[0], start, steps)
        for k, rbm in enumerate(reversed(below), 1):
            h = rbm.sample_visible(keys[k], h)
        return h

    def network(self, *head: Any) -> Sequential:
        """A perceptron of sigmoid layers that begins with these weights (copies of them), followed
        by `head`: to be fine-tuned.
        """
        layers = []
        for rbm in self.rbms:
            high, low = (int(d) for d in rbm.weight.shape)
            layer = Dense(low, high, sigmoid, dtype=rbm.weight.dtype)
            assert layer.bias is not None
            layer.weight.value, layer.bias.value = rbm.weight.value.T, rbm.hidden_bias.value
            layers.append(layer)
        return Sequential(*layers, *head)


def _log_probability(rbms: Sequence[RBM], v: Tensor) -> Tensor:
    first, *above = rbms
    if not above:
        return -first.nll(v)
    h = binary_states(first.hidden_bias.shape[0], v.dtype)
    logits = matmul(h, first.weight) + first.visible_bias
    given = matmul(v, matrix_transpose(logits)) - total(softplus(logits), axis=-1)
    return logsumexp(given + _log_probability(above, h), axis=1)


class DeepBoltzmannMachine(Layer):
    """Layers x_0 (visible), x_1, ... of units of 0 and 1, each tied to the layer above:
    E = -sum_l x_l W_l x_l+1 - sum_l b_l x_l.

    `weights[l]` is (lower, upper), normal with deviation 0.01 at first; `biases[l]` are 0.
    """

    def __init__(self, sizes: Sequence[int], seed: int = 0, dtype: Any = "float32"):
        if len(sizes) < 2:
            raise GraphError(f"a deep Boltzmann machine has at least two layers, not {len(sizes)}")
        small = partial(init.normal, std=0.01)
        pairs = enumerate(pairwise(sizes))
        self.sizes = tuple(sizes)
        self.weights = [
            variable(first_value(small, pair, seed + k, dtype), f"weight{k}") for k, pair in pairs
        ]
        self.biases = [variable(init.zeros((n,), dtype), f"bias{k}") for k, n in enumerate(sizes)]

    def energy(self, states: Sequence[Tensor]) -> Tensor:
        """E of the states of all layers, or, as it is linear in each layer, its mean under a
        product of Bernoulli laws with these means.
        """
        pairs = zip(states, self.weights, states[1:], strict=False)
        ties = [total(matmul(low, w) * high, axis=-1) for low, w, high in pairs]
        own = [matmul(x, b) for x, b in zip(states, self.biases, strict=True)]
        return -sum([*ties[1:], *own], ties[0])

    def logits(self, states: Sequence[Tensor], layer: int) -> Tensor:
        """Those of the units of one layer given the layers beside it."""
        found = self.biases[layer]
        if layer > 0:
            found = matmul(states[layer - 1], self.weights[layer - 1]) + found
        if layer + 1 < len(states):
            found = matmul(states[layer + 1], matrix_transpose(self.weights[layer])) + found
        return found

    def mean_field(self, v: Tensor, tolerance: float = 1e-6, most: int = 1000) -> list[Tensor]:
        """(v, mu_1, ...): the hidden means that solve mu_l = sigmoid(logits given the others'
        means), found by going through the layers until none changes by more than `tolerance`, or
        `most` times. They are constants for gradients.
        """
        v = stop_gradient(v)
        rows = v.shape[:-1]
        half = [full((*rows, n), 0.5, dtype=v.dtype) for n in self.sizes[1:]]

        def going(state: tuple[Any, ...]) -> Tensor:
            return logical_and(state[1] > tolerance, state[0] < most)

        def step(state: tuple[Any, ...]) -> tuple[Any, ...]:
            count, _, *old = state
            new = [v, *old]
            for layer in range(1, len(new)):
                new[layer] = sigmoid(self.logits(new, layer))
            moves = [largest(absolute(a - b)) for a, b in zip(new[1:], old, strict=True)]
            return (count + 1, reduce(maximum, moves), *new[1:])

        far = full((), 2.0, dtype=v.dtype)
        _, _, *means = while_loop(going, step, (constant(0), far, *half))
        return [v, *(stop_gradient(mu) for mu in means)]

    def bound(self, means: Sequence[Tensor]) -> Tensor:
        """A lower bound of log p(v) for each row, but for log Z: minus the mean energy under a
        product of Bernoulli laws with these means of the hidden layers, plus its entropy.
        """
        laws = [stack([mu, 1 - mu], axis=-1) for mu in means[1:]]
        return sum((total(entropy(p), axis=-1) for p in laws), -self.energy(means))

    def log_partition(self) -> Tensor:
        """log Z, by enumeration of all units."""
        states = binary_states(sum(self.sizes), self.biases[0].dtype)
        ends = [sum(self.sizes[: k + 1]) for k in range(len(self.sizes))]
        layers = [states[:, end - n : end] for n, end in zip(self.sizes, ends, strict=True)]
        return logsumexp(-self.energy(layers))

    def log_probability(self, v: Tensor) -> Tensor:
        """log p of rows v, by enumeration of all units."""
        hidden = binary_states(sum(self.sizes[1:]), v.dtype)
        shape = (v.shape[0], hidden.shape[0])
        layers, begin = [broadcast_to(expand_dims(v, 1), (*shape, self.sizes[0]))], 0
        for n in self.sizes[1:]:
            layers.append(broadcast_to(hidden[:, begin : begin + n], (*shape, n)))
            begin += n
        return logsumexp(-self.energy(layers), axis=1) - self.log_partition()

    def gibbs(self, key: KeyLike, states: Sequence[Tensor], steps: int = 1) -> list[Tensor]:
        """States of all layers after so many rounds in which each layer in turn is drawn given the
        layers beside it.
        """

        def step(state: list[Tensor], draw: Tensor) -> tuple[list[Tensor], None]:
            keys, new = split(draw, len(self.sizes)), list(state)
            for layer in range(len(new)):
                chance = sigmoid(self.logits(new, layer))
                new[layer] = cast(bernoulli(keys[layer], chance), chance.dtype)
            return new, None

        return list(scan(step, list(states), split(key, steps))[0])

    def loss(self, means: Sequence[Tensor], negative: Sequence[Tensor]) -> Tensor:
        """The mean energy of data with their `mean_field` less that of negative samples, both
        constants: its gradient estimates that of the mean of log Z - `bound`.
        """
        held = [stop_gradient(x) for x in negative]
        return mean(self.energy([stop_gradient(x) for x in means])) - mean(self.energy(held))
