"""EfficientNet: Tan and Le (2019). Depth, width and resolution grow together."""

from __future__ import annotations

import math
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.branches import SqueezeExcite
from graphc.nn.layer import Layer
from graphc.nn.layers import Sequential
from graphc.ops.activations import silu
from graphc.vision.models.parts import averaged, conv_norm

# How many times deeper, wider and finer each step of phi makes a network.
DEPTH, WIDTH, RESOLUTION = 1.2, 1.1, 1.15

# Expansion, outputs, layers, stride of the first of these, taps.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class InvertedResidual(Layer):
    """1 x 1 kernels to `expansion` times as many channels, a kernel for each of them, gates for
    channels, and 1 x 1 kernels without activation; plus x where the shape is the same.

    Sandler et al. (2018), with the gates of Hu et al. (2018) and swish.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        expansion: int = 6,
        stride: int = 1,
        taps: int = 3,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
        wide, hidden = inputs * expansion, max(1, inputs // 4)
        first = [] if expansion == 1 else [conv_norm(inputs, wide, 1, 1, silu, **options)]
        self.branch = Sequential(
            *first,
            conv_norm(wide, wide, taps, stride, silu, wide, **options),
            SqueezeExcite(wide, hidden, silu, **options),
            conv_norm(wide, outputs, 1, activation=None, **options),
        )
        self.same = inputs == outputs and stride == 1

    def __call__(self, x: Tensor) -> Tensor:
        y = self.branch(x)
        return x + y if self.same else y


def widened(channels: int, phi: float) -> int:
    """Channels times WIDTH^phi, to the nearest multiple of 8 (not a tenth below)."""
    wanted = channels * WIDTH**phi
    near = max(8, int(wanted + 4) // 8 * 8)
    return near if near >= 0.9 * wanted else near + 8


def efficientnet(
    phi: float = 0,
    classes: int = 1000,
    channels: int = 3,
    stages: tuple[tuple[int, int, int, int, int], ...] = STAGES,
    seed: Seed = None,
    dtype: Any = "float32",
) -> Sequential:
    """Logits of images (N, channels, H, W), best of sides 224 RESOLUTION^phi.

    phi = 0 is B0, 1 is B2.
    """
    options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
    inputs = widened(32, phi)
    steps: list[Any] = [conv_norm(channels, inputs, 3, 2, silu, **options)]
    for expansion, width, depth, stride, taps in stages:
        outputs = widened(width, phi)
        for k in range(math.ceil(depth * DEPTH**phi)):
            step = stride if k == 0 else 1
            steps.append(InvertedResidual(inputs, outputs, expansion, step, taps, **options))
            inputs = outputs
    last = widened(1280, phi)
    steps.append(conv_norm(inputs, last, 1, 1, silu, **options))
    return Sequential(*steps, *averaged(last, classes, **options))
