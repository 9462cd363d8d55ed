"""Diagonals, triangles and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, maximum, minimum
from graphc.ir.dtypes import DType, as_dtype, int64
from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.types import TensorType
from graphc.ops.axes import moveaxis
from graphc.ops.comparison import equal, less_equal
from graphc.ops.convert import TensorLike, as_operand, as_tensor, cast
from graphc.ops.layout import broadcast, normal_axis, reshape
from graphc.ops.located import locate_errors
from graphc.ops.sampling import FEW, moved
from graphc.ops.select import where
from graphc.ops.source import as_shape, iota


class Diagonal(Op):
    """Element i is x[..., r, r + offset] for the i-th row r that has one."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        rows, columns = x.shape[-2:]
        k = attrs["offset"]
        size = maximum(minimum(rows + min(k, 0), columns - max(k, 0)), 0)
        return (TensorType(x.dtype, (*x.shape[:-2], size)),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        rows, columns = node.inputs[0].shape[-2:]
        return (place_diagonal(g, node.attrs["offset"], rows, columns),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        return apply(self, inputs[0], **node.attrs).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        return np.diagonal(inputs[0], attrs["offset"], -2, -1)

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        *front, i = index
        k = node.attrs["offset"]
        return reader.at(node.inputs[0], (*front, i - min(k, 0), i + max(k, 0)))

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return (
            *moved([(2, 3, 5)], {"offset": 1}),
            *moved([(4, 3)], {"offset": -2}, FEW),
            *moved([(2, 3)], {"offset": 4}, FEW),
        )


class PlaceDiagonal(Op):
    """Matrices of `rows` by `columns` with the elements on a diagonal, zero elsewhere."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        return (TensorType(x.dtype, (*x.shape[:-1], attrs["rows"], attrs["columns"])),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        return apply(_DIAGONAL, _given(cotangents[0]), offset=node.attrs["offset"]).outputs

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        return apply(self, inputs[0], **node.attrs).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,) = inputs
        result = np.zeros((*x.shape[:-1], attrs["rows"], attrs["columns"]), x.dtype)
        i = np.arange(x.shape[-1])
        k = attrs["offset"]
        result[..., i - min(k, 0), i + max(k, 0)] = x
        return result

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        (x,) = node.inputs
        *front, row, column = index
        k = node.attrs["offset"]
        return reader.choose(
            reader.ops.equal(reader.value(column - row, int64), k),
            lambda: reader.at(x, (*front, row if k >= 0 else column)),
            lambda: reader.ops.const(0, x.dtype),
        )

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return (
            *moved([(2, 3)], {"offset": 1, "rows": 3, "columns": 5}),
            *moved([(2,)], {"offset": -2, "rows": 4, "columns": 3}, FEW),
            *moved([(0,)], {"offset": 0, "rows": 0, "columns": 3}, FEW),
        )


def _given(g: Tensor | None) -> Tensor:
    assert g is not None
    return g


_DIAGONAL = Diagonal("diagonal")
_PLACE_DIAGONAL = PlaceDiagonal("place_diagonal")


def place_diagonal(x: Tensor, offset: int, rows: Dim, columns: Dim) -> Tensor:
    """`PlaceDiagonal` of x, whose last axis has the length of that diagonal."""
    return apply(_PLACE_DIAGONAL, x, offset=offset, rows=rows, columns=columns).outputs[0]


@locate_errors
def diagonal(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The diagonal of the matrices that two axes of x make, as the last axis of the result."""
    x = as_tensor(x)
    if x.ndim < 2 or normal_axis(axis1, x.ndim) == normal_axis(axis2, x.ndim):
        raise ShapeError(f"two different axes needed, not {axis1} and {axis2} of {x.ndim}")
    return apply(_DIAGONAL, moveaxis(x, (axis1, axis2), (-2, -1)), offset=int(offset)).outputs[0]


@locate_errors
def diag(x: TensorLike, k: int = 0) -> Tensor:
    """The k-th diagonal of a matrix, or the matrix with a vector as its k-th diagonal."""
    x = as_tensor(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError(f"a vector or a matrix needed, not {x.type}")
    size = x.shape[0] + abs(k)
    return place_diagonal(x, int(k), size, size)


def diagflat(x: TensorLike, k: int = 0) -> Tensor:
    """The matrix with all elements of x as its k-th diagonal."""
    return diag(reshape(as_tensor(x), -1), k)


def _rows_and_columns(rows: Dim, columns: Dim) -> tuple[Tensor, Tensor]:
    return iota((rows, columns), 0), iota((rows, columns), 1)


def tri(n: Any, m: Any = None, k: int = 0, dtype: Any = "float32") -> Tensor:
    """An n by m (None: n) matrix of ones on and below the k-th diagonal, zeros above."""
    rows, columns = as_shape((n, n if m is None else m))
    return cast(_below(rows, columns, k), dtype)


def _below(rows: Dim, columns: Dim, k: int) -> Tensor:
    row, column = _rows_and_columns(rows, columns)
    return less_equal(column, row + k)


def _triangle(x: TensorLike, k: int, lower: bool) -> Tensor:
    x = as_tensor(x)
    if x.ndim < 2:
        raise ShapeError(f"two axes needed, not {x.ndim}")
    rows, columns = x.shape[-2:]
    below = broadcast(
        _below(rows, columns, k if lower else k - 1), x.shape, (x.ndim - 2, x.ndim - 1)
    )
    zero = as_operand(0, x.dtype)
    return where(below, x, zero) if lower else where(below, zero, x)


@locate_errors
def tril(x: TensorLike, k: int = 0) -> Tensor:
    """x with zeros above the k-th diagonal of its last two axes."""
    return _triangle(x, k, True)


@locate_errors
def triu(x: TensorLike, k: int = 0) -> Tensor:
    """x with zeros below the k-th diagonal of its last two axes."""
    return _triangle(x, k, False)


def eye(n: Any, m: Any = None, k: int = 0, dtype: Any = "float32") -> Tensor:
    """An n by m (None: n) matrix with ones on the k-th diagonal and zeros elsewhere."""
    rows, columns = as_shape((n, n if m is None else m))
    row, column = _rows_and_columns(rows, columns)
    kind: DType = as_dtype(dtype)
    return cast(equal(column, row + k), kind)


def identity(n: Any, dtype: Any = "float32") -> Tensor:
    """The n by n identity matrix."""
    return eye(n, dtype=dtype)
