"""Products with a matrix that lies in the order in which it is read."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op
from graphc.ir.types import TensorType
from graphc.ops.linear.contraction import Axes, free_axes
from graphc.ops.literal import aligned_copy, aligned_empty

#: Columns that are kept together.
PANEL = 64


def panels(value: np.ndarray, way: Axes) -> np.ndarray:
    """The panels of an array whose axes `way`, in this order, are summed over; it has one more."""
    (column,) = free_axes(value.ndim, way)
    return packed(value.transpose((*way, column)).reshape((-1, value.shape[column])))


def panels_shape(shape: tuple[int, ...], way: Axes) -> tuple[int, ...]:
    """The shape of the panels of an array of this shape."""
    (column,) = free_axes(len(shape), way)
    return (-(-shape[column] // PANEL), prod(shape[k] for k in way), PANEL)


def matrix_of(array: np.ndarray, shape: tuple[int, ...], way: Axes) -> np.ndarray:
    """The array of this shape whose panels these are."""
    (column,) = free_axes(len(shape), way)
    order = (*way, column)
    columns = array.transpose(1, 0, 2).reshape((array.shape[1], -1))[:, : shape[column]]
    lying = columns.reshape([shape[k] for k in order])
    return aligned_copy(lying.transpose([order.index(k) for k in range(len(shape))]))


def packed(matrix: np.ndarray) -> np.ndarray:
    """A matrix (summands, columns) as panels (columns / PANEL, summands, PANEL), zeros beyond."""
    summands, columns = matrix.shape
    count, whole = -(-columns // PANEL), columns // PANEL
    size = count * summands * PANEL
    result = aligned_empty(size * matrix.dtype.itemsize).view(matrix.dtype)
    result = result.reshape((count, summands, PANEL))
    inside = matrix[:, : whole * PANEL].reshape((summands, whole, PANEL))
    result[:whole] = inside.transpose(1, 0, 2)
    if whole < count:
        result[whole] = 0
        result[whole, :, : columns - whole * PANEL] = matrix[:, whole * PANEL :]
    return result


class PackedProduct(Op):
    """Sums over the axes `contract` of x, in this order, times the summands of a matrix as `packed`
    gives it, of which `columns` count: the other axes of x, then one of columns.
    """

    lowering = "contraction"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        x, _ = inputs
        rows = (x.shape[k] for k in free_axes(len(x.shape), attrs["contract"]))
        return (TensorType(x.dtype, (*rows, attrs["columns"])),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        x, u = (a.astype(np.float64) for a in inputs)
        contract = attrs["contract"]
        free = free_axes(x.ndim, contract)
        rows = [x.shape[k] for k in free]
        left = x.transpose((*free, *contract)).reshape((int(np.prod(rows)), u.shape[1]))
        right = u.transpose(1, 0, 2).reshape((u.shape[1], -1))[:, : attrs["columns"]]
        with np.errstate(all="ignore"):
            return (left @ right).reshape([*rows, -1]).astype(inputs[0].dtype)

    def cost(self, node: Node) -> Dim:
        x, contract = node.inputs[0], node.attrs["contract"]
        return 2 * node.types[0].size * product(x.shape[k] for k in contract)


_PACKED = PackedProduct("dot_packed")


def packed_product(x: Tensor, u: Tensor, contract: Axes, columns: int) -> Tensor:
    """x times a packed matrix of so many columns."""
    return apply(_PACKED, x, u, contract=contract, columns=columns).outputs[0]
