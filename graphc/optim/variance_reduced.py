"""Stochastic gradients whose variance vanishes at the minimum of a finite sum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from graphc.ir.node import Tensor
from graphc.ops.indexing.dynamic_slicing import dynamic_slice, dynamic_update_slice
from graphc.ops.layout import reshape
from graphc.optim.accelerated import Parameters
from graphc.optim.optimiser import Optimiser, Rate, those_of
from graphc.optim.points import gradients_at
from graphc.optim.rules import Step


class SAGA(Optimiser):
    """Defazio, Bach and Lacoste-Julien (2014): the gradient of sample `index` less the one stored
    for it, plus the mean of those stored; then the new one is stored.

    The loss is that of the sample `index` (an integer scalar below `samples`), say a placeholder.
    A slot holds a gradient for every sample.
    """

    unbiased = True

    def __init__(self, lr: Rate, samples: int, index: Tensor):
        super().__init__(lr)
        self.samples, self.index = samples, index

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        empty = np.zeros((self.samples, *(1 for _ in p.shape)))
        table, mean = self.slot(name, "gradients", p, empty), self.slot(name, "mean", p)
        old = dynamic_slice(table, [self.index], [1], axes=[0])[0]
        new_mean = mean + (g - old) / self.samples
        direction = g - old + mean if self.unbiased else new_mean
        stored = dynamic_update_slice(table, reshape(g, (1, *p.shape)), [self.index], axes=[0])
        return p - direction * self.rate(p.dtype), {table: stored, mean: new_mean}


class SAG(SAGA):
    """Schmidt, Le Roux and Bach (2017): the mean of the stored gradients, that of sample `index`
    new; biased, with less variance than SAGA.
    """

    unbiased = False


class SVRG(Optimiser):
    """Johnson and Zhang (2013): the gradient of a sample less its gradient at a checkpoint, plus
    the gradient of the whole loss there.

    Two functions are compiled: one with `updates` of a sample's loss, and one with `checkpoint` of
    the whole loss, to call before the first step and now and then.
    """

    def updates(self, loss: Tensor, parameters: Parameters) -> dict[Tensor, Tensor]:
        params = those_of(loss, parameters)
        self.remember(params)
        there = gradients_at(loss, params, self._slots("checkpoint", params))
        here = gradients_at(loss, params, params)
        whole = self._slots("gradient", params)
        return self.apply({n: here[n] - there[n] + whole[n] for n in params}, params)

    def checkpoint(self, loss: Tensor, parameters: Parameters) -> dict[Tensor, Tensor]:
        """New values of the checkpoint and of the gradient of the whole loss there."""
        params = those_of(loss, parameters)
        self.remember(params)
        places, whole = self._slots("checkpoint", params), self._slots("gradient", params)
        grads = gradients_at(loss, params, params)
        new = {whole[name]: grads[name] for name in params}
        return new | {places[name]: p for name, p in params.items()}

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        return p - g * self.rate(p.dtype), {}

    def _slots(self, kind: str, params: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: self.slot(name, kind, p) for name, p in params.items()}
