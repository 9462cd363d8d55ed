"""Sorting along an axis: stable, with the permutation. A NaN counts as greater than any number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import NUMBERS, bool_, int64, uint8
from graphc.ir.errors import DTypeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Op, Sample
from graphc.ir.types import TensorType
from graphc.ops.axes import line_order
from graphc.ops.convert import TensorLike, as_tensor, cast
from graphc.ops.indexing.scatter import put_lines
from graphc.ops.layout import broadcast, normal_axis, reshape, transpose
from graphc.ops.located import locate_errors
from graphc.ops.sampling import FEW, moved
from graphc.ops.sorting.sort_kernel import sort_workspace, write_sort
from graphc.ops.source import constant


class Sort(Op):
    """Two outputs: the elements along `axis` in order, and where each came from (int64).

    Equal elements keep their order, in both directions.
    """

    lowering = "loops"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.dtype not in NUMBERS:
            raise DTypeError(f"does not take {x.dtype}")
        return (x, TensorType(int64, x.shape))

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        return (put_back(node, cotangents[0]),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        return apply(self, inputs[0], **{**node.attrs, "axis": node.attrs["axis"] + 1}).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,) = inputs
        order = stable_order(x, attrs["axis"], attrs["descending"])
        return np.take_along_axis(x, order, attrs["axis"]), order

    def workspace(self, node: Node) -> Sequence[TensorType]:
        return sort_workspace(node.types[0], node.attrs["axis"])

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        write_sort(node, kernel)

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return tuple(
            sample
            for descending in (False, True)
            for sample in (
                *moved([(3, 21)], {"axis": 1, "descending": descending}, NUMBERS),
                *moved([(5, 2, 3)], {"axis": 0, "descending": descending}, FEW),
                *moved([(2, 0)], {"axis": 1, "descending": descending}, FEW),
                *moved([(1, 40)], {"axis": 1, "descending": descending}, FEW),
            )
        )


def put_back(node: Node, g: Tensor | None) -> Tensor | None:
    """The cotangent of the first output, put where the elements came from by the second output."""
    if g is None:
        return None
    x, order = node.inputs[0], node.outputs[1]
    zeros = broadcast(constant(0, x.dtype), x.shape, ())
    return put_lines(zeros, order, g, node.attrs["axis"], "set", "proven", unique=True)


def stable_order(x: np.ndarray[Any, Any], axis: int, descending: bool) -> np.ndarray[Any, Any]:
    """The stable order of elements along an axis, by NumPy."""
    wide = x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind not in "iu" else x
    if not descending:
        return np.argsort(wide, axis, kind="stable").astype(np.int64)
    backwards = np.argsort(np.flip(wide, axis), axis, kind="stable")
    return np.asarray(np.flip(x.shape[axis] - 1 - backwards, axis).astype(np.int64))


_SORT = Sort("sort")


def sort_with_order(x: Tensor, axis: int, descending: bool) -> tuple[Tensor, Tensor]:
    """The sorted elements and their origins; lines are made contiguous first."""
    order = line_order(x.ndim, axis)
    back = tuple(order.index(k) for k in range(x.ndim))
    values, origins = _sort_last(transpose(x, order), descending)
    return transpose(values, back), transpose(origins, back)


def _sort_last(x: Tensor, descending: bool) -> tuple[Tensor, Tensor]:
    attrs = {"axis": x.ndim - 1, "descending": bool(descending)}
    if x.dtype is bool_:
        values, order = apply(_SORT, cast(x, uint8), **attrs).outputs
        return cast(values, bool_), order
    values, order = apply(_SORT, x, **attrs).outputs
    return values, order


def _line_of(x: TensorLike, axis: int | None) -> tuple[Tensor, int]:
    x = as_tensor(x)
    if axis is None:
        return reshape(x, (x.size,)), 0
    return x, normal_axis(axis, x.ndim)


@locate_errors
def sort(x: TensorLike, axis: int | None = -1, descending: bool = False) -> Tensor:
    """The elements along an axis (None: of the flattened x) in order.

    NaNs count as greatest: they come last, or first if `descending`.
    """
    return sort_with_order(*_line_of(x, axis), descending)[0]


@locate_errors
def argsort(x: TensorLike, axis: int | None = -1, descending: bool = False) -> Tensor:
    """The positions (int64) of the elements along an axis in order; equal ones keep theirs."""
    return sort_with_order(*_line_of(x, axis), descending)[1]
