"""What an index means: its modes, its checks, the positions it gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, DimExpr, bounds
from graphc.ir.dtypes import DType, int64, uint64
from graphc.ir.errors import DTypeError, IndexRangeError, ShapeError
from graphc.ir.node import Node, Tensor
from graphc.ir.types import Shape, TensorType
from graphc.ops.checked import checked_index, checked_place
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.extent import extent
from graphc.ops.layout import broadcast
from graphc.ops.source import constant, constant_value

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
    """The same for NumPy arrays: positions, and the mask of those that all lie inside; errors begin
    with `op`, if that is something.
    """
    begin = f"{op}: " if op else ""
    positions, inside = [], np.ones(indices[0].shape, bool)
    for given, n, axis in zip(indices, lengths, axes, strict=True):
        i = given.astype(np.int64)
        if given.dtype == np.uint64:
            i = np.where(i < 0, np.iinfo(np.int64).max, i)
        if mode in ("clip", "wrap") and n == 0 and i.size:
            raise IndexRangeError(f"{begin}axis {axis} has no elements to index")
        if mode == "clip":
            i = np.clip(i, 0, n - 1)
        elif mode == "wrap":
            i = i % max(n, 1)
        elif mode == "error":
            i = np.where((i < 0) & (given.dtype.kind == "i"), i + n, i)
        valid = (i >= 0) & (i < n)
        if mode != "fill" and not valid.all():
            wrong = given[~valid].flat[0]
            raise IndexRangeError(f"{begin}index {wrong} is outside axis {axis} of length {n}")
        positions.append(np.where(valid, i, 0))
        inside &= valid
    return positions, inside


def check_places(node: Node, indices: Sequence[Tensor], shape: Shape) -> list[Tensor]:
    """What makes the checks of a node that takes indices into an array of that shape."""
    found: list[Tensor] = []
    for t, axis in zip(indices, node.attrs["axes"], strict=True):
        n, mode, what = shape[axis], node.attrs["mode"], f"axis {axis} of length {shape[axis]}"
        if mode == "error":
            found.append(checked_place(t, n, n - 1, what, node.op.name, node.attrs["axes"]))
        elif mode in ("clip", "wrap") and may_be_empty(n):
            found.append(checked_index(broadcast(extent(n - 1), t.shape, ()), n, what))
    return found


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


def may_be_empty(n: Dim) -> bool:
    """Whether an axis of that length is not proven to have an element."""
    low, _ = bounds(n)
    return low is None or low <= 0


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
    positions, _ = resolve_arrays("", [a for a in arrays if a is not None], known, axes, "error")
    return [constant(p) for p in positions], "proven"


def as_indices(value: TensorLike) -> Tensor:
    """Indices as a tensor; an empty list holds integers."""
    if not isinstance(value, (Tensor, DimExpr)) and np.size(value) == 0:
        return constant(np.zeros(np.shape(value), np.int64))
    return as_tensor(value)


def check_mode(mode: str, allowed: Sequence[str]) -> None:
    """Raises ShapeError for a mode that there is not."""
    if mode not in allowed:
        raise ShapeError(f"there is no mode {mode!r}\n  hint: {', '.join(map(repr, allowed))}")
