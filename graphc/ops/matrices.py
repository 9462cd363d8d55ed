"""What the factorisations share: batches of square or tall matrices in the last two axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType, float32, float64
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op
from graphc.ir.types import TensorType
from graphc.ops.layout import broadcast, transpose

FLOATS = (float32, float64)


class MatrixOp(Op):
    """An op on matrices in the last two axes; leading axes are a batch, alike for all operands."""

    lowering = "loops"

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        full = [
            x if axis == 0 else broadcast(x, (size, *x.shape), tuple(range(1, x.ndim + 1)))
            for x, axis in zip(inputs, axes, strict=True)
        ]
        return apply(self, *full, **node.attrs).outputs


def check_matrix(x: TensorType, square: bool = True) -> None:
    """Raises unless x is a float matrix, or a batch of them."""
    if x.dtype not in FLOATS:
        raise DTypeError(f"a matrix of float32 or float64 needed, not {x}")
    if x.ndim < 2:
        raise ShapeError(f"a matrix needed, not {x}")
    if square and x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"a square matrix needed, not {x.shape[-2]} by {x.shape[-1]}")


def mt(x: Tensor) -> Tensor:
    """The last two axes exchanged."""
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def well_conditioned(shape: tuple[int, ...], dtype: DType) -> Any:
    """A sample of diagonally dominant matrices."""

    def make(rng: Any) -> np.ndarray:
        a = rng.standard_normal(shape)
        n = min(shape[-2:])
        return np.asarray(a + 3 * np.eye(*shape[-2:]) * np.sqrt(n)).astype(dtype.numpy)

    return make


def symmetric(shape: tuple[int, ...], dtype: DType, positive: bool) -> Any:
    """A sample of symmetric matrices with well separated eigenvalues."""

    def make(rng: Any) -> np.ndarray:
        a = rng.standard_normal(shape)
        n = shape[-1]
        base = (
            a @ np.swapaxes(a, -1, -2) / max(n, 1) + np.eye(n)
            if positive
            else a + np.swapaxes(a, -1, -2)
        )
        return np.asarray(base + np.diag(np.arange(n) * (0.5 if positive else 1.5))).astype(
            dtype.numpy
        )

    return make
