"""Kernels of two axes as sums of a column times a row, convolved in two passes."""

from __future__ import annotations

from typing import Any

from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.ops.axes import moveaxis
from graphc.ops.convolutions.convolving import Padding, PerAxis, conv, pad_widths, per_axis
from graphc.ops.layout import expand_dims, reshape, transpose
from graphc.ops.linear.singular import svd
from graphc.ops.powers import sqrt


def separable_terms(w: Tensor) -> tuple[Tensor, Tensor]:
    """Columns (R, O, C, Kh) and rows (R, O, C, Kw) whose outer products, summed over R, are the
    kernels w (O, C, Kh, Kw): their singular vectors, the largest first, each with the square root
    of its singular value. The first few of them approximate w best.
    """
    u, s, v = svd(w)
    root = expand_dims(sqrt(s), -1)
    columns = moveaxis(u, -1, -2) * root
    return moveaxis(columns, -2, 0), moveaxis(v * root, -2, 0)


def separable_conv(
    x: Tensor, columns: Tensor, rows: Tensor, stride: PerAxis = 1, padding: Padding = "valid"
) -> Tensor:
    """`conv` of images (N, C, H, W) with the kernels of which `separable_terms` gives the parts: a
    pass down the columns, then one along the rows. (Kh + Kw) R products instead of Kh Kw.
    """
    if columns.ndim != 4 or rows.ndim != 4 or columns.shape[:3] != rows.shape[:3]:
        raise ShapeError(
            f"(R, O, C, Kh) and (R, O, C, Kw) are needed, not {columns.type} and {rows.type}"
        )
    terms, outputs, channels, kh = columns.shape
    n, _, height, width = x.shape
    kw = rows.shape[3]
    assert isinstance(channels, int) and isinstance(kh, int) and isinstance(kw, int)
    strides = per_axis(stride, 2, "stride")
    down, along = pad_widths(padding, (height, width), (kh, kw), strides)
    own = reshape(transpose(columns, (2, 1, 0, 3)), (channels * outputs * terms, 1, kh, 1))
    pads: tuple[Any, Any] = ([down, (0, 0)], [(0, 0), along])
    y = conv(x, own, (strides[0], 1), pads[0], groups=channels)
    split = reshape(y, (n, channels, outputs, terms, *y.shape[2:]))
    mixed = reshape(
        transpose(split, (0, 2, 1, 3, 4, 5)), (n, outputs * channels * terms, *y.shape[2:])
    )
    across = reshape(transpose(rows, (1, 2, 0, 3)), (outputs, channels * terms, 1, kw))
    assert isinstance(outputs, int)
    return conv(mixed, across, (1, strides[1]), pads[1], groups=outputs)
