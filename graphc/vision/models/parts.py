"""What image networks are made of, and how they begin and end."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.convolution import MaxPool, conv2d
from graphc.nn.dropout import Dropout
from graphc.nn.layers import Activation, Dense, Sequential
from graphc.nn.normalisation import BatchNorm
from graphc.ops.activations import relu
from graphc.ops.axes import flatten
from graphc.ops.convolutions.pooling import global_average_pool
from graphc.ops.randomness.generator import Generator


def conv_norm(
    inputs: int,
    outputs: int,
    taps: int,
    stride: int = 1,
    activation: Activation | None = relu,
    groups: int = 1,
    seed: Seed = None,
    dtype: Any = "float32",
) -> Sequential:
    """A convolution without bias, padded by half its taps; batch norm; the activation."""
    options: dict[str, Any] = {"bias": False, "seed": seed, "dtype": dtype}
    conv = conv2d(inputs, outputs, taps, stride=stride, padding=taps // 2, groups=groups, **options)
    steps: list[Any] = [conv, BatchNorm(outputs, dtype=dtype)]
    return Sequential(*steps, *([] if activation is None else [activation]))


def stem(channels: int, width: int, seed: Seed, dtype: Any) -> list[Any]:
    """How networks for large images begin: 7 x 7 kernels, and a quarter of the sides is left."""
    first = conv_norm(channels, width, 7, 2, seed=seed, dtype=dtype)
    return [first, MaxPool(3, 2, padding=1)]


def averaged(features: int, classes: int, seed: Seed, dtype: Any) -> list[Any]:
    """Logits of the means of all channels: for images of any size."""
    return [global_average_pool, Dense(features, classes, seed=seed, dtype=dtype)]


def flat(x: Tensor) -> Tensor:
    """(N, C, *sizes) as (N, C * sizes)."""
    return flatten(x, 1)


def dense_head(
    widths: tuple[int, ...], dropout: Generator | None, seed: Seed, dtype: Any
) -> list[Any]:
    """Logits by rectified layers of these widths, the first being that of the flat image; half of
    the units are dropped in training where `dropout` gives random numbers.
    """
    steps: list[Any] = [flat]
    for k, (inputs, outputs) in enumerate(pairwise(widths)):
        last = k == len(widths) - 2
        steps += [] if dropout is None else [Dropout(0.5, dropout)]
        steps.append(Dense(inputs, outputs, None if last else relu, seed=seed, dtype=dtype))
    return steps
