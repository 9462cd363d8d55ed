"""What the factorisations share: batches of square or tall matrices in the last two axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType, float32, float64
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op, Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike, as_operand, common_dtype
from graphc.ops.diagonal import tril
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


def check_system(a: TensorType, b: TensorType) -> None:
    """Raises unless a x = b can be solved for each matrix of a: square, b of as many rows."""
    check_matrix(a)
    check_matrix(b, square=False)
    if a.shape[:-1] != b.shape[:-1] or a.dtype is not b.dtype:
        raise ShapeError(f"{a} and {b} do not fit: rows, batch axes and dtypes must agree")


def promoted(name: str, a: TensorLike, b: TensorLike) -> tuple[Tensor, Tensor]:
    """Both as tensors of one dtype, by NumPy's promotion."""
    dtype = common_dtype(name, (a, b))
    return as_operand(a, dtype), as_operand(b, dtype)


def mt(x: Tensor) -> Tensor:
    """The last two axes exchanged."""
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def on_lower_half(g: Tensor) -> Tensor:
    """A symmetric gradient as that of the lower half, which is all that is read."""
    return tril(g) + tril(g, -1)


Makers = tuple[Callable[[Any], np.ndarray], ...]


def drawn(dtype: DType, *makers: Callable[[Any], np.ndarray]) -> Sample:
    """A sample whose arrays come from these functions of a generator."""
    return Sample(partial(_make, makers), note=str(dtype))


def _make(makers: Makers, rng: Any) -> tuple[np.ndarray, ...]:
    return tuple(make(rng) for make in makers)


def columns(shape: tuple[int, ...], dtype: DType) -> Callable[[Any], np.ndarray]:
    """Any matrices."""
    return lambda rng: np.asarray(rng.standard_normal(shape)).astype(dtype.numpy)


def well_conditioned(shape: tuple[int, ...], dtype: DType) -> Callable[[Any], np.ndarray]:
    """Diagonally dominant matrices with separated singular values."""
    rows, count = shape[-2:]
    weight = 1 + 0.7 * np.arange(count)

    def make(rng: Any) -> np.ndarray:
        a = rng.standard_normal(shape) + 3 * np.sqrt(count) * np.eye(rows, count)
        return np.asarray(a * weight).astype(dtype.numpy)

    return make


def symmetric(shape: tuple[int, ...], dtype: DType, positive: bool) -> Callable[[Any], np.ndarray]:
    """Symmetric matrices with well separated eigenvalues."""
    n = shape[-1]

    def make(rng: Any) -> np.ndarray:
        a = rng.standard_normal(shape)
        flipped = np.swapaxes(a, -1, -2)
        both = a @ flipped / n + np.eye(n) if positive else a + flipped
        steps = np.arange(n) * 0.5 if positive else (np.arange(n) - (n - 1) / 2) * 3.0
        return np.asarray(both + np.diag(steps)).astype(dtype.numpy)

    return make
