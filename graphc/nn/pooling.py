"""Pooling that is drawn at random or learnt: fractional, mixed, gated, by trees."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc import init
from graphc.init import Seed
from graphc.ir.dtypes import float64, int64
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.ops.arithmetic import minimum
from graphc.ops.convert import TensorLike, as_operand, cast
from graphc.ops.convolutions.convolving import PerAxis, per_axis
from graphc.ops.convolutions.pooling import average_pool, image_windows, max_pool
from graphc.ops.exponential import sigmoid
from graphc.ops.indexing.gather import take
from graphc.ops.joining import concat
from graphc.ops.layout import broadcast, expand_dims
from graphc.ops.linear.contraction import tensordot
from graphc.ops.reduction import max
from graphc.ops.rounding import ceil
from graphc.ops.select import where
from graphc.ops.source import constant, iota, variable


def fractional_max_pool(x: Tensor, size: PerAxis, offsets: TensorLike) -> Tensor:
    """Images (N, C, *sizes), of known sizes, max-pooled to `size` positions along each axis.

    With a = length / size and offset u of the axis, position i sees elements ceil(a (i + u)) up to
    ceil(a (i + 1 + u)), less the first of all: for a below 2, one or two of them in an irregular
    order (Graham, 2014). Draw the offsets (*axes) uniformly from [0, 1) for each batch.
    """
    counts = per_axis(size, x.ndim - 2, "size")
    us = as_operand(offsets, float64)
    if us.shape != (len(counts),):
        raise ShapeError(f"{len(counts)} offsets are needed, one for each axis, not {us.type}")
    for axis in reversed(range(2, x.ndim)):
        x = _fraction(x, axis, counts[axis - 2], us[axis - 2])
    return x


def _fraction(x: Tensor, axis: int, count: int, u: Tensor) -> Tensor:
    n = x.shape[axis]
    if not isinstance(n, int) or n < count:
        raise ShapeError(f"axis {axis} has a length of {n}, not one known and at least {count}")
    edges = cast(ceil((iota((count,), dtype=float64) + u) * n / count) - ceil(u * n / count), int64)
    ends = concat([minimum(edges[1:], n), constant(np.array([n]))])
    widest = -(-n // count)
    places = minimum(expand_dims(edges, 1), n - 1) + iota((widest,))
    seen = take(x, places, axis, "clip")
    inside = broadcast(places < expand_dims(ends, 1), seen.shape, (axis, axis + 1))
    return max(where(inside, seen, -math.inf), axis + 1)


def mixed_pool(
    x: Tensor, window: PerAxis, share: TensorLike, stride: PerAxis | None = None
) -> Tensor:
    """share * max + (1 - share) * mean of each window; the share may be learnt, or drawn."""
    a = as_operand(share, x.dtype)
    return a * max_pool(x, window, stride) + (1 - a) * average_pool(x, window, stride)


class GatedPool(Layer):
    """`mixed_pool` whose share is that of each window w: sigmoid(gate . w), with one learnt gate
    of the window's shape (Lee, Gallagher and Tu, 2016). It starts at 0: an even mixture.
    """

    def __init__(
        self, window: tuple[int, ...], stride: PerAxis | None = None, dtype: Any = "float32"
    ):
        self.gate = variable(init.zeros(window, dtype), "gate")
        self.window, self.stride = window, stride

    def __call__(self, x: Tensor) -> Tensor:
        seen = image_windows(x, self.window, self.stride)
        share = sigmoid(tensordot(seen, self.gate, axes=len(self.window)))
        return mixed_pool(x, self.window, share, self.stride)


class TreePool(Layer):
    """A mixture of 2**depth learnt filters of each window w: every inner node of a binary tree
    gives sigmoid(gate . w) of its left branch and the rest of its right one (Lee, Gallagher and Tu,
    2016).

    leaves: (2**depth, *window), gates: (2**depth - 1, *window), level by level.
    """

    def __init__(
        self,
        window: tuple[int, ...],
        depth: int = 2,
        stride: PerAxis | None = None,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        count = 2**depth
        even = np.full((count, *window), 1 / math.prod(window))
        noise = init.normal((count, *window), seed, std=0.1 / math.prod(window))
        self.leaves = variable((even + noise).astype(init.zeros((), dtype).dtype), "leaves")
        self.gates = variable(init.zeros((count - 1, *window), dtype), "gates")
        self.window, self.depth, self.stride = window, depth, stride

    def __call__(self, x: Tensor) -> Tensor:
        seen = image_windows(x, self.window, self.stride)
        taps = tuple(range(seen.ndim - len(self.window), seen.ndim))
        own = tuple(range(1, 1 + len(self.window)))
        values = tensordot(seen, self.leaves, axes=(taps, own))
        shares = sigmoid(tensordot(seen, self.gates, axes=(taps, own)))
        for level in reversed(range(self.depth)):
            share = shares[..., 2**level - 1 : 2 ** (level + 1) - 1]
            values = share * values[..., 0::2] + (1 - share) * values[..., 1::2]
        return values[..., 0]
