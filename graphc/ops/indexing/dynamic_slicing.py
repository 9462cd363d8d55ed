"""A block of an array at a place that is known only while the code runs: read it, or replace it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import int64
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.types import Shape, TensorType
from graphc.ops.convert import TensorLike, as_operand, as_tensor
from graphc.ops.indexing.blocks import (
    axes_first,
    block_indices,
    block_key,
    check_block,
    checks_of,
    places_of,
)
from graphc.ops.indexing.gather import gather, spread_indices
from graphc.ops.indexing.modes import as_indices, check_mode
from graphc.ops.indexing.scatter import scatter
from graphc.ops.layout import broadcast, normal_axis, reshape, transpose
from graphc.ops.located import locate_errors
from graphc.ops.sampling import KINDS, moved
from graphc.ops.source import as_shape, constant

MODES = ("error", "clip")


class DynamicSlice(Op):
    """The block of x of the given sizes that begins at scalar `starts` along `axes`, at 0 along
    others.

    Mode "error": a negative start counts from the end, and the block must fit. "clip": moved to
    where it fits.
    """

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        x, *starts = inputs
        check_block(x, starts, attrs["axes"], attrs["sizes"])
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
        indices = block_indices(starts, shape, sizes, old, mode)
        found = gather(x, indices, tuple(a + 1 for a in old), 1)
        order = axes_first(len(sizes), old)
        return (transpose(found, (0, *(order.index(k) + 1 for k in range(len(sizes))))),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        x, *starts = inputs
        return x[block_key("dynamic_slice", x.shape, attrs["sizes"], starts, attrs)]

    def checks(self, node: Node) -> Sequence[Tensor]:
        return checks_of(node, node.attrs["sizes"])

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        x = node.inputs[0]
        places, fits = places_of(node, reader, node.attrs["sizes"])
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
        check_block(x, starts, attrs["axes"], update.shape)
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
        indices = block_indices(starts, node.inputs[0].shape, block, old, mode)
        lined = transpose(update, (0, *(k + 1 for k in axes_first(len(block), old))))
        return (scatter(x, lined, indices, shifted, 1, unique=True),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        x, update, *starts = inputs
        result = np.array(x)
        result[block_key("dynamic_update_slice", x.shape, update.shape, starts, attrs)] = update
        return result

    def checks(self, node: Node) -> Sequence[Tensor]:
        return checks_of(node, node.inputs[1].shape)

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        x, update = node.inputs[:2]
        places, _ = places_of(node, reader, update.shape)
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
