"""Layers that join branches: sums with what went in, mixtures, channels side by side, gates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.nn.layers import Activation, Dense
from graphc.ops.activations import relu
from graphc.ops.convolutions.pooling import global_average_pool
from graphc.ops.exponential import sigmoid
from graphc.ops.joining import concat
from graphc.ops.layout import reshape
from graphc.ops.trigonometric import tanh


class Residual(Layer):
    """activation(skip(x) + branch(x)): He et al. (2016). Without `skip` that is x itself, without
    an activation the sum.
    """

    def __init__(
        self,
        branch: Callable[[Tensor], Tensor],
        skip: Callable[[Tensor], Tensor] | None = None,
        activation: Activation | None = None,
    ):
        self.branch, self.skip, self.activation = branch, skip, activation

    def __call__(self, x: Tensor) -> Tensor:
        y = (x if self.skip is None else self.skip(x)) + self.branch(x)
        return y if self.activation is None else self.activation(y)


class Parallel(Layer):
    """Every branch on the same x, their channels (axis 1) one after the other: the depth
    concatenation of Szegedy et al. (2015).
    """

    def __init__(self, *branches: Callable[[Tensor], Tensor]):
        self.branches = list(branches)

    def __call__(self, x: Tensor) -> Tensor:
        return concat([branch(x) for branch in self.branches], axis=1)


class Highway(Layer):
    """g * activation(x W + b) + (1 - g) * x with the gate g = sigmoid(x V + c) of each feature:
    Srivastava, Greff and Schmidhuber (2015).

    The gate's bias c starts at `start`; below zero, much of x passes at first.
    """

    def __init__(
        self,
        size: int,
        activation: Activation = tanh,
        start: float = -1.0,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        source = init.generator(seed)
        self.change = Dense(size, size, activation, seed=source, dtype=dtype)
        self.gate = Dense(size, size, sigmoid, seed=source, dtype=dtype)
        assert self.gate.bias is not None
        self.gate.bias.value = init.constant((size,), start, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        g = self.gate(x)
        return g * self.change(x) + (1 - g) * x


class SqueezeExcite(Layer):
    """x (N, C, *sizes) with each channel times a gate from 0 to 1: sigmoid of two layers on the
    means of all channels, the first one with `hidden` units (Hu, Shen and Sun, 2018).
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        activation: Activation = relu,
        bias: bool = True,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        source = init.generator(seed)
        self.squeeze = Dense(channels, hidden, activation, bias, seed=source, dtype=dtype)
        self.excite = Dense(hidden, channels, sigmoid, bias, seed=source, dtype=dtype)

    def __call__(self, x: Tensor) -> Tensor:
        gates = self.excite(self.squeeze(global_average_pool(x)))
        return x * reshape(gates, (*gates.shape, *(1 for _ in x.shape[2:])))
