"""The all-convolutional network: Springenberg et al. (2015). Strides take the place of pooling."""

from __future__ import annotations

from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.nn.convolution import conv2d
from graphc.nn.layers import Sequential
from graphc.ops.activations import relu
from graphc.ops.convolutions.pooling import global_average_pool


def all_cnn_c(
    classes: int = 10,
    channels: int = 3,
    widths: tuple[int, int] = (96, 192),
    seed: Seed = None,
    dtype: Any = "float32",
) -> Sequential:
    """Logits of images (N, channels, H, W): 3 x 3 kernels, some of stride 2, 1 x 1 kernels, the
    mean of each map.
    """
    source = init.generator(seed)
    a, b = widths
    # Outputs, taps, stride.
    layers = [(a, 3, 1), (a, 3, 1), (a, 3, 2), (b, 3, 1), (b, 3, 1), (b, 3, 2), (b, 3, 1)]
    steps: list[Any] = []
    for outputs, taps, stride in [*layers, (b, 1, 1), (classes, 1, 1)]:
        options: dict[str, Any] = {"stride": stride, "padding": taps // 2, "activation": relu}
        steps.append(conv2d(channels, outputs, taps, seed=source, dtype=dtype, **options))
        channels = outputs
    return Sequential(*steps, global_average_pool)
