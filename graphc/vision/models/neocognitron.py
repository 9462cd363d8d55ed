"""The neocognitron: Fukushima (1980). Layers that recognise, and layers that blur and thin out."""

from __future__ import annotations

from functools import partial
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.convolution import AveragePool
from graphc.nn.layer import Layer, first_value
from graphc.ops.activations import relu
from graphc.ops.cast import astype
from graphc.ops.convolutions.convolving import Padding, conv
from graphc.ops.creation import ones_like
from graphc.ops.layout import reshape
from graphc.ops.powers import rsqrt
from graphc.ops.reduction import argmax, max, sum
from graphc.ops.source import iota, variable
from graphc.passes.derivatives.differentiate import grad


class SLayer(Layer):
    """How well each patch of an image looks like each kernel: relu(cosine - threshold), scaled to
    at most 1. Kernels are (outputs, inputs, taps, taps).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        taps: int,
        threshold: float = 0.5,
        padding: Padding = "same",
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        shape, flat = (outputs, inputs, taps, taps), partial(init.uniform, low=0.0, high=1.0)
        self.weight = variable(first_value(flat, shape, seed, dtype), "weight")
        self.threshold, self.padding = threshold, padding

    def __call__(self, x: Tensor) -> Tensor:
        one = ones_like(self.weight[:1])
        size = conv(x * x, one, padding=self.padding) + 1e-12
        length = sum(self.weight * self.weight, (1, 2, 3)) + 1e-12
        cosine = conv(x, self.weight, padding=self.padding) * rsqrt(size)
        cosine = cosine * reshape(rsqrt(length), (-1, 1, 1))
        return relu(cosine - self.threshold) * (1 / (1 - self.threshold))

    def learned(self, x: Tensor, rate: float) -> dict[Tensor, Tensor]:
        """New kernels, without labels: in each image the cell that responds most adds its patch,
        times `rate`, to its kernel; all others stay.
        """
        y = self(x)
        rows = reshape(y, (y.shape[0], -1))
        wins = iota(rows.shape, 1) == reshape(argmax(rows, 1), (-1, 1))
        wins = wins & (reshape(max(rows, 1), (-1, 1)) > 0)
        winners = reshape(astype(wins, y.dtype), y.shape)
        patches = grad(sum(conv(x, self.weight, padding=self.padding) * winners), self.weight)
        return {self.weight: self.weight + rate * patches}


class CLayer(Layer):
    """The mean of each field of an image, y, as y / (1 + y): where in the field something was is
    forgotten.
    """

    def __init__(self, field: int, stride: int | None = None):
        self.blur = AveragePool(field, stride)

    def __call__(self, x: Tensor) -> Tensor:
        y = self.blur(x)
        return y / (1 + y)
