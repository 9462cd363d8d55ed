"""GoogLeNet: Szegedy et al. (2015). Kernels of several sizes side by side."""

from __future__ import annotations

from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.branches import Parallel
from graphc.nn.convolution import MaxPool, conv2d
from graphc.nn.dropout import Dropout
from graphc.nn.layer import Layer
from graphc.nn.layers import Dense, Sequential
from graphc.ops.activations import relu
from graphc.ops.convolutions.pooling import adaptive_average_pool, global_average_pool
from graphc.ops.randomness.generator import Generator
from graphc.vision.models.parts import flat

Widths = tuple[int, int, int, int, int, int]

# 1 x 1; before 3 x 3, and these; before 5 x 5, and these; after the maximum. "pool" halves sides.
BLOCKS: tuple[Widths | str, ...] = (
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    "pool",
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    "pool",
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)


def _conv(inputs: int, outputs: int, taps: int, stride: int = 1, **options: Any) -> Layer:
    padding = taps // 2
    return conv2d(inputs, outputs, taps, stride=stride, padding=padding, activation=relu, **options)


def inception(inputs: int, widths: Widths, seed: Seed = None, dtype: Any = "float32") -> Parallel:
    """1 x 1, 3 x 3 and 5 x 5 kernels and a maximum, each after or with 1 x 1 kernels that lessen
    the channels: widths[0] + widths[2] + widths[4] + widths[5] of them come out.
    """
    one, before3, three, before5, five, pooled = widths
    options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
    return Parallel(
        _conv(inputs, one, 1, **options),
        Sequential(_conv(inputs, before3, 1, **options), _conv(before3, three, 3, **options)),
        Sequential(_conv(inputs, before5, 1, **options), _conv(before5, five, 5, **options)),
        Sequential(MaxPool(3, 1, "same"), _conv(inputs, pooled, 1, **options)),
    )


class GoogLeNet(Layer):
    """Logits of images (N, channels, H, W). With `auxiliary`, while training, a tuple of these and
    of the logits of heads after the blocks `heads_at`, whose losses count 0.3 each.

    The last layers see half of the features where `dropout` gives random numbers.
    """

    def __init__(
        self,
        classes: int = 1000,
        channels: int = 3,
        auxiliary: bool = False,
        dropout: Generator | None = None,
        stem: tuple[int, int, int] = (64, 64, 192),
        blocks: tuple[Widths | str, ...] = BLOCKS,
        heads_at: tuple[int, ...] = (3, 6),
        middle: tuple[int, int] = (128, 1024),
        bins: int = 4,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
        first, second, width = stem
        self.stem = Sequential(
            _conv(channels, first, 7, 2, **options),
            MaxPool(3, 2, "same"),
            _conv(first, second, 1, **options),
            _conv(second, width, 3, **options),
            MaxPool(3, 2, "same"),
        )
        self.blocks: list[Layer] = []
        self.heads: dict[int, Layer] = {}
        for k, block in enumerate(blocks):
            if isinstance(block, str):
                self.blocks.append(MaxPool(3, 2, "same"))
                continue
            self.blocks.append(inception(width, block, **options))
            width = block[0] + block[2] + block[4] + block[5]
            if auxiliary and k in heads_at:
                self.heads[k] = _head(width, middle, bins, classes, **options)
        self.dropout = None if dropout is None else Dropout(0.4, dropout)
        self.head = Dense(width, classes, **options)

    def __call__(self, x: Tensor) -> Any:
        x = self.stem(x)
        early = []
        for k, block in enumerate(self.blocks):
            x = block(x)
            if k in self.heads and self.training:
                early.append(self.heads[k](x))
        x = global_average_pool(x)
        y = self.head(x if self.dropout is None else self.dropout(x))
        return (y, *early) if early else y


def _head(inputs: int, widths: tuple[int, int], bins: int, classes: int, **options: Any) -> Layer:
    """A head in the middle: means of some bins along each side, 1 x 1 kernels, two layers."""
    first, second = widths
    return Sequential(
        lambda x: adaptive_average_pool(x, bins),
        _conv(inputs, first, 1, **options),
        flat,
        Dense(first * bins * bins, second, relu, **options),
        Dense(second, classes, **options),
    )
