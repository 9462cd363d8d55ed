"""Layers made of array functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.dtypes import float32
from graphc.ir.errors import GraphError, ShapeError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.ops.contraction import matmul
from graphc.ops.convert import cast
from graphc.ops.distributions import uniform
from graphc.ops.generator import Generator
from graphc.ops.powers import rsqrt
from graphc.ops.select import where
from graphc.ops.source import variable
from graphc.ops.statistics import mean

Activation = Callable[[Tensor], Tensor]
Init = Callable[..., Any]


class Dense(Layer):
    """x @ weight + bias over the last axis, then the activation.

    The weight is (inputs, outputs), Glorot uniform unless `weights` says otherwise; the bias starts
    at 0.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: Activation | None = None,
        bias: bool = True,
        weights: Init = init.glorot_uniform,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        self.weight = variable(weights((inputs, outputs), seed, dtype=dtype), "weight")
        self.bias = variable(init.zeros((outputs,), dtype), "bias") if bias else None
        self.activation = activation

    def __call__(self, x: Tensor) -> Tensor:
        if not x.shape or x.shape[-1] != self.weight.shape[0]:
            wanted = f"Dense needs a last axis of length {self.weight.shape[0]}"
            came = x.shape[-1] if x.shape else "a scalar"
            raise ShapeError(f"{wanted}, not {came}\n  {x.describe()}")
        y = matmul(x, self.weight)
        y = y if self.bias is None else y + self.bias
        return y if self.activation is None else self.activation(y)


class Sequential(Layer):
    """Each layer or function on the result of the one before."""

    def __init__(self, *steps: Activation):
        self.steps = list(steps)

    def variables(self) -> dict[str, Tensor]:
        return {k.removeprefix("steps."): x for k, x in super().variables().items()}

    def __call__(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(x)
        return x

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, k: int) -> Activation:
        return self.steps[k]


def dropout(x: Tensor, rate: float, key: Tensor | Generator) -> Tensor:
    """x with each element zero with probability `rate`, the others divided by 1 - rate."""
    if not 0 <= rate < 1:
        raise GraphError(f"a dropout rate is at least 0 and below 1, not {rate}")
    if rate == 0:
        return x
    return where(uniform(key, x.shape) < rate, 0, x * (1 / (1 - rate)))


class Dropout(Layer):
    """`dropout` where it is called while training; x itself after `eval()`."""

    def __init__(self, rate: float, generator: Generator):
        if not 0 <= rate < 1:
            raise GraphError(f"a dropout rate is at least 0 and below 1, not {rate}")
        self.rate, self.generator = rate, generator

    def __call__(self, x: Tensor) -> Tensor:
        return dropout(x, self.rate, self.generator) if self.training else x


class LayerNorm(Layer):
    """Zero mean and unit variance over the last axis, then times `scale` plus `shift`: Ba, Kiros
    and Hinton (2016).
    """

    def __init__(self, size: int, eps: float = 1e-5, dtype: Any = "float32"):
        self.scale = variable(init.ones((size,), dtype), "scale")
        self.shift = variable(init.zeros((size,), dtype), "shift")
        self.eps = eps

    def __call__(self, x: Tensor) -> Tensor:
        wide = cast(x, float32) if x.dtype.bits == 16 else x
        centred = wide - mean(wide, -1, keepdims=True)
        variance = mean(centred * centred, -1, keepdims=True)
        normal = cast(centred * rsqrt(variance + self.eps), x.dtype)
        return normal * self.scale + self.shift


class Embedding(Layer):
    """Row x[i] of a table (count, size) for each integer of x; one out of range fails the call."""

    def __init__(self, count: int, size: int, seed: Seed = None, dtype: Any = "float32"):
        self.table = variable(init.normal((count, size), seed, std=1.0, dtype=dtype), "table")

    def __call__(self, x: Tensor) -> Tensor:
        from graphc.ops.gather import take

        return take(self.table, x, axis=0)
