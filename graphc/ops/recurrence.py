"""Shifting along an axis, and the first-order linear recurrence: what cumulative gradients are made
of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import NUMBERS, float64
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, KernelWriter, Op, Reader, Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import cast
from graphc.ops.layout import broadcast, normal_axis
from graphc.ops.running import write_running
from graphc.ops.sampling import moved


class Shift(Op):
    """Elements moved `by` places along an axis, `fill` taking the places left; the length stays."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        return inputs

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        return (shift(g, -node.attrs["by"], node.attrs["axis"]),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        return (shift(inputs[0], node.attrs["by"], node.attrs["axis"] + 1, node.attrs["fill"]),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,) = inputs
        axis, by = attrs["axis"], attrs["by"]
        result = np.full_like(x, attrs["fill"])
        n = x.shape[axis]
        if abs(by) < n:
            here, there = [slice(None)] * x.ndim, [slice(None)] * x.ndim
            here[axis] = slice(max(by, 0), n + min(by, 0))
            there[axis] = slice(max(-by, 0), n - max(by, 0))
            result[tuple(here)] = x[tuple(there)]
        return result

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        (x,) = node.inputs
        axis, by = node.attrs["axis"], node.attrs["by"]
        source = index[axis] - by
        at = reader.value(source, _INT)
        inside = at >= 0 if by > 0 else at < reader.value(x.shape[axis], _INT)
        return reader.choose(
            inside,
            lambda: reader.at(x, (*index[:axis], source, *index[axis + 1 :])),
            lambda: reader.ops.const(node.attrs["fill"], x.dtype),
        )

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return tuple(
            sample
            for by, fill in ((1, 1), (-2, 0), (7, 0))
            for sample in moved([(3, 4)], {"axis": 1, "by": by, "fill": fill})
        ) + moved([(0, 2)], {"axis": 0, "by": 1, "fill": 0}, (float64,))


_INT = next(d for d in NUMBERS if d.name == "int64")
_SHIFT = Shift("shift")


def shift(x: Tensor, by: int, axis: int = -1, fill: int = 0) -> Tensor:
    """x with elements moved `by` places along an axis (negative: towards the front), `fill` behind
    them.
    """
    if by == 0:
        return x
    axis = normal_axis(axis, x.ndim)
    return apply(_SHIFT, x, axis=axis, by=by, fill=fill).outputs[0]


class LinearRecurrence(Op):
    """y[t] = a[t] * y[t-1] + b[t] along an axis, from y[first] = b[first]; `reverse` runs it from
    the end.

    16-bit floats are carried in float32 and rounded when stored.
    """

    lowering = "loops"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        a, b = inputs
        if a.dtype is not b.dtype or a.dtype not in NUMBERS:
            raise DTypeError(f"two operands of one numeric dtype needed, not {a} and {b}")
        if a.shape != b.shape:
            raise ShapeError(f"operands of one shape needed, not {a} and {b}")
        return (b,)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        a, y = node.inputs[0], node.outputs[0]
        axis, reverse = node.attrs["axis"], node.attrs["reverse"]
        step = -1 if reverse else 1
        db = linear_recurrence(shift(a, -step, axis), g, axis, not reverse)
        return db * shift(y, step, axis), db

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        shape = (size, *node.types[0].shape)
        a, b = (
            x if axis == 0 else broadcast(x, shape, tuple(range(1, len(shape))))
            for x, axis in zip(inputs, axes, strict=True)
        )
        return (linear_recurrence(a, b, node.attrs["axis"] + 1, node.attrs["reverse"]),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        half = inputs[0].dtype.itemsize == 2 and inputs[0].dtype.kind not in "iu"
        wide = np.float32 if half else inputs[0].dtype
        a, b = (np.moveaxis(x.astype(wide), attrs["axis"], 0) for x in inputs)
        if attrs["reverse"]:
            a, b = a[::-1], b[::-1]
        y = b.copy()
        with np.errstate(all="ignore"):
            for t in range(1, len(y)):
                y[t] = a[t] * y[t - 1] + b[t]
        y = y[::-1] if attrs["reverse"] else y
        return np.moveaxis(y, 0, attrs["axis"]).astype(inputs[0].dtype)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        write_running(node, kernel, lambda ab, y: ab[1] if y is None else ab[0] * y + ab[1])

    def cost(self, node: Node) -> Dim:
        return 2 * node.types[0].size

    def samples(self) -> Sequence[Sample]:
        return tuple(
            sample
            for reverse in (False, True)
            for axis, shape, dtypes in (
                (1, (3, 4, 2), NUMBERS),
                (0, (5,), (float64,)),
                (0, (0, 2), (float64,)),
                (1, (2, 1), (float64,)),
            )
            for sample in moved([shape, shape], {"axis": axis, "reverse": reverse}, dtypes)
        )


_RECURRENCE = LinearRecurrence("linear_recurrence")


def linear_recurrence(a: Tensor, b: Tensor, axis: int = -1, reverse: bool = False) -> Tensor:
    """y with y[t] = a[t] * y[t-1] + b[t] along an axis and y before the first element 0.

    a and b have one shape and dtype. The gradient is the same recurrence run the other way.
    """
    a, b = a, cast(b, a.dtype)
    axis = normal_axis(axis, b.ndim)
    return apply(_RECURRENCE, a, b, axis=axis, reverse=reverse).outputs[0]
