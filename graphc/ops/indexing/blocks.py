"""Blocks of an array at places that are known only while the code runs: where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.dims import Dim, maximum
from graphc.ir.dtypes import int64
from graphc.ir.errors import DTypeError, IndexRangeError, ShapeError
from graphc.ir.node import Node, Tensor
from graphc.ir.op import Reader
from graphc.ir.types import Shape, TensorType
from graphc.ops.checked import checked_index, checked_place
from graphc.ops.convert import cast
from graphc.ops.extent import extent
from graphc.ops.indexing.slicing import is_nonnegative
from graphc.ops.layout import broadcast
from graphc.ops.select import where
from graphc.ops.source import iota


def check_block(
    x: TensorType, starts: Sequence[TensorType], axes: Sequence[int], block: Shape
) -> None:
    """Raises unless there are integer scalars for the axes along which a block lies in x."""
    assert len(starts) == len(axes) and all(0 <= a < x.ndim for a in axes)
    for t in starts:
        if not t.dtype.is_integer or t.ndim:
            raise DTypeError(f"starts are integer scalars, not {t}")
    for k, (n, size) in enumerate(zip(x.shape, block, strict=True)):
        if k not in axes and size != n:
            raise ShapeError(f"axis {k} has length {size} in the block and {n} in the array")
        if isinstance(n, int) and isinstance(size, int) and size > n:
            raise ShapeError(f"a block of {size} elements in axis {k} of length {n}")


def places_of(node: Node, reader: Reader, block: Shape) -> tuple[dict[int, Dim], Any]:
    """Where the block begins along each axis, and whether there is room for it (None: proven)."""
    x, starts = node.inputs[0], node.inputs[-len(node.attrs["axes"]) :]
    ops, fits = reader.ops, None
    places: dict[int, Dim] = {}
    for axis, t in zip(node.attrs["axes"], starts, strict=True):
        n, size = x.shape[axis], block[axis]
        i = ops.cast(reader.at(t, ()), int64)
        room = reader.value(n - size, int64)
        place = i
        if node.attrs["mode"] == "error":
            place = ops.select(i < 0, i + reader.value(n, int64), i)
            reader.check((place >= 0) & (place <= room), _what(x, axis, size), i)
        elif not is_nonnegative(n - size):
            reader.check(room >= 0, _what(x, axis, size), i)
        if not is_nonnegative(n - size):
            fits = room >= 0 if fits is None else fits & (room >= 0)
        place = ops.maximum(ops.minimum(place, room), 0)
        places[axis] = reader.dynamic(place, maximum(n - size + 1, 1))
    return places, fits


def checks_of(node: Node, block: Shape) -> list[Tensor]:
    """What makes the checks of `places_of`."""
    x, starts = node.inputs[0], node.inputs[-len(node.attrs["axes"]) :]
    found: list[Tensor] = []
    for axis, t in zip(node.attrs["axes"], starts, strict=True):
        n, room, what = x.shape[axis], x.shape[axis] - block[axis], _what(x, axis, block[axis])
        if node.attrs["mode"] == "error":
            found.append(checked_place(t, n, room, what, node.op.name, node.attrs["axes"]))
        elif not is_nonnegative(room):
            found.append(checked_index(extent(room), 2**63 - 1, what))
    return found


def _what(x: Tensor, axis: int, size: Dim) -> str:
    return f"axis {axis} of length {x.shape[axis]} with a block of {size}"


def block_key(
    op: str, shape: Sequence[int], block: Sequence[int], starts: Any, attrs: Any
) -> tuple[slice, ...]:
    """The NumPy key of the block."""
    key = [slice(None)] * len(shape)
    for axis, start in zip(attrs["axes"], starts, strict=True):
        n, size, i = shape[axis], block[axis], int(start)
        if attrs["mode"] == "clip":
            i = min(max(i, 0), n - size)
        elif i < 0:
            i += n
        if not 0 <= i <= n - size:
            raise IndexRangeError(
                f"{op}: index {int(start)} is outside axis {axis} of length {n}"
                f" with a block of {size}"
            )
        key[axis] = slice(i, i + size)
    return tuple(key)


def block_indices(
    starts: Sequence[Tensor], shape: Shape, block: Shape, axes: Sequence[int], mode: str
) -> list[Tensor]:
    """Indices of the blocks' elements along `axes`, for starts with one leading axis.

    They are unsigned, so that what lies before the first element is outside too.
    """
    inner = tuple(block[a] for a in axes)
    lead = starts[0].shape[0]
    found: list[Tensor] = []
    for k, (axis, t) in enumerate(zip(axes, starts, strict=True)):
        i, n = cast(t, int64), extent(shape[axis])
        if mode == "clip":
            room = extent(shape[axis] - block[axis])
            i = where(i < 0, 0, where(i > room, room, i))
        else:
            i = where(i < 0, i + n, i)
        spread = broadcast(i, (lead, *inner), (0,)) + iota((lead, *inner), k + 1)
        found.append(cast(spread, "uint64"))
    return found


def axes_first(ndim: int, axes: Sequence[int]) -> tuple[int, ...]:
    """The axes of a block with those in `axes` first."""
    return (*axes, *(k for k in range(ndim) if k not in axes))
