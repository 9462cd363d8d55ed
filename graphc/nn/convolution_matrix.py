"""Convolutions as products with matrices; arguments and results are those of `conv`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.ops.convolutions.convolving import (
    Padding,
    PerAxis,
    count_positions,
    pad_widths,
    per_axis,
    span_of,
)
from graphc.ops.convolutions.pooling import image_windows
from graphc.ops.layout import reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.linear.einsum import einsum
from graphc.ops.source import constant


@dataclass(frozen=True)
class Frame:
    """Where the taps of kernels lie in an image of known sizes, axis by axis, and in how many
    positions.
    """

    sizes: tuple[int, ...]
    taps: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    widths: list[tuple[int, int]]
    positions: tuple[int, ...]

    @staticmethod
    def of(
        sizes: Sequence[Dim],
        w: Tensor,
        stride: PerAxis = 1,
        padding: Padding = "valid",
        dilation: PerAxis = 1,
    ) -> Frame:
        """That of kernels w (O, C, *taps); raises ShapeError where sizes are only named."""
        ours, taps = _known(sizes), _known(w.shape[2:])
        n = len(ours)
        strides, dilations = per_axis(stride, n, "stride"), per_axis(dilation, n, "dilation")
        spans = [span_of(k, d) for k, d in zip(taps, dilations, strict=True)]
        widths: Any = pad_widths(padding, ours, spans, strides)
        positions = _known(count_positions(ours, spans, strides, widths))
        return Frame(ours, taps, strides, dilations, widths, positions)

    def hits(self, axis: int) -> np.ndarray[Any, Any]:
        """(taps, size, positions) of an axis: 1 where a tap sees an element from there, else 0."""
        t, x, y = np.ogrid[: self.taps[axis], : self.sizes[axis], : self.positions[axis]]
        seen = y * self.strides[axis] + t * self.dilations[axis] - self.widths[axis][0]
        return np.asarray(seen == x, float)


def _known(shape: Sequence[Dim]) -> tuple[int, ...]:
    found = tuple(d for d in shape if isinstance(d, int))
    if len(found) != len(shape):
        raise ShapeError(f"this way of convolving needs known sizes, not {tuple(shape)}")
    return found


def _grouped(w: Tensor, groups: int) -> Tensor:
    outputs, *rest = w.shape
    if not isinstance(outputs, int) or outputs % groups:
        raise ShapeError(f"{outputs} kernels do not fall into {groups} groups")
    return reshape(w, (groups, outputs // groups, *rest))


def conv_matrix(
    w: Tensor,
    sizes: Sequence[int],
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """The matrix (C * prod(sizes), O * prod(positions)) that flat images are multiplied by to
    convolve them with w (O, C / groups, *taps). Along each of its diagonals one tap repeats.
    """
    frame = Frame.of(sizes, w, stride, padding, dilation)
    axes = range(len(frame.sizes))
    terms = [constant(frame.hits(k), w.dtype) for k in axes]
    t, x, y = "abc"[: len(axes)], "def"[: len(axes)], "rst"[: len(axes)]
    same = constant(np.eye(groups), w.dtype)
    text = ",".join(["goi" + t, *(t[k] + x[k] + y[k] for k in axes), "gh"]) + f"->gi{x}ho{y}"
    bands = einsum(text, _grouped(w, groups), *terms, same)
    half = 2 + len(axes)
    shape = _known(bands.shape)
    return reshape(bands, (math.prod(shape[:half]), math.prod(shape[half:])))


def conv_by_matrix(
    x: Tensor,
    w: Tensor,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """One product of flat images with `conv_matrix`; for images of few pixels."""
    frame = Frame.of(x.shape[2:], w, stride, padding, dilation)
    band = conv_matrix(w, frame.sizes, stride, padding, dilation, groups)
    return reshape(
        matmul(reshape(x, (x.shape[0], -1)), band), (x.shape[0], w.shape[0], *frame.positions)
    )


def conv_by_patches(
    x: Tensor,
    w: Tensor,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """A product of the patches under all positions (im2col) with flat kernels."""
    frame = Frame.of(x.shape[2:], w, stride, padding, dilation)
    seen = image_windows(x, frame.taps, stride, padding, dilation)
    parts = reshape(seen, (x.shape[0], groups, w.shape[1], *seen.shape[2:]))
    t, s = "abc"[: len(frame.taps)], "rst"[: len(frame.taps)]
    y = einsum(f"ngi{s}{t},goi{t}->ngo{s}", parts, _grouped(w, groups))
    return reshape(y, (x.shape[0], w.shape[0], *frame.positions))
