"""Pooling: one number for the elements in each window of an image (N, C, *sizes)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.ir.types import Shape
from graphc.ops.arithmetic import absolute
from graphc.ops.convert import TensorLike, as_tensor, cast
from graphc.ops.convolutions.convolving import (
    Padding,
    PerAxis,
    count_positions,
    pad_widths,
    per_axis,
    span_of,
)
from graphc.ops.convolutions.windows import windows
from graphc.ops.indexing.gather import take
from graphc.ops.layout import broadcast
from graphc.ops.located import locate_errors
from graphc.ops.powers import power
from graphc.ops.reduction import max, sum
from graphc.ops.select import where
from graphc.ops.source import constant
from graphc.ops.statistics import mean


@dataclass(frozen=True)
class _Places:
    """Where windows lie along each spatial axis of an image."""

    taps: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    widths: list[tuple[Dim, Dim]]
    extent: Shape

    def patches(self, x: Tensor, fill: float | int = 0) -> Tensor:
        """What each window sees: the axes of x, then the taps."""
        lines = zip(self.strides, self.dilations, self.widths, strict=True)
        steps = tuple((s, d, -before, 1) for s, d, (before, _) in lines)
        axes = tuple(range(2, x.ndim))
        return windows(x, axes, self.extent, self.taps, steps, fill)

    def count(self, x: Tensor, padded: bool) -> Tensor:
        """How many elements of x (and of its padding) each window sees."""
        shape, places = x.shape[2:], self
        if padded:
            shape = tuple(d + a + b for d, (a, b) in zip(shape, self.widths, strict=True))
            places = replace(self, widths=[(0, 0)] * len(shape))
        seen = places.patches(broadcast(constant(1, x.dtype), (1, 1, *shape), ()))
        return sum(seen, _taps(seen))


def _places(
    x: Tensor,
    window: PerAxis,
    stride: PerAxis | None,
    padding: Padding,
    dilation: PerAxis = 1,
    ceil: bool = False,
) -> _Places:
    n = x.ndim - 2
    if n < 1:
        raise ShapeError(f"an image (N, C, *sizes) is needed, not {x.type}")
    taps = per_axis(window, n, "window")
    strides = taps if stride is None else per_axis(stride, n, "stride")
    dilations = per_axis(dilation, n, "dilation")
    spans = [span_of(k, d) for k, d in zip(taps, dilations, strict=True)]
    widths = pad_widths(padding, x.shape[2:], spans, strides)
    extent = count_positions(x.shape[2:], spans, strides, widths, ceil)
    return _Places(taps, strides, dilations, widths, extent)


def _taps(x: Tensor) -> tuple[int, ...]:
    """The axes of taps among those of patches."""
    return tuple(range(x.ndim // 2 + 1, x.ndim))


@locate_errors
def image_windows(
    x: TensorLike,
    window: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
) -> Tensor:
    """What each window sees of images (N, C, *sizes): (N, C, *positions, *window), with zeros for
    padding. `stride` is the window's size unless given.
    """
    x = as_tensor(x)
    return _places(x, window, stride, padding, dilation).patches(x)


@locate_errors
def max_pool(
    x: TensorLike,
    window: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    ceil: bool = False,
) -> Tensor:
    """The largest element in each window; its gradient goes to the first largest.

    `stride` is the window's size unless given. Padding is never largest. `ceil`: a last window may
    reach beyond the image.
    """
    x = as_tensor(x)
    lowest = -np.inf if x.dtype.is_float else int(np.iinfo(x.dtype.numpy).min)
    patches = _places(x, window, stride, padding, dilation, ceil).patches(x, lowest)
    return max(patches, _taps(patches))


@locate_errors
def average_pool(
    x: TensorLike,
    window: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = "valid",
    ceil: bool = False,
    count_padding: bool = True,
) -> Tensor:
    """The mean of each window, of which the zeros of the padding are a part unless
    `count_padding` is false.
    """
    x = _floating(x)
    places = _places(x, window, stride, padding, 1, ceil)
    patches = places.patches(x)
    if count_padding and not ceil:
        return mean(patches, _taps(patches))
    return sum(patches, _taps(patches)) / places.count(x, count_padding)


@locate_errors
def power_pool(x: TensorLike, window: PerAxis, p: float, stride: PerAxis | None = None) -> Tensor:
    """(mean of |x|**p) ** (1/p) in each window: from the mean of |x| for p = 1 to its maximum."""
    x = _floating(x)
    patches = _places(x, window, stride, "valid").patches(x)
    return power(mean(power(absolute(patches), p), _taps(patches)), 1 / p)


@locate_errors
def global_average_pool(x: TensorLike) -> Tensor:
    """The mean of each channel: (N, C)."""
    x = _floating(x)
    return mean(x, tuple(range(2, x.ndim)))


@locate_errors
def global_max_pool(x: TensorLike) -> Tensor:
    """The largest element of each channel: (N, C)."""
    x = as_tensor(x)
    return max(x, tuple(range(2, x.ndim)))


@locate_errors
def adaptive_max_pool(x: TensorLike, size: PerAxis) -> Tensor:
    """The largest element of each of `size` bins, of which bin i covers elements floor(i n / size)
    up to ceil((i + 1) n / size) of an axis of (known) length n.
    """
    return _adaptive(as_tensor(x), size, _largest)


@locate_errors
def adaptive_average_pool(x: TensorLike, size: PerAxis) -> Tensor:
    """The mean of each bin, which are those of `adaptive_max_pool`."""
    return _adaptive(_floating(x), size, _mean)


Combine = Callable[[Tensor, Tensor, int], Tensor]


def _largest(seen: Tensor, inside: Tensor, axis: int) -> Tensor:
    lowest = -np.inf if seen.dtype.is_float else int(np.iinfo(seen.dtype.numpy).min)
    return max(where(inside, seen, lowest), axis)


def _mean(seen: Tensor, inside: Tensor, axis: int) -> Tensor:
    weights = cast(inside, seen.dtype)
    return sum(where(inside, seen, 0), axis) / sum(weights, axis)


def _adaptive(x: Tensor, size: PerAxis, combine: Combine) -> Tensor:
    """Bins of the last axis, then those before: of equals the first in row-major order counts."""
    sizes = per_axis(size, x.ndim - 2, "size")
    for axis in reversed(range(2, x.ndim)):
        x = _binned(x, axis, sizes[axis - 2], combine)
    return x


def _binned(x: Tensor, axis: int, bins: int, combine: Combine) -> Tensor:
    places, inside = _bins(x.shape[axis], bins)
    seen = take(x, constant(places), axis=axis)
    mask = broadcast(constant(inside), seen.shape, (axis, axis + 1))
    return combine(seen, mask, axis + 1)


def _bins(n: Dim, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """For each bin the elements that it covers, and which of these places are filled."""
    if not isinstance(n, int) or n < 1:
        raise ShapeError(f"adaptive pooling needs a known length of at least one, not {n}")
    ranges: Sequence[range] = [range(i * n // bins, -(-(i + 1) * n // bins)) for i in range(bins)]
    widest = np.max([len(r) for r in ranges])
    places = np.zeros((bins, widest), np.int64)
    inside = np.zeros((bins, widest), bool)
    for i, r in enumerate(ranges):
        places[i, : len(r)], inside[i, : len(r)] = r, True
    return places, inside


def _floating(x: TensorLike) -> Tensor:
    x = as_tensor(x)
    if not x.dtype.is_float:
        raise DTypeError(f"means are of floats, not {x.dtype}")
    return x
