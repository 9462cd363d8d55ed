"""Padding: an array inside a larger one, filled with a number or by repeating what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, DimExpr, floordiv, mod
from graphc.ir.dtypes import int64
from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.plain import plain
from graphc.ir.types import Shape, TensorType
from graphc.ops.convert import TensorLike, as_operand, as_tensor
from graphc.ops.indexing.slicing import is_nonnegative, narrow, strided
from graphc.ops.joining import concat
from graphc.ops.layout import broadcast_to, reshape
from graphc.ops.literal import Literal
from graphc.ops.located import locate_errors
from graphc.ops.sampling import KINDS, moved
from graphc.ops.source import constant_value


class Place(Op):
    """The reverse of `Slice`: element i of the input goes to `starts + steps * i`; elsewhere stands
    `fill`.
    """

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        assert len(attrs["starts"]) == len(attrs["shape"]) == len(attrs["steps"]) == x.ndim
        return (TensorType(x.dtype, attrs["shape"]),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        return (strided(g, node.attrs["starts"], node.inputs[0].shape, node.attrs["steps"]),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        a = node.attrs
        shape, starts, steps = (size, *a["shape"]), (0, *a["starts"]), (1, *a["steps"])
        more = {**a, "shape": shape, "starts": starts, "steps": steps}
        return apply(self, inputs[0], **more).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,) = inputs
        result = np.full(attrs["shape"], attrs["fill"].array, x.dtype)
        parts = zip(attrs["starts"], x.shape, attrs["steps"], strict=True)
        lines = [start + step * np.arange(size) for start, size, step in parts]
        result[np.ix_(*lines) if lines else ()] = x
        return result

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        (x,) = node.inputs
        there: list[Dim] = []
        inside: list[Any] = []
        parts = zip(index, node.attrs["starts"], node.attrs["steps"], strict=True)
        for k, (i, start, step) in enumerate(parts):
            ours, theirs = x.shape[k], node.types[0].shape[k]
            offset = i - start if step > 0 else start - i
            there.append(floordiv(offset, abs(step)))
            if (
                ours == theirs
                and abs(step) == 1
                and (start == 0 if step > 0 else start == ours - 1)
            ):
                continue
            if not is_nonnegative(offset):
                inside.append(reader.value(offset, int64) >= 0)
            if abs(step) > 1:
                remainder = reader.value(mod(offset, abs(step)), int64)
                inside.append(reader.ops.equal(remainder, 0))
            inside.append(reader.value(there[k] - ours, int64) < 0)
        if not inside:
            return reader.at(x, tuple(there))
        condition = inside[0]
        for more in inside[1:]:
            condition = condition & more
        fill = node.attrs["fill"].array.item()
        return reader.choose(
            condition,
            lambda: reader.at(x, tuple(there)),
            lambda: reader.ops.const(fill, x.dtype),
        )

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        cases = (
            ((2, 5), {"shape": (4, 7), "starts": (1, 0), "steps": (1, 1)}),
            ((3, 2), {"shape": (8, 4), "starts": (5, 1), "steps": (-2, 1)}),
            ((0, 3), {"shape": (2, 3), "starts": (0, 2), "steps": (2, -1)}),
        )
        return tuple(
            sample
            for d in KINDS
            for shape, attrs in cases
            for sample in moved([shape], {**attrs, "fill": Literal(np.asarray(1, d.numpy))}, (d,))
        )


_PLACE = Place("place")


def place(
    x: Tensor,
    shape: Shape,
    starts: tuple[Dim, ...],
    steps: tuple[int, ...],
    fill: bool | int | float = 0,
) -> Tensor:
    """An array of `shape` with element i of x at `starts + steps * i`, and `fill` elsewhere."""
    if shape == x.shape and all(s == 0 for s in starts) and all(s == 1 for s in steps):
        return x
    literal = Literal(np.asarray(fill, x.dtype.numpy))
    return apply(_PLACE, x, shape=shape, starts=starts, steps=steps, fill=literal).outputs[0]


Width = Dim | Sequence[Dim] | Sequence[Sequence[Dim]]


@locate_errors
def pad(
    x: TensorLike, pad_width: Width, mode: str = "constant", constant_values: TensorLike = 0
) -> Tensor:
    """x with elements added before and after each axis, as numpy.pad.

    `pad_width` is a number, a pair (before, after), or such a pair for each axis; numbers may be
    lengths with names, of which the call checks that they are not negative. Modes:
    "constant", "edge" (the last element again), "reflect" and "symmetric" (mirrored, without and
    with the edge), "wrap". Along an axis of symbolic length, mirrored and wrapped padding may not
    exceed that length; the call checks it.
    """
    x = as_tensor(x)
    widths = _widths(pad_width, x.ndim)
    if mode == "constant":
        return _pad_constant(x, widths, constant_values)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise ShapeError(
            f"there is no padding mode {mode!r}\n"
            '  hint: "constant", "edge", "reflect", "symmetric" or "wrap"'
        )
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = _pad_axis(x, axis, before, after, mode)
    return x


def _widths(pad_width: Width, ndim: int) -> list[tuple[Dim, Dim]]:
    try:
        pairs = np.broadcast_to(np.asarray(pad_width, object), (ndim, 2))
    except ValueError:
        raise ShapeError(
            f"pad_width {pad_width} does not fit {ndim} axes: a number, a pair, or a pair per axis"
        ) from None
    return [(_width(before, pad_width), _width(after, pad_width)) for before, after in pairs]


def _width(value: Any, pad_width: Width) -> Dim:
    value = plain(value)
    if isinstance(value, DimExpr) or (type(value) is int and value >= 0):
        return value
    raise ShapeError(f"padding is counted in whole elements, not {pad_width}")


def _pad_constant(x: Tensor, widths: list[tuple[Dim, Dim]], value: TensorLike) -> Tensor:
    from graphc.ops.select import where

    fill = as_operand(value, x.dtype)
    if fill.ndim:
        raise ShapeError(f"one constant value is needed, not {fill.type}")
    for axis, width in enumerate(widths):
        if any(isinstance(w, DimExpr) for w in width):
            x = _joined_to(x, axis, width, fill)
            widths = [(0, 0) if k == axis else w for k, w in enumerate(widths)]
    shape = tuple(d + before + after for d, (before, after) in zip(x.shape, widths, strict=True))
    starts, steps = tuple(before for before, _ in widths), (1,) * x.ndim
    known = constant_value(fill)
    if known is not None:
        return place(x, shape, starts, steps, known.item())
    ones = broadcast_to(as_tensor(True), x.shape)
    return where(place(ones, shape, starts, steps, False), place(x, shape, starts, steps), fill)


def _joined_to(x: Tensor, axis: int, widths: tuple[Dim, Dim], fill: Tensor) -> Tensor:
    """x between elements that are `fill`, along an axis."""
    fill = reshape(fill, (1,) * x.ndim)
    shapes = [tuple(w if k == axis else d for k, d in enumerate(x.shape)) for w in widths]
    before, after = (broadcast_to(fill, shape) for shape in shapes)
    return concat([before, x, after], axis)


def _pad_axis(x: Tensor, axis: int, before: Dim, after: Dim, mode: str) -> Tensor:
    n = x.shape[axis]
    if isinstance(n, int) and isinstance(before, int) and isinstance(after, int):
        if n == 0:
            raise ShapeError(f"cannot pad axis {axis} of length 0 in mode {mode!r}")
        runs = _runs(np.pad(np.arange(n), (before, after), mode=mode))  # type: ignore[call-overload]
        return concat([_stretch(x, axis, run) for run in runs], axis)
    return concat(_symbolic_parts(x, axis, before, after, mode), axis)


def _runs(positions: np.ndarray[Any, Any]) -> list[tuple[int, int, int]]:
    """(start, size, step) of stretches with step 1, -1 or 0 that together are these positions."""
    runs: list[tuple[int, int, int]] = []
    for p in map(int, positions):
        if runs:
            start, size, step = runs[-1]
            if size == 1 and abs(p - start) <= 1:
                runs[-1] = (start, 2, p - start)
                continue
            if size > 1 and p == start + size * step:
                runs[-1] = (start, size + 1, step)
                continue
        runs.append((p, 1, 1))
    return runs


def _stretch(x: Tensor, axis: int, run: tuple[int, int, int]) -> Tensor:
    start, size, step = run
    return narrow(x, axis, *run) if step else _repeat(narrow(x, axis, start, 1), axis, size)


def _symbolic_parts(x: Tensor, axis: int, before: Dim, after: Dim, mode: str) -> list[Tensor]:
    """What is before, x, and what is after, where lengths are known at the call only."""
    n = x.shape[axis]
    skip = 1 if mode == "reflect" else 0
    ranges: list[tuple[Dim, Dim, int]]
    if mode == "edge":
        ranges = [(0, 1, 1), (n - 1, 1, 1)]
    elif mode == "wrap":
        ranges = [(n - before, before, 1), (0, after, 1)]
    else:
        ranges = [(before - 1 + skip, before, -1), (n - 1 - skip, after, -1)]
    first, last = (narrow(x, axis, *r, checked=True) for r in ranges)
    if mode == "edge":
        first, last = (_repeat(part, axis, w) for part, w in ((first, before), (last, after)))
    return [part for part in (first, x, last) if part.shape[axis] != 0]


def _repeat(x: Tensor, axis: int, count: Dim) -> Tensor:
    return broadcast_to(x, tuple(count if k == axis else d for k, d in enumerate(x.shape)))
