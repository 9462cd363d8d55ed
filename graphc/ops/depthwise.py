"""Convolutions with groups of one channel each, their channels last: taps are added up for a vector
of channels at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.node import Tensor
from graphc.ir.types import Shape
from graphc.ops.copying import copied, copy
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.reduction import sum
from graphc.ops.window_padding import View, padded
from graphc.ops.windows import Step


def depthwise(x: Tensor, w: Tensor, extent: Shape, steps: Sequence[Step]) -> Tensor:
    """Images x (N, C, *sizes) by kernels w (C, 1, *taps): (N, C, *extent).

    What taps see is windows of x by `steps`; the result lies in memory with its channels last.
    """
    spatial = len(extent)
    axes, last = tuple(range(1, spatial + 1)), spatial + 1
    taps = w.shape[2:]
    lines = copy(transpose(x, (0, *range(2, x.ndim), 1)))
    image, view = padded(lines, View(axes, extent, taps, tuple(steps)))
    seen = view.of(image)
    kernels = reshape(copied(w, (*range(2, w.ndim), 1, 0)), (*taps, w.shape[0]))
    places = tuple(range(last, seen.ndim))
    each = broadcast(transpose(kernels, (spatial, *range(spatial))), seen.shape, places)
    summed = sum(seen * each, axis=places[1:], dtype=x.dtype)
    return transpose(summed, (0, last, *axes))
