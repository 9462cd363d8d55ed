"""MobileNet: Howard et al. (2017). A kernel for each channel, then 1 x 1 kernels across them."""

from __future__ import annotations

from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.nn.layers import Sequential
from graphc.vision.models.parts import averaged, conv_norm

# Outputs and stride of each block.
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    *(((512, 1),) * 5), (1024, 2), (1024, 1),
)  # fmt: skip


def mobilenet(
    classes: int = 1000,
    channels: int = 3,
    first: int = 32,
    blocks: tuple[tuple[int, int], ...] = BLOCKS,
    seed: Seed = None,
    dtype: Any = "float32",
) -> Sequential:
    """Logits of images (N, channels, H, W): the first version, with batch norm and relu after both
    parts of every separable convolution.
    """
    options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
    steps: list[Any] = [conv_norm(channels, first, 3, 2, **options)]
    inputs = first
    for outputs, stride in blocks:
        steps.append(conv_norm(inputs, inputs, 3, stride, groups=inputs, **options))
        steps.append(conv_norm(inputs, outputs, 1, **options))
        inputs = outputs
    return Sequential(*steps, *averaged(inputs, classes, **options))
