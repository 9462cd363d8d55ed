"""Convolutions of 3 x 3 taps in steps of 1 by Winograd's transforms (Lavin and Gray, 2016).

Images are cut into overlapping square tiles; tiles and kernels are transformed, multiplied place by
place and summed over channels, and transformed back. A pass makes these ops of convolutions after
all derivatives have been taken; images have their channels last here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, floordiv
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Op
from graphc.ir.types import Shape, TensorType
from graphc.ops.convolutions.packed import panel_of
from graphc.ops.convolutions.winograd_matrices import TAPS, on_both_axes, transforms
from graphc.ops.literal import aligned_empty

Pair = tuple[Any, Any]
Ways = tuple[tuple[int, Dim], ...]

#: Channels that are transformed at once: what the cache holds, and a library multiplies without
#: waking threads for it.
AT_ONCE = 16


def transformed(w: np.ndarray, results: int, turned: bool) -> np.ndarray:
    """What `TransformedKernels` makes of kernels, computed in double precision."""
    wide = w[::-1, ::-1] if turned else w
    matrix = np.array(transforms(results).of_kernels)
    both = np.kron(matrix, matrix)
    channels, shape = w.shape[2], transformed_shape(w.shape, results, turned)
    found = aligned_empty(prod(shape) * w.dtype.itemsize).view(w.dtype).reshape(shape)
    width = shape[3]
    for k, panel in enumerate(found):
        taps = wide[..., k * width : (k + 1) * width]
        for first in range(0, channels, AT_ONCE):
            some = taps[:, :, first : first + AT_ONCE].astype(np.float64)
            points = both @ some.reshape((TAPS**2, -1))
            panel[:, first : first + AT_ONCE] = points.reshape((len(both), -1, width))
    return found


def transformed_shape(shape: tuple[Any, ...], results: int, turned: bool) -> tuple[Any, ...]:
    """The shape of transformed kernels."""
    width = panel_of(shape[3])
    return (shape[3] // width, transforms(results).reach ** 2, shape[2], width)


class TransformedKernels(Op):
    """Kernels (3, 3, C, O) at the points of Winograd's transform, as its products read them: (O /
    width, points, C, width).

    `results`: positions of a tile along each axis; `turned`: the taps in reverse order. Where
    `taken` is 0, nothing is computed.
    """

    lowering = "loops"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (w,) = inputs
        assert isinstance(w.shape[3], int), "channels are known"
        shape = transformed_shape(w.shape, attrs["results"], attrs["turned"])
        return (TensorType(w.dtype, shape),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (w,) = inputs
        return transformed(w, attrs["results"], attrs["turned"])

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        """One panel of one input channel after the other."""
        (out,) = node.types
        matrix = transforms(node.attrs["results"]).of_kernels
        panels, _, inputs, width = out.shape
        order = range(TAPS)[::-1] if node.attrs["turned"] else range(TAPS)
        extents = (panels * node.attrs["taken"], inputs)
        with kernel.parallel(extents, 32 * TAPS**2) as (panel, channel):
            first = panel * kernel.dim(width)
            with kernel.loop(0, kernel.dim(width), vector=True) as o:
                taps = [[kernel.load(0, (a, b, channel, first + o)) for b in order] for a in order]
                square = on_both_axes(matrix, taps, kernel.ops.fma)
                for p, value in enumerate(chain.from_iterable(square)):
                    kernel.store(0, (panel, p, channel, o), value)


class WinogradConvolution(Op):
    """The convolution of images x (N, H, W, C) with kernels w (3, 3, C, O), given transformed too,
    as `TransformedKernels` makes them: (N, *extent, O).

    `before`: zeros before the first row and column; `turned`: the taps of w in reverse order.
    `ways`: for each input between x and w the positions of a tile along each axis, and 1 for sizes
    at which this is the way to go, otherwise 0. Where transforms give what is not finite, the sum
    is taken as it is defined, of w.
    """

    lowering = "contraction"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        x, *_, w = inputs
        return (TensorType(x.dtype, (x.shape[0], *attrs["extent"], w.shape[3])),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        x, *_, w = (a.astype(np.float64) for a in inputs)
        height, width = attrs["extent"]
        w = w[::-1, ::-1] if attrs["turned"] else w
        seen = _padded(x, attrs["before"], (height + TAPS - 1, width + TAPS - 1))
        taps = [(a, b) for a in range(TAPS) for b in range(TAPS)]
        with np.errstate(all="ignore"):
            total = sum(seen[:, a : a + height, b : b + width] @ w[a, b] for a, b in taps)
            return np.asarray(total, inputs[0].dtype)

    def cost(self, node: Node) -> Dim:
        x, *_, w = node.inputs
        products = _products(node.attrs["ways"], x.shape[0], node.attrs["extent"])
        return 2 * products * w.shape[2] * w.shape[3]


class WinogradKernels(Op):
    """The sums over positions that are the gradient of `WinogradConvolution` for its kernels, for
    `parts` runs of samples each: (parts, 3, 3, C, O), of images x (N, H, W, C) and cotangents y (N,
    *sizes, O). `ways` as there.
    """

    lowering = "contraction"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        x, y = inputs
        return (TensorType(x.dtype, (attrs["parts"], TAPS, TAPS, x.shape[3], y.shape[3])),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        x, y = (a.astype(np.float64) for a in inputs)
        height, width = y.shape[1:3]
        seen = _padded(x, attrs["before"], (height + TAPS - 1, width + TAPS - 1))
        parts = attrs["parts"]
        runs = [slice(k * len(x) // parts, (k + 1) * len(x) // parts) for k in range(parts)]
        taps = [(a, b) for a in range(TAPS) for b in range(TAPS)]
        with np.errstate(all="ignore"):
            found = [
                np.einsum("nyxc,nyxo->co", seen[run, a : a + height, b : b + width], y[run])
                for run in runs
                for a, b in taps
            ]
        shape = (parts, TAPS, TAPS, x.shape[3], y.shape[3])
        return np.reshape(found, shape).astype(inputs[0].dtype)

    def cost(self, node: Node) -> Dim:
        x, y = node.inputs
        products = _products(node.attrs["ways"], x.shape[0], y.shape[1:3])
        return 2 * products * x.shape[3] * y.shape[3]


def _products(ways: Ways, samples: Dim, extent: Shape) -> Dim:
    """Products of tiles with kernels for each two channels."""
    total: Dim = 0
    for results, taken in ways:
        height, width = (divide_up(d, results) for d in extent)
        total = total + transforms(results).reach ** 2 * samples * height * width * taken
    return total


def divide_up(x: Dim, by: int) -> Dim:
    """x / by, rounded up."""
    return floordiv(x + (by - 1), by)


def _padded(x: np.ndarray, before: Pair, sizes: Pair) -> np.ndarray:
    """x (N, H, W, C) with zeros before, and after up to these sizes; what is beyond is left out."""
    found = np.zeros((x.shape[0], *sizes, x.shape[3]), x.dtype)
    spans = []
    for d, a, size in zip(x.shape[1:3], before, sizes, strict=True):
        begin, end = max(-a, 0), min(d, size - a)
        spans.append((slice(begin, max(end, begin)), slice(begin + a, max(end, begin) + a)))
    (ys, yd), (xs, xd) = spans
    found[:, yd, xd] = x[:, ys, xs]
    return found


_TRANSFORMED = TransformedKernels("winograd_transformed")
_CONVOLUTION = WinogradConvolution("winograd")
_KERNELS = WinogradKernels("winograd_kernels")


def transformed_kernels(w: Tensor, results: int, turned: bool, taken: Dim = 1) -> Tensor:
    """Kernels (3, 3, C, O) at the points of the transform."""
    attrs = {"results": results, "turned": turned, "taken": taken}
    return apply(_TRANSFORMED, w, **attrs).outputs[0]


def winograd(
    x: Tensor,
    kernels: Sequence[Tensor],
    w: Tensor,
    extent: Shape,
    before: Pair,
    ways: Ways,
    turned: bool,
) -> Tensor:
    """Images with their channels last, convolved."""
    attrs = {"extent": extent, "before": before, "ways": ways, "turned": turned}
    return apply(_CONVOLUTION, x, *kernels, w, **attrs).outputs[0]


def winograd_kernels(x: Tensor, y: Tensor, before: Pair, ways: Ways, parts: Dim) -> Tensor:
    """The sums of products of images and cotangents for each of so many runs of samples."""
    return apply(_KERNELS, x, y, before=before, ways=ways, parts=parts).outputs[0]
