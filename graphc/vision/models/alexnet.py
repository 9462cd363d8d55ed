"""AlexNet and its refinement: five convolutions, overlapping maxima, three layers."""

from __future__ import annotations

from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.nn.convolution import MaxPool, conv2d
from graphc.nn.layers import Sequential
from graphc.ops.activations import relu
from graphc.ops.randomness.generator import Generator
from graphc.vision.models.parts import dense_head

# Outputs, taps, stride, padding, groups, and whether a maximum follows.
Layer = tuple[int, int, int, int, int, bool]

TWO_COLUMNS: tuple[Layer, ...] = (
    (96, 11, 4, 2, 1, True),
    (256, 5, 1, 2, 2, True),
    (384, 3, 1, 1, 1, False),
    (384, 3, 1, 1, 2, False),
    (256, 3, 1, 1, 2, True),
)
ONE_COLUMN: tuple[Layer, ...] = (
    (64, 11, 4, 2, 1, True),
    (192, 5, 1, 2, 1, True),
    (384, 3, 1, 1, 1, False),
    (256, 3, 1, 1, 1, False),
    (256, 3, 1, 1, 1, True),
)
ZEILER_FERGUS: tuple[Layer, ...] = (
    (96, 7, 2, 1, 1, True),
    (256, 5, 2, 0, 1, True),
    (384, 3, 1, 1, 1, False),
    (384, 3, 1, 1, 1, False),
    (256, 3, 1, 1, 1, True),
)

ROUND_UP = ((0, 1), (0, 1))  # the last of the overlapping windows may end beyond the map


def alexnet(
    layers: tuple[Layer, ...] = TWO_COLUMNS,
    hidden: int = 4096,
    classes: int = 1000,
    channels: int = 3,
    side: int = 6,
    dropout: Generator | None = None,
    seed: Seed = None,
    dtype: Any = "float32",
) -> Sequential:
    """Logits of images (N, channels, 224, 224): Krizhevsky, Sutskever and Hinton (2012), with the
    groups of its two columns, or ONE_COLUMN: Krizhevsky (2014). `side` is that of the last maps.
    """
    source = init.generator(seed)
    steps: list[Any] = []
    for outputs, taps, stride, padding, groups, pooled in layers:
        options: dict[str, Any] = {"stride": stride, "padding": padding, "groups": groups}
        options |= {"activation": relu, "seed": source, "dtype": dtype}
        steps.append(conv2d(channels, outputs, taps, **options))
        steps += [MaxPool(3, 2, ROUND_UP)] if pooled else []
        channels = outputs
    widths = (channels * side * side, hidden, hidden, classes)
    return Sequential(*steps, *dense_head(widths, dropout, source, dtype))


def zfnet(**options: Any) -> Sequential:
    """Smaller kernels and steps at first, and no groups: Zeiler and Fergus (2014)."""
    return alexnet(ZEILER_FERGUS, **options)
