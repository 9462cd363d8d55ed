"""Densely connected networks: Huang, Liu, van der Maaten and Weinberger (2017)."""

from __future__ import annotations

from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.convolution import AveragePool, conv2d
from graphc.nn.layer import Layer
from graphc.nn.layers import Sequential
from graphc.nn.normalisation import BatchNorm
from graphc.ops.activations import relu
from graphc.ops.joining import concat
from graphc.vision.models.parts import averaged, stem


def _conv(inputs: int, outputs: int, taps: int, seed: Seed, dtype: Any) -> list[Any]:
    """Batch norm, relu, a convolution."""
    options: dict[str, Any] = {"bias": False, "seed": seed, "dtype": dtype}
    conv = conv2d(inputs, outputs, taps, padding=taps // 2, **options)
    return [BatchNorm(inputs, dtype=dtype), relu, conv]


class DenseLayer(Layer):
    """x and `growth` channels more, made of all of x: 1 x 1 kernels to 4 `growth`, then 3 x 3."""

    def __init__(self, inputs: int, growth: int, seed: Seed = None, dtype: Any = "float32"):
        options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
        self.branch = Sequential(
            *_conv(inputs, 4 * growth, 1, **options), *_conv(4 * growth, growth, 3, **options)
        )

    def __call__(self, x: Tensor) -> Tensor:
        return concat([x, self.branch(x)], axis=1)


def transition(inputs: int, seed: Seed = None, dtype: Any = "float32") -> Sequential:
    """Half of the channels and half of the sides."""
    return Sequential(*_conv(inputs, inputs // 2, 1, seed, dtype), AveragePool(2))


def densenet(
    depths: tuple[int, ...],
    growth: int = 32,
    classes: int = 1000,
    channels: int = 3,
    seed: Seed = None,
    dtype: Any = "float32",
) -> Sequential:
    """Logits of images (N, channels, H, W): blocks of `depth` layers, each of which sees all before
    it in the block, with transitions between blocks.
    """
    options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
    width = 2 * growth
    steps = stem(channels, width, **options)
    for block, depth in enumerate(depths):
        if block > 0:
            steps.append(transition(width, **options))
            width //= 2
        for _ in range(depth):
            steps.append(DenseLayer(width, growth, **options))
            width += growth
    steps += [BatchNorm(width, dtype=dtype), relu]
    return Sequential(*steps, *averaged(width, classes, **options))


def densenet121(**options: Any) -> Sequential:
    """The one with 121 layers."""
    return densenet((6, 12, 24, 16), **options)
