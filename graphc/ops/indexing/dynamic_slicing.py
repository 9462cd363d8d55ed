"""A block of an array at a place that is known only while the code runs: read it, or replace it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, maximum
from graphc.ir.dtypes import int64
from graphc.ir.errors import DTypeError, IndexRangeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.types import Shape, TensorType
from graphc.ops.checked import checked_index, checked_place
from graphc.ops.convert import TensorLike, as_operand, as_tensor, cast
from graphc.ops.extent import extent
from graphc.ops.indexing.gather import gather, spread_indices
from graphc.ops.indexing.modes import as_indices, check_mode
from graphc.ops.indexing.scatter import scatter
from graphc.ops.indexing.slicing import is_nonnegative
from graphc.ops.layout import broadcast, normal_axis, reshape, transpose
from graphc.ops.located import locate_errors
from graphc.ops.sampling import KINDS, moved
from graphc.ops.select import where
from graphc.ops.source import as_shape, constant, iota

MODES = ("error", "clip")


def _check(x: TensorType, starts: Sequence[TensorType], axes: Sequence[int], block: Shape) -> None:
    assert len(starts) == len(axes) and all(0 <= a < x.ndim for a in axes)
    for t in starts:
        if not t.dtype.is_integer or t.ndim:
            raise DTypeError(f"starts are integer scalars, not {t}")
    for k, (n, size) in enumerate(zip(x.shape, block, strict=True)):
        if k not in axes and size != n:
            raise ShapeError(f"axis {k} has length {size} in the block and {n} in the array")
        if isinstance(n, int) and isinstance(size, int) and size > n:
            raise ShapeError(f"a block of {size} elements in axis {k} of length {n}")


def _places(node: Node, reader: Reader, block: Shape) -> tuple[dict[int, Dim], Any]:
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


def _checks(node: Node, block: Shape) -> list[Tensor]:
    """What makes the checks of `_places`."""
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


def _key(
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


def _indices(
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


def _order(ndim: int, axes: Sequence[int]) -> tuple[int, ...]:
    """The axes of a block with those in `axes` first."""
    return (*axes, *(k for k in range(ndim) if k not in axes))


class DynamicSlice(Op):
    """The block of x of the given sizes that begins at scalar `starts` along `axes`, at 0 along
    others.

    Mode "error": a negative start counts from the end, and the block must fit. "clip": moved to
    where it fits.
    """

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        x, *starts = inputs
        _check(x, starts, attrs["axes"], attrs["sizes"])
        return (TensorType(x.dtype, attrs["sizes"]),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        x, *starts = node.inputs
        zeros = broadcast(constant(0, g.dtype), x.shape, ())
        whole = _update(zeros, g, starts, node.attrs["axes"], node.attrs["mode"])
        return (whole, *(None for _ in starts))

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        x, *starts = inputs
        mode, sizes = node.attrs["mode"], node.attrs["sizes"]
        if all(a is None for a in axes[1:]):
            shifted = tuple(a + 1 for a in node.attrs["axes"])
            return (_slice(x, starts, shifted, (size, *sizes), mode),)
        x, *starts = spread_indices(inputs, axes, size)
        old, shape = node.attrs["axes"], node.inputs[0].shape
        indices = _indices(starts, shape, sizes, old, mode)
        found = gather(x, indices, tuple(a + 1 for a in old), 1)
        order = _order(len(sizes), old)
        return (transpose(found, (0, *(order.index(k) + 1 for k in range(len(sizes))))),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        x, *starts = inputs
        return x[_key("dynamic_slice", x.shape, attrs["sizes"], starts, attrs)]

    def checks(self, node: Node) -> Sequence[Tensor]:
        return _checks(node, node.attrs["sizes"])

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        x = node.inputs[0]
        places, fits = _places(node, reader, node.attrs["sizes"])
        there = tuple(i + places.get(k, 0) for k, i in enumerate(index))
        if fits is None:
            return reader.at(x, there)
        return reader.choose(
            fits, lambda: reader.at(x, there), lambda: reader.ops.const(0, x.dtype)
        )

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        inside = {"axes": (0, 1), "sizes": (2, 3, 2), "mode": "error"}
        moved_in = {"axes": (1,), "sizes": (4, 3, 2), "mode": "clip"}
        return (
            *moved([(4, 5, 2)], inside, KINDS, [np.int64(-3), np.int32(2)]),
            *moved([(4, 5, 2)], moved_in, KINDS, [np.int64(7)]),
        )


class DynamicUpdate(Op):
    """x with a block replaced; the block and where it begins are as in `DynamicSlice`."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        x, update, *starts = inputs
        if x.dtype is not update.dtype or x.ndim != update.ndim:
            raise DTypeError(f"a block of {x.dtype} with {x.ndim} axes needed, not {update}")
        _check(x, starts, attrs["axes"], update.shape)
        return (x,)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        _, update, *starts = node.inputs
        axes, mode = node.attrs["axes"], node.attrs["mode"]
        zeros = broadcast(constant(0, g.dtype), update.shape, ())
        return (
            _update(g, zeros, starts, axes, mode),
            _slice(g, starts, axes, update.shape, mode),
            *(None for _ in starts),
        )

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        old, mode = node.attrs["axes"], node.attrs["mode"]
        shifted = tuple(a + 1 for a in old)
        if all(a is None for a in axes[2:]):
            x, update = spread_indices(inputs[:2], axes[:2], size)
            return (_update(x, update, inputs[2:], shifted, mode),)
        x, update, *starts = spread_indices(inputs, axes, size)
        block = node.inputs[1].shape
        indices = _indices(starts, node.inputs[0].shape, block, old, mode)
        lined = transpose(update, (0, *(k + 1 for k in _order(len(block), old))))
        return (scatter(x, lined, indices, shifted, 1, unique=True),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        x, update, *starts = inputs
        result = np.array(x)
        result[_key("dynamic_update_slice", x.shape, update.shape, starts, attrs)] = update
        return result

    def checks(self, node: Node) -> Sequence[Tensor]:
        return _checks(node, node.inputs[1].shape)

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        x, update = node.inputs[:2]
        places, _ = _places(node, reader, update.shape)
        there = tuple(i - places.get(k, 0) for k, i in enumerate(index))
        inside: Any = None
        for axis in node.attrs["axes"]:
            i = reader.value(there[axis], int64)
            covered = (i >= 0) & (i < reader.value(update.shape[axis], int64))
            inside = covered if inside is None else inside & covered
        return reader.choose(inside, lambda: reader.at(update, there), lambda: reader.at(x, index))

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        inside = {"axes": (0, 1), "mode": "error"}
        moved_in = {"axes": (1,), "mode": "clip"}
        return (
            *moved([(4, 5, 2), (2, 3, 2)], inside, KINDS, [np.int64(-3), np.int32(2)]),
            *moved([(4, 5), (4, 2)], moved_in, KINDS, [np.int64(7)]),
        )


_DYNAMIC_SLICE = DynamicSlice("dynamic_slice")
_DYNAMIC_UPDATE = DynamicUpdate("dynamic_update_slice")


def _slice(
    x: Tensor, starts: Sequence[Tensor], axes: tuple[int, ...], sizes: Shape, mode: str
) -> Tensor:
    return apply(_DYNAMIC_SLICE, x, *starts, axes=axes, sizes=sizes, mode=mode).outputs[0]


def _update(
    x: Tensor, update: Tensor, starts: Sequence[Tensor], axes: tuple[int, ...], mode: str
) -> Tensor:
    return apply(_DYNAMIC_UPDATE, x, update, *starts, axes=axes, mode=mode).outputs[0]


def _starts(
    starts: TensorLike | Sequence[TensorLike], axes: Sequence[int] | None, ndim: int
) -> tuple[list[Tensor], tuple[int, ...]]:
    parts = list(starts) if isinstance(starts, (list, tuple)) else [starts]
    where_ = tuple(normal_axis(a, ndim) for a in axes) if axes is not None else tuple(range(ndim))
    if len(parts) != len(where_) or len(set(where_)) != len(where_) or not parts:
        raise ShapeError(f"{len(parts)} starts for the axes {where_}")
    return [reshape(as_indices(t), ()) for t in parts], where_  # type: ignore[arg-type]


@locate_errors
def dynamic_slice(
    x: TensorLike,
    starts: TensorLike | Sequence[TensorLike],
    sizes: Sequence[Any],
    axes: Sequence[int] | None = None,
    mode: str = "error",
) -> Tensor:
    """The block of x that begins at `starts`, integer scalars of the graph, and has these sizes.

    `axes` names the axes that starts and sizes are for (None: all); others are taken whole. By
    `mode` a block that does not fit is an "error" (a negative start counts from the end), or moved
    to where it fits: "clip".
    """
    check_mode(mode, MODES)
    x = as_tensor(x)
    places, where_ = _starts(starts, axes, x.ndim)
    block = dict(zip(where_, as_shape(tuple(sizes)), strict=False))
    if len(block) != len(where_) or len(sizes) != len(where_):
        raise ShapeError(f"{len(sizes)} sizes for {len(where_)} starts")
    whole = tuple(block.get(k, d) for k, d in enumerate(x.shape))
    return _slice(x, places, where_, whole, mode)


@locate_errors
def dynamic_update_slice(
    x: TensorLike,
    update: TensorLike,
    starts: TensorLike | Sequence[TensorLike],
    axes: Sequence[int] | None = None,
    mode: str = "error",
) -> Tensor:
    """x with the block that begins at `starts` replaced by `update`, which has as many axes.

    `axes` and `mode` are as in `dynamic_slice`.
    """
    check_mode(mode, MODES)
    x = as_tensor(x)
    places, where_ = _starts(starts, axes, x.ndim)
    return _update(x, as_operand(update, x.dtype), places, where_, mode)
