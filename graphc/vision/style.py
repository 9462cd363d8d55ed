"""Losses for images that are to look like one picture in the manner of another."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.losses import mse
from graphc.ops.axes import flatten
from graphc.ops.extent import extent
from graphc.ops.layout import transpose
from graphc.ops.linear.contraction import matmul


def gram(features: Tensor) -> Tensor:
    """F F^T / n of each image's channels F (C, n positions): (N, C, C) from (N, C, *sizes)."""
    if features.ndim < 3:
        raise ShapeError(f"features (N, C, *sizes) are needed, not {features.type}")
    rows = flatten(features, 2)
    return matmul(rows, transpose(rows, (0, 2, 1))) / extent(rows.shape[2], rows.dtype)


def style_loss(features: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """The squared differences of the Gram matrices of one or more layers' features, summed: Gatys,
    Ecker and Bethge (2016).
    """
    total: Tensor | None = None
    for f, w in zip(features, wanted, strict=True):
        term = mse(gram(f), gram(w), "sum")
        total = term if total is None else total + term
    if total is None:
        raise ShapeError("a style needs the features of one layer at least")
    return total
