"""Slices: every step-th element along each axis, either way, and what is made of them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, DimExpr, bounds, floordiv, maximum, minimum, mod
from graphc.ir.dtypes import int64
from graphc.ir.errors import IndexRangeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.plain import plain
from graphc.ir.types import TensorType
from graphc.ops.checked import checked_index
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.extent import extent
from graphc.ops.layout import normal_axes, normal_axis, squeeze
from graphc.ops.located import locate_errors
from graphc.ops.sampling import FEW, moved


class Slice(Op):
    """Element i along axis k is element `starts[k] + steps[k] * i` of the input, for i below
    `sizes[k]`.

    All elements lie inside the input; along the axes in `checked` the call makes sure of it.
    """

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        assert len(attrs["starts"]) == len(attrs["sizes"]) == len(attrs["steps"]) == x.ndim
        return (TensorType(x.dtype, attrs["sizes"]),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        from graphc.ops.padding import place

        (g,) = cotangents
        assert g is not None
        return (place(g, node.inputs[0].shape, node.attrs["starts"], node.attrs["steps"]),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        a = node.attrs
        checked = tuple(k + 1 for k in a["checked"])
        starts, sizes, steps = (0, *a["starts"]), (size, *a["sizes"]), (1, *a["steps"])
        return (strided(inputs[0], starts, sizes, steps, checked),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,) = inputs
        parts = zip(attrs["starts"], attrs["sizes"], attrs["steps"], strict=True)
        lines = [start + step * np.arange(size) for start, size, step in parts]
        for k in attrs["checked"]:
            for i in lines[k]:
                if not 0 <= i < x.shape[k]:
                    raise IndexRangeError(
                        f"slice: index {i} is outside axis {k} of length {x.shape[k]}"
                    )
        return x[np.ix_(*lines)] if lines else x

    def checks(self, node: Node) -> Sequence[Tensor]:
        shape = node.inputs[0].shape
        return [
            checked_index(extent(end), shape[k], f"axis {k} of length {shape[k]}")
            for k in node.attrs["checked"]
            for end in _ends(node, k)
        ]

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        (x,) = node.inputs
        starts, steps = node.attrs["starts"], node.attrs["steps"]
        there = tuple(s + step * i for s, step, i in zip(starts, steps, index, strict=True))
        inside = None
        for k in node.attrs["checked"]:
            for end in _ends(node, k):
                value = reader.value(end, int64)
                found = (value >= 0) & (value < reader.value(x.shape[k], int64))
                reader.check(found, f"axis {k} of length {x.shape[k]}", value)
                inside = found if inside is None else inside & found
        if inside is None:
            return reader.at(x, there)
        return reader.choose(
            inside, lambda: reader.at(x, there), lambda: reader.ops.const(0, x.dtype)
        )

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        plain = {"starts": (1, 0), "sizes": (2, 5), "steps": (1, 1), "checked": ()}
        odd = {"starts": (4, 1, 0), "sizes": (3, 2, 1), "steps": (-2, 2, 1), "checked": (2,)}
        none = {"starts": (0, 3), "sizes": (0, 2), "steps": (1, -3), "checked": ()}
        scalar: dict[str, Any] = {"starts": (), "sizes": (), "steps": (), "checked": ()}
        return (
            *moved([(3, 5)], plain),
            *moved([(5, 4, 2)], odd),
            *moved([(2, 4)], none, FEW),
            *moved([()], scalar, FEW),
        )


def _ends(node: Node, axis: int) -> tuple[Dim, ...]:
    """The first and the last position that a slice takes along an axis."""
    start, size, step = (node.attrs[name][axis] for name in ("starts", "sizes", "steps"))
    return tuple(dict.fromkeys((start, start + step * (size - 1))))


_SLICE = Slice("slice")


def strided(
    x: Tensor,
    starts: tuple[Dim, ...],
    sizes: tuple[Dim, ...],
    steps: tuple[int, ...],
    checked: tuple[int, ...] = (),
) -> Tensor:
    """The `Slice` of x with these attributes; x itself where nothing is left out."""
    same = all(s == 0 for s in starts) and all(s == 1 for s in steps)
    if same and sizes == x.shape and not checked:
        return x
    return apply(_SLICE, x, starts=starts, sizes=sizes, steps=steps, checked=checked).outputs[0]


def narrow(
    x: Tensor, axis: int, start: Dim, size: Dim, step: int = 1, checked: bool = False
) -> Tensor:
    """`size` elements along one axis from `start`; they must lie inside, or be `checked` to."""
    starts: list[Dim] = [0] * x.ndim
    sizes, steps = list(x.shape), [1] * x.ndim
    starts[axis], sizes[axis], steps[axis] = start, size, step
    return strided(x, tuple(starts), tuple(sizes), tuple(steps), (axis,) if checked else ())


def is_nonnegative(d: Dim) -> bool:
    """Whether a dimension is provably at least 0."""
    low, _ = bounds(d)
    return low is not None and low >= 0


def slice_range(key: slice, n: Dim) -> tuple[Dim, Dim, int]:
    """(start, size, step) of a slice of an axis of length n, clamped as Python does."""
    step = 1 if key.step is None else operator.index(key.step)
    if step == 0:
        raise ShapeError("a slice's step cannot be 0")
    first, stop = _bound(key.start), _bound(key.stop)
    if not any(isinstance(d, DimExpr) for d in (n, first, stop)):
        covered = range(*slice(first, stop, step).indices(n))
        return (covered.start if len(covered) else 0), len(covered), step
    start, count = _forwards(first, stop, n) if step > 0 else _backwards(first, stop, n)
    return start, floordiv(count + (abs(step) - 1), abs(step)), step


def _bound(value: Any) -> Dim | None:
    if isinstance(value, Tensor):
        raise ShapeError(
            "a slice's bounds are sizes, not tensors\n"
            "  hint: use gc.dynamic_slice(x, starts, sizes)"
        )
    return value if value is None or isinstance(value, DimExpr) else operator.index(value)


def _counts_back(bound: Dim) -> bool:
    """Whether a slice's bound counts from the end, which an expression must let us prove."""
    low, high = bounds(bound)
    if low is not None and low >= 0:
        return False
    if high is not None and high < 0:
        return True
    raise ShapeError(
        f"cannot tell whether the slice bound {bound} is negative, so counts from the end\n"
        "  hint: a plain negative number counts from the end"
    )


def _forwards(first: Dim | None, stop: Dim | None, n: Dim) -> tuple[Dim, Dim]:
    """(start, number of positions up to the stop), equal lengths as equal expressions."""
    first = 0 if first is None else first
    if _counts_back(first):
        start = maximum(n + first, 0)
        if stop is None:
            return start, minimum(-first, n)
        if _counts_back(stop):
            return start, maximum(minimum(stop - first, n + stop), 0)
        return start, maximum(minimum(stop, n) - start, 0)
    if stop is None:
        end = n
    else:
        end = n + stop if _counts_back(stop) else minimum(stop, n)
    return first, maximum(end - first, 0)


def _backwards(first: Dim | None, stop: Dim | None, n: Dim) -> tuple[Dim, Dim]:
    """As `_forwards`, for a negative step."""
    if first is None:
        start = n - 1
    else:
        start = maximum(n + first, -1) if _counts_back(first) else minimum(first, n - 1)
    if stop is None:
        end: Dim = -1
    else:
        end = maximum(n + stop, -1) if _counts_back(stop) else minimum(stop, n - 1)
    return start, maximum(start - end, 0)


def position(key: Any, n: Dim, axis: int) -> tuple[Dim, bool]:
    """(start, whether the call must check it) of an integer index.

    Raises IndexRangeError if it lies outside for sure.
    """
    k = key if isinstance(key, DimExpr) else operator.index(key)
    start = n + k if isinstance(k, int) and k < 0 else k
    low, high = bounds(start)
    left_low, left_high = bounds(n - 1 - start)
    if (high is not None and high < 0) or (left_high is not None and left_high < 0):
        raise IndexRangeError(f"index {k} is outside axis {axis} of length {n}")
    proven = low is not None and low >= 0 and left_low is not None and left_low >= 0
    return start, not proven


@locate_errors
def flip(x: TensorLike, axis: int | Sequence[int] | None = None) -> Tensor:
    """x with the order of elements reversed along the axes (None: all)."""
    x = as_tensor(x)
    axes = normal_axes(axis, x.ndim)
    starts = tuple(d - 1 if k in axes else 0 for k, d in enumerate(x.shape))
    return strided(x, starts, x.shape, tuple(-1 if k in axes else 1 for k in range(x.ndim)))


@locate_errors
def split(x: TensorLike, sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Equal parts of x along an axis, or the parts between the given positions.

    A number of parts must divide the length of the axis.
    """
    x = as_tensor(x)
    axis, sections = normal_axis(axis, x.ndim), plain(sections)
    n = x.shape[axis]
    if isinstance(sections, int):
        if sections < 1 or mod(n, sections) != 0:
            raise ShapeError(
                f"axis {axis} of length {n} cannot be split into {sections} equal parts"
            )
        part = floordiv(n, sections)
        return [narrow(x, axis, part * k, part) for k in range(sections)]
    if isinstance(sections, DimExpr):
        raise ShapeError(
            f"axis {axis} of length {n} is split into {sections} parts, a number that is not known"
            " while the graph is built"
        )
    cuts: list[Any] = [None, *sections, None]
    pieces = (slice(a, b) for a, b in pairwise(cuts))
    ranges = [slice_range(piece, n) for piece in pieces]
    return [narrow(x, axis, start, size) for start, size, _ in ranges]


@locate_errors
def unstack(x: TensorLike, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of x along an axis, whose length must be known, without that axis."""
    x = as_tensor(x)
    axis = normal_axis(axis, x.ndim)
    n = x.shape[axis]
    if not isinstance(n, int):
        raise ShapeError(f"axis {axis} has length {n}, which is not known while the graph is built")
    return tuple(squeeze(narrow(x, axis, k, 1), axis) for k in range(n))
