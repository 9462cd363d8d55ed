"""Networks that grow and still compute the same: Chen et al. (2016), Wei et al. (2016)."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.init import Seed
from graphc.ir.errors import ShapeError
from graphc.nn.convolution import Conv
from graphc.nn.layers import Activation, Dense
from graphc.ops.source import state_of

Array = np.ndarray[Any, Any]


def identity_dense(
    size: int, activation: Activation | None = None, dtype: Any = "float32"
) -> Dense:
    """A layer with weight I: it changes nothing after ReLU, with ReLU or without an activation."""

    def eye(shape: tuple[int, ...], seed: Seed, dtype: Any) -> Array:
        return np.eye(*shape, dtype=dtype)

    return Dense(size, size, activation, weights=eye, dtype=dtype)


def identity_conv(
    channels: int, taps: tuple[int, ...], activation: Activation | None = None,
    dtype: Any = "float32",
) -> Conv:  # fmt: skip
    """A convolution whose kernel for each channel is 1 in the middle of that channel."""
    if any(t % 2 == 0 for t in taps):
        raise ShapeError(f"a kernel of {taps} taps has no middle")

    def delta(shape: tuple[int, ...], seed: Seed, dtype: Any) -> Array:
        kernels = np.zeros(shape, dtype)
        for c in range(channels):
            kernels[(c, c, *(t // 2 for t in taps))] = 1
        return kernels

    return Conv(
        channels, channels, taps, padding="same", activation=activation, weights=delta, dtype=dtype
    )


def silence(layer: Dense | Conv) -> Dense | Conv:
    """The layer itself, its weights and bias now 0: as the last of a residual branch it leaves the
    network as it was before the branch.
    """
    for x in (layer.weight, layer.bias):
        if x is not None:
            state_of(x).array[...] = 0
    return layer


def widened_by_copies(
    first: Dense | Conv, second: Dense | Conv, units: int, rng: np.random.Generator
) -> tuple[Dense | Conv, Dense | Conv]:
    """Copies of two layers in a row with more units (or channels) between them, each new one a copy
    of an old one drawn by `rng`; what leaves a unit and its copies is divided among them.
    """
    into, out = _unit_axis(first, 1), _unit_axis(second, 0)
    weight, after = state_of(first.weight).array, state_of(second.weight).array
    old = weight.shape[into]
    source = np.concatenate([np.arange(old), rng.integers(old, size=units)])
    share = 1 / np.bincount(source)[source]
    left = _like(first, np.take(weight, source, axis=into))
    if first.bias is not None and left.bias is not None:
        state_of(left.bias).array[...] = state_of(first.bias).array[source]
    scale = share.reshape([-1 if k == out else 1 for k in range(after.ndim)])
    right = _like(second, (np.take(after, source, axis=out) * scale).astype(after.dtype))
    if second.bias is not None and right.bias is not None:
        state_of(right.bias).array[...] = state_of(second.bias).array
    return left, right


def _unit_axis(layer: Dense | Conv, side: int) -> int:
    """The axis of the weight along inputs (side 0) or outputs (side 1)."""
    return side if isinstance(layer, Dense) else 1 - side


def _like(layer: Dense | Conv, weight: Array) -> Dense | Conv:
    """A layer with this weight, else as given."""

    def given(shape: tuple[int, ...], seed: Seed, dtype: Any) -> Array:
        return weight

    kind, bias = weight.dtype.name, layer.bias is not None
    if isinstance(layer, Dense):
        return Dense(weight.shape[0], weight.shape[1], layer.activation, bias, given, None, kind)
    outputs, inputs, *taps = weight.shape
    if layer.groups != 1:
        raise ShapeError(f"a convolution of {layer.groups} groups cannot be widened")
    return Conv(
        inputs, outputs, tuple(taps), layer.stride, layer.padding, layer.dilation, 1,
        layer.activation, bias, given, None, kind,
    )  # fmt: skip
