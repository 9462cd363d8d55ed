"""Convolutions with kernels that lie in the order in which they are read."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType, as_dtype, float32, int32
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op
from graphc.ir.types import Shape, TensorType
from graphc.ops.literal import aligned_copy

#: Channels of a result that are kept together: the first of these that divides their number.
PANELS = (32, 16, 24, 8)

Pair = tuple[Any, Any]


def panel_of(channels: int) -> int:
    """How many channels of so many are kept together."""
    return next(width for width in PANELS if channels % width == 0)


def packed(w: np.ndarray, channels_first: bool) -> np.ndarray:
    """Kernels (O, C, *taps) as (O / width, summands, width); the summands in the order of taps and
    channels, or of channels and taps if these come first in the images.
    """
    width = panel_of(w.shape[0])
    summands = w if channels_first else np.moveaxis(w, 1, -1)
    parted = summands.reshape((w.shape[0] // width, width, -1))
    return aligned_copy(parted.transpose(0, 2, 1))


def packed_shape(shape: tuple[int, ...], channels_first: bool) -> tuple[int, ...]:
    """The shape of packed kernels."""
    width = panel_of(shape[0])
    return (shape[0] // width, prod(shape[1:]), width)


def kernels_of(array: np.ndarray, shape: tuple[int, ...], channels_first: bool) -> np.ndarray:
    """The kernels of this shape that were packed like this."""
    summands = array.transpose(0, 2, 1)
    if channels_first:
        return aligned_copy(summands.reshape(shape))
    return aligned_copy(np.moveaxis(summands.reshape((shape[0], *shape[2:], shape[1])), -1, 1))


class PackedConvolution(Op):
    """The convolution of images x (N, H, W, C), or (N, C, H, W) if `channels_first`, with kernels u
    as `packed` gives them, or `word_kernels` those of narrow numbers: (N, *extent, O).

    Tap (a, b) of `taps` sees element (y * strides[0] + a - before[0], x * strides[1] + b -
    before[1]) at position (y, x), or 0 if there is none, and `added` more than that. Sums of narrow
    numbers are int32 or float32.
    """

    lowering = "contraction"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        x, u = inputs
        shape = (x.shape[0], *attrs["extent"], u.shape[0] * u.shape[2])
        return (TensorType(sums_of(x.dtype), shape),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        dtype = sums_of(as_dtype(inputs[0].dtype)).numpy
        x, u = (a.astype(np.float64 if dtype.kind == "f" else dtype) for a in inputs)
        if attrs["channels_first"]:
            x = np.moveaxis(x, 1, -1)
        if u.ndim == 4:
            kernels = summands_of(u, attrs["taps"][1] if attrs["channels_first"] else x.shape[-1])
        else:
            kernels = u.transpose(1, 0, 2).reshape((u.shape[1], -1))
        order = (-1, *attrs["taps"]) if attrs["channels_first"] else (*attrs["taps"], -1)
        kernels = kernels.reshape((*order, kernels.shape[1]))
        if attrs["channels_first"]:
            kernels = np.moveaxis(kernels, 0, 2)
        lines = zip(attrs["extent"], attrs["strides"], attrs["taps"], attrs["before"], strict=True)
        seen: list[Any] = []
        for (d, step, taps, before), size in zip(lines, x.shape[1:3], strict=True):
            at = np.arange(d)[:, None] * step + np.arange(taps) - before
            seen.append((np.clip(at, 0, max(size - 1, 0)), (at >= 0) & (at < size)))
        (rows, above), (columns, left) = seen
        found = x[:, rows[:, None, :, None], columns[None, :, None, :]]
        inside = above[:, None, :, None] & left[None, :, None, :]
        with np.errstate(all="ignore"):
            windows = np.where(inside[..., None], found, 0) + attrs["added"]
            result = np.einsum("nyxabc,abco->nyxo", windows, kernels)
        return result.astype(dtype)

    def cost(self, node: Node) -> Dim:
        return 2 * node.inputs[1].size * product(node.types[0].shape[:3])


_PACKED = PackedConvolution("convolution_packed")


def packed_convolution(
    x: Tensor,
    u: Tensor,
    extent: Shape,
    strides: Pair,
    taps: Pair,
    before: Pair,
    channels_first: bool,
    added: int = 0,
) -> Tensor:
    """Images, convolved; the result has its channels last."""
    attrs = {"extent": extent, "strides": strides, "taps": taps, "before": before}
    return apply(_PACKED, x, u, **attrs, channels_first=channels_first, added=added).outputs[0]


def sums_of(dtype: DType) -> DType:
    """The dtype in which products of such numbers are summed."""
    if dtype.bits >= 32:
        return dtype
    return float32 if dtype.is_float else int32


def sees_each_once(node: Node) -> bool:
    """Whether every position sees just the element of the images (N, H, W, C) that is there."""
    attrs, shape = node.attrs, node.inputs[0].shape
    there = attrs["before"] == (0, 0) and attrs["extent"] == shape[1:3]
    one_tap = attrs["taps"] == attrs["strides"] == (1, 1)
    return there and one_tap and not attrs["channels_first"]


def summands_of(u: np.ndarray, line: int) -> np.ndarray:
    """The kernels (summands, O) of words, whose lines have so many summands."""
    panels, _, width, group = u.shape
    room = -(-line // group) * group
    lines = u.transpose(1, 3, 0, 2).reshape((-1, room, panels * width))[:, :line]
    return lines.reshape((-1, panels * width))
