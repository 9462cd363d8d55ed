"""Gather: elements at positions that are known only while the code runs; take, take_along_axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType, int64
from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, Tensor, apply, of_axes
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.types import TensorType
from graphc.ops.axes import line_order
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.indexing.modes import (
    MODES,
    as_indices,
    check_indices,
    check_mode,
    check_places,
    front_key,
    may_be_empty,
    resolve,
    resolve_arrays,
    rest_axes,
    settle,
)  # fmt: skip
from graphc.ops.layout import broadcast, normal_axis, reshape, transpose
from graphc.ops.literal import Literal
from graphc.ops.located import locate_errors
from graphc.ops.sampling import KINDS, moved
from graphc.ops.source import constant


class Gather(Op):
    """Elements of x at the positions that integer tensors of one shape give along `axes`.

    The first `batch` axes of x and of the indices run together. With an index shape of `batch + S`
    the result has the shape `batch + S + the other axes of x`. `mode` and `fill` say what an index
    outside means.
    """

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        x, *indices = inputs
        shape = check_indices(x, indices, attrs["axes"], attrs["batch"])
        rest = rest_axes(x.ndim, attrs["axes"], attrs["batch"])
        return (TensorType(x.dtype, (*shape, *(x.shape[k] for k in rest))),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        from graphc.ops.indexing.scatter import scatter

        (g,) = cotangents
        assert g is not None
        x, *indices = node.inputs
        axes, batch, mode = (node.attrs[name] for name in ("axes", "batch", "mode"))
        zeros = broadcast(constant(0, x.dtype), x.shape, ())
        return (scatter(zeros, g, indices, axes, batch, mode, "add"), *(None for _ in indices))

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        (x, *indices), a = inputs, node.attrs
        indexed = tuple(k + (axes[0] == 0) for k in a["axes"])
        if axes[0] == 0:
            indices = spread_indices(indices, axes[1:], size)
            return (gather(x, indices, indexed, a["batch"] + 1, a["mode"], a["fill"]),)
        if a["batch"]:
            x = broadcast(x, (size, *x.shape), tuple(range(1, x.ndim + 1)))
            indices = spread_indices(indices, axes[1:], size)
            indexed = tuple(k + 1 for k in a["axes"])
            return (gather(x, indices, indexed, a["batch"] + 1, a["mode"], a["fill"]),)
        indices = spread_indices(indices, axes[1:], size)
        return (gather(x, indices, indexed, 0, a["mode"], a["fill"]),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        x, *indices = inputs
        axes, batch = attrs["axes"], attrs["batch"]
        lengths = [x.shape[a] for a in axes]
        positions, inside = resolve_arrays("gather", indices, lengths, axes, attrs["mode"])
        front = np.moveaxis(x, axes, range(batch, batch + len(axes)))
        shape = (*indices[0].shape, *(x.shape[k] for k in rest_axes(x.ndim, axes, batch)))
        result = np.full(shape, attrs["fill"].array, x.dtype)
        if inside.any():
            found = front[front_key(positions, x.shape, batch)]
            result[inside] = found[inside]
        return result

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        x, *indices = node.inputs
        axes, batch, mode = (node.attrs[name] for name in ("axes", "batch", "mode"))
        split = indices[0].ndim
        there: list[Dim] = [*index[:batch], *([0] * (x.ndim - batch))]
        for k, i in zip(rest_axes(x.ndim, axes, batch), index[split:], strict=True):
            there[k] = i
        inside: Any = None
        for axis, t in zip(axes, indices, strict=True):
            place, valid = self._position(reader, t, index[:split], x.shape[axis], axis, mode)
            there[axis] = place
            if valid is not None:
                inside = valid if inside is None else inside & valid
        fill = node.attrs["fill"].array.item()
        if inside is None:
            return reader.at(x, tuple(there))
        return reader.choose(
            inside, lambda: reader.at(x, tuple(there)), lambda: reader.ops.const(fill, x.dtype)
        )

    def checks(self, node: Node) -> Sequence[Tensor]:
        return check_places(node, node.inputs[1:], node.inputs[0].shape)

    def _position(
        self, reader: Reader, t: Tensor, index: Index, n: Dim, axis: int, mode: str
    ) -> tuple[Dim, Any]:
        """Where along an axis to read, and the condition under which there is something to read."""
        extent = reader.value(n, int64)
        i, place, valid = resolve(reader.ops, reader.at(t, index), t.dtype, extent, mode)
        if mode == "error":
            reader.check(valid, f"axis {axis} of length {n}", i)
            if not may_be_empty(n):
                valid = None  # the clipped position is harmless
        elif mode in ("clip", "wrap") and may_be_empty(n):
            valid = extent > 0
            reader.check(valid, f"axis {axis} of length {n}", i)
        return reader.dynamic(place, n), valid

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        rows = {"axes": (0,), "batch": 0, "mode": "error"}
        pairs = {"axes": (0, 2), "batch": 0, "mode": "wrap"}
        lines = {"axes": (2,), "batch": 1, "mode": "clip"}
        holes = {"axes": (1,), "batch": 0, "mode": "fill"}
        table = np.array([[0, -1, 3], [2, 2, -4]])
        return tuple(
            sample
            for shape, attrs, indices in (
                ((4, 3), rows, [table]),
                ((4, 3), rows, [np.array(2, np.uint8)]),
                ((4, 2, 3), pairs, [table.astype(np.int32) * 3, table - 7]),
                ((2, 3, 4), lines, [table * 2]),
                ((2, 3), holes, [np.array([-1, 0, 3, 2])]),
                ((2, 0), holes, [np.array([0, 1])]),
                ((0, 3), rows, [np.zeros((0, 2), np.int64)]),
            )
            for dtype in KINDS
            for sample in moved([shape], {**attrs, "fill": filler(7, dtype)}, (dtype,), indices)
        )


_GATHER = Gather("gather")


def filler(value: bool | int | float, dtype: DType) -> Literal:
    """A fill value as an attribute."""
    return Literal(np.asarray(value).astype(dtype.numpy))


def spread_indices(
    indices: Sequence[Tensor], axes: Sequence[int | None], size: Dim
) -> list[Tensor]:
    """The index tensors with the new leading axis on all of them."""
    return [
        t if axis == 0 else broadcast(t, (size, *t.shape), tuple(range(1, t.ndim + 1)))
        for t, axis in zip(indices, axes, strict=True)
    ]


def gather(
    x: Tensor,
    indices: Sequence[Tensor],
    axes: Sequence[int],
    batch: int = 0,
    mode: str = "error",
    fill: Literal | None = None,
    given: Sequence[int] | None = None,
) -> Tensor:
    """`Gather` of x at index tensors of one shape along `axes`; constant indices are checked here
    if they can be. Errors name the axes `given` where these are others.
    """
    if mode == "error":
        indices, mode = settle(indices, [x.shape[a] for a in axes], given or axes)
    literal = filler(0, x.dtype) if fill is None else fill
    attrs = {"axes": tuple(axes), "batch": batch, "mode": mode, "fill": literal}
    found = apply(_GATHER, x, *indices, **attrs).outputs[0]
    return of_axes(found, given) if given else found


@locate_errors
def take(
    x: TensorLike,
    indices: TensorLike,
    axis: int | None = None,
    mode: str = "error",
    fill_value: bool | int | float = 0,
) -> Tensor:
    """Elements of x at `indices` along an axis (None: of the flattened x), which become the axes of
    `indices`.

    An index outside the axis is, by `mode`: an "error" (negative ones count from the end); "clip":
    the nearest one; "wrap": taken modulo the length; "fill": gives `fill_value` (negative ones
    too).
    """
    check_mode(mode, MODES[:4])
    x, t = as_tensor(x), as_indices(indices)
    if axis is None:
        x, axis = reshape(x, -1), 0
    axis = normal_axis(axis, x.ndim)
    found = gather(x, [t], [axis], 0, mode, filler(fill_value, x.dtype))
    order = (*range(t.ndim, t.ndim + axis), *range(t.ndim), *range(t.ndim + axis, found.ndim))
    return transpose(found, order)


@locate_errors
def take_along_axis(
    x: TensorLike, indices: TensorLike, axis: int | None = -1, mode: str = "error"
) -> Tensor:
    """For each line along an axis, the elements at that line's indices; shapes agree along the
    other axes.
    """
    check_mode(mode, MODES[:4])
    x, t = as_tensor(x), as_indices(indices)
    if axis is None:
        x, axis = reshape(x, -1), 0
    axis = normal_axis(axis, x.ndim)
    check_lines(x, t, axis)
    return along_axis(x, t, axis, mode)


def check_lines(x: Tensor, t: Tensor, axis: int) -> None:
    """Raises where x and an index tensor do not have the same lines along an axis."""
    if x.ndim != t.ndim:
        raise ShapeError(f"indices with {x.ndim} axes needed, not {t.ndim}")
    for k, (a, b) in enumerate(zip(x.shape, t.shape, strict=True)):
        if k != axis and a != b:
            raise ShapeError(f"axis {k} has length {a} in the array and {b} in the indices")


def along_axis(x: Tensor, t: Tensor, axis: int, mode: str) -> Tensor:
    """`take_along_axis` of checked operands."""
    last = line_order(x.ndim, axis)
    lines, places, end = transpose(x, last), transpose(t, last), x.ndim - 1
    found = gather(lines, [places], [end], end, mode, given=[axis])
    return transpose(found, tuple(last.index(k) for k in range(x.ndim)))
