"""Networks that give every pixel a class: Long, Shelhamer and Darrell (2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc import init
from graphc.init import Seed
from graphc.ir.dtypes import as_dtype
from graphc.ir.node import Tensor
from graphc.nn.convolution import ConvTranspose, conv2d
from graphc.nn.layer import Layer


def bilinear_kernels(shape: Sequence[int], seed: Seed = None, dtype: Any = "float32") -> Any:
    """Kernels (channels, 1, taps, taps) with which a transposed convolution for each channel
    interpolates linearly between pixels: an initialiser.
    """
    taps = shape[-1]
    factor = (taps + 1) // 2
    line = 1 - np.abs(np.arange(taps) - (taps - 1) / 2) / factor
    return np.broadcast_to(np.outer(line, line), shape).astype(as_dtype(dtype).numpy)


def upsampling(channels: int, factor: int, dtype: Any = "float32") -> ConvTranspose:
    """`factor` times the sides of each channel: linear interpolation, until training changes it."""
    taps = (2 * factor - factor % 2,) * 2
    options: dict[str, Any] = {"stride": factor, "padding": factor // 2, "groups": channels}
    more: dict[str, Any] = {"bias": False, "weights": bilinear_kernels, "dtype": dtype}
    return ConvTranspose(channels, channels, taps, **options, **more)


class FCN(Layer):
    """Logits (N, classes, H, W) for every pixel of images of any size.

    `stages` are layers of which each halves the sides, rounding up (as `MaxPool(2, padding="same")`
    does), and how many channels each gives. From the last one back, 1 x 1 kernels score the maps,
    and scores twice as large are added to those of the stage before.
    """

    def __init__(
        self,
        stages: Sequence[tuple[Layer, int]],
        classes: int,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        source = init.generator(seed)
        self.stages = [stage for stage, _ in stages]
        self.scores = [conv2d(c, classes, 1, seed=source, dtype=dtype) for _, c in stages]
        self.up = [upsampling(classes, 2, dtype) for _ in stages]

    def __call__(self, x: Tensor) -> Tensor:
        maps = [x]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        y = self.scores[-1](maps[-1])
        for k in reversed(range(len(self.stages))):
            y = self.up[k](y, maps[k].shape[2:])
            y = y + self.scores[k - 1](maps[k]) if k > 0 else y
        return y
