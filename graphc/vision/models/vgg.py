"""VGG: Simonyan and Zisserman (2015). 3 x 3 kernels alone, twice as many after each maximum."""

from __future__ import annotations

from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.nn.convolution import MaxPool, conv2d
from graphc.nn.layers import Sequential
from graphc.ops.activations import relu
from graphc.ops.randomness.generator import Generator
from graphc.vision.models.parts import dense_head


def vgg(
    depths: tuple[int, ...],
    widths: tuple[int, ...] = (64, 128, 256, 512, 512),
    hidden: int = 4096,
    classes: int = 1000,
    channels: int = 3,
    side: int = 7,
    dropout: Generator | None = None,
    seed: Seed = None,
    dtype: Any = "float32",
) -> Sequential:
    """Logits of images (N, channels, 224, 224). A group has `depth` convolutions of `width` outputs
    and ends in a maximum over 2 x 2; `side` is that of the last maps.
    """
    source = init.generator(seed)
    options: dict[str, Any] = {"padding": 1, "activation": relu, "seed": source, "dtype": dtype}
    steps: list[Any] = []
    for depth, width in zip(depths, widths, strict=True):
        for _ in range(depth):
            steps.append(conv2d(channels, width, 3, **options))
            channels = width
        steps.append(MaxPool(2))
    head = (channels * side * side, hidden, hidden, classes)
    return Sequential(*steps, *dense_head(head, dropout, source, dtype))


def vgg16(**options: Any) -> Sequential:
    """The one with 13 convolutions."""
    return vgg((2, 2, 3, 3, 3), **options)


def vgg19(**options: Any) -> Sequential:
    """The one with 16 convolutions."""
    return vgg((2, 2, 4, 4, 4), **options)
