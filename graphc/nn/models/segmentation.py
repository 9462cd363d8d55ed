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
    """Logits (N, classes, H, W) for every pixel of images of any size whose sides can be halved as
    often as there are stages.

    `stages` are layers of which each halves the sides, and how many channels each gives. From the
    last one back, 1 x 1 kernels score the maps, and scores twice as large are added to those of the
    stage before.
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
        scores = []
        for stage, score in zip(self.stages, self.scores, strict=True):
            x = stage(x)
            scores.append(score(x))
        y = self.up[-1](scores[-1])
        for k in reversed(range(len(scores) - 1)):
            y = self.up[k](y + scores[k])
        return y
