"""Gather: elements at positions that are known only while the code runs; take, take_along_axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, bounds
from graphc.ir.dtypes import DType, int64, uint64
from graphc.ir.errors import DTypeError, IndexRangeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.types import Shape, TensorType
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.layout import broadcast, normal_axis, reshape, transpose
from graphc.ops.located import locate_errors
from graphc.ops.sampling import KINDS, moved
from graphc.ops.source import Literal, constant, constant_value

#: What an index outside [0, n) means. "error": negative ones count from the end, others fail the
#: call; "clip": the nearest element; "wrap": modulo n; "fill": no element (a gather gives its fill
#: value, a scatter leaves it out); "proven": there is none.
MODES = ("error", "clip", "wrap", "fill", "proven")


def resolve(ops: Any, given: Any, dtype: DType, n: Any, mode: str) -> tuple[Any, Any, Any]:
    """(index as int64, position, validity) of an index into n elements, as scalar expressions.

    The position lies in [0, n) unless n is 0. The validity is None where every index is valid.
    """
    i = ops.cast(given, int64)
    if dtype is uint64:
        i = ops.select(i < 0, int(np.iinfo(np.int64).max), i)
    return (i, *_inside(ops, i, n, mode, dtype.kind == "i"))


def _inside(ops: Any, i: Any, n: Any, mode: str, signed: bool) -> tuple[Any, Any]:
    if mode == "proven":
        return i, None
    if mode == "wrap":
        i = ops.rem(i, ops.maximum(n, 1))
        i = ops.select(i < 0, i + n, i)
        return i, None
    last = ops.maximum(n - 1, 0)
    clipped = ops.minimum(ops.maximum(i, 0), last)
    if mode == "clip":
        return clipped, None
    if mode == "error" and signed:
        i = ops.select(i < 0, i + n, i)
        clipped = ops.minimum(ops.maximum(i, 0), last)
    return clipped, (i >= 0) & (i < n)


def resolve_arrays(
    op: str,
    indices: Sequence[np.ndarray[Any, Any]],
    lengths: Sequence[int],
    axes: Sequence[int],
    mode: str,
) -> tuple[list[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    """The same for NumPy arrays: positions, and the mask of those that all lie inside."""
    positions, inside = [], np.ones(indices[0].shape, bool)
    for given, n, axis in zip(indices, lengths, axes, strict=True):
        i = given.astype(np.int64)
        if given.dtype == np.uint64:
            i = np.where(i < 0, np.iinfo(np.int64).max, i)
        if mode in ("clip", "wrap") and n == 0 and i.size:
            raise IndexRangeError(f"{op}: axis {axis} has no elements to index")
        if mode == "clip":
            i = np.clip(i, 0, n - 1)
        elif mode == "wrap":
            i = i % max(n, 1)
        elif mode == "error":
            i = np.where((i < 0) & (given.dtype.kind == "i"), i + n, i)
        valid = (i >= 0) & (i < n)
        if mode != "fill" and not valid.all():
            wrong = given[~valid].flat[0]
            raise IndexRangeError(f"{op}: index {wrong} is outside axis {axis} of length {n}")
        positions.append(np.where(valid, i, 0))
        inside &= valid
    return positions, inside


def rest_axes(ndim: int, axes: Sequence[int], batch: int) -> tuple[int, ...]:
    """The axes of x that are neither shared with the indices nor indexed."""
    return tuple(k for k in range(batch, ndim) if k not in axes)


def front_key(
    positions: Sequence[np.ndarray[Any, Any]], shape: tuple[int, ...], batch: int
) -> tuple[Any, ...]:
    """A NumPy key for x with its shared axes first, then the indexed ones."""
    ndim = positions[0].ndim
    shared = [
        np.arange(shape[k]).reshape([-1 if j == k else 1 for j in range(ndim)])
        for k in range(batch)
    ]
    return (*shared, *positions)


def check_indices(
    x: TensorType, indices: Sequence[TensorType], axes: Sequence[int], batch: int
) -> Shape:
    """The shape that all index tensors have; raises where they do not fit x."""
    assert len(indices) == len(axes) > 0 and all(batch <= a < x.ndim for a in axes)
    for t in indices:
        if not t.dtype.is_integer:
            raise DTypeError(f"indices are integers, not {t.dtype}")
        if t.shape != indices[0].shape:
            raise ShapeError(f"indices of one shape needed, not {indices[0]} and {t}")
    if indices[0].shape[:batch] != x.shape[:batch]:
        raise ShapeError(f"the first {batch} axes of {x} and of the indices {indices[0]} differ")
    return indices[0].shape


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
        from graphc.ops.scatter import scatter

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


def may_be_empty(n: Dim) -> bool:
    """Whether an axis of that length is not proven to have an element."""
    low, _ = bounds(n)
    return low is None or low <= 0


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
) -> Tensor:
    """`Gather` of x at index tensors of one shape along `axes`; constant indices are checked here
    if they can be.
    """
    if mode == "error":
        indices, mode = settle(indices, [x.shape[a] for a in axes], axes)
    literal = filler(0, x.dtype) if fill is None else fill
    attrs = {"axes": tuple(axes), "batch": batch, "mode": mode, "fill": literal}
    return apply(_GATHER, x, *indices, **attrs).outputs[0]


def settle(
    indices: Sequence[Tensor], lengths: Sequence[Dim], axes: Sequence[int]
) -> tuple[list[Tensor], str]:
    """Constant indices into axes of known length, made non-negative and "proven"; otherwise as they
    are, "error".
    """
    arrays = [constant_value(t) for t in indices]
    known = [n for n in lengths if isinstance(n, int)]
    if any(a is None for a in arrays) or len(known) < len(lengths):
        return list(indices), "error"
    positions, _ = resolve_arrays(
        "gather", [a for a in arrays if a is not None], known, axes, "error"
    )
    return [constant(p) for p in positions], "proven"


def as_indices(value: TensorLike) -> Tensor:
    """Indices as a tensor; an empty list holds integers."""
    if not isinstance(value, Tensor) and np.size(value) == 0:
        return constant(np.zeros(np.shape(value), np.int64))
    return as_tensor(value)


def check_mode(mode: str, allowed: Sequence[str]) -> None:
    """Raises ShapeError for a mode that there is not."""
    if mode not in allowed:
        raise ShapeError(f"there is no mode {mode!r}\n  hint: {', '.join(map(repr, allowed))}")


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
    found = gather(transpose(x, last), [transpose(t, last)], [x.ndim - 1], x.ndim - 1, mode)
    return transpose(found, tuple(last.index(k) for k in range(x.ndim)))


def line_order(ndim: int, axis: int) -> tuple[int, ...]:
    """The order of axes with this one last."""
    return (*(k for k in range(ndim) if k != axis), axis)
