"""Arrays put together along an axis: concat, stack, and the repetitions made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, DimExpr, maximum, minimum, mod
from graphc.ir.dtypes import int64
from graphc.ir.errors import DTypeError, GraphError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.plain import plain
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike, as_operand, as_tensor, common_dtype
from graphc.ops.indexing.slicing import narrow
from graphc.ops.layout import (
    broadcast,
    expand_dims,
    normal_axes,
    normal_axis,
    reshape,
    text,
)  # fmt: skip
from graphc.ops.located import locate_errors
from graphc.ops.sampling import FEW, moved


class Concat(Op):
    """The inputs one after the other along `axis`."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        first, axis = inputs[0], attrs["axis"]
        for x in inputs[1:]:
            if x.dtype is not first.dtype:
                raise DTypeError(f"operands of one dtype needed, not {first.dtype} and {x.dtype}")
            if x.ndim != first.ndim:
                axes = f"{first.ndim} and {x.ndim}"
                raise ShapeError(f"operands must have the same number of axes, not {axes}")
            for k, (a, b) in enumerate(zip(first.shape, x.shape, strict=True)):
                if k != axis and a != b:
                    raise ShapeError(f"axis {k} has length {a} in one operand and {b} in another")
        total = sum((x.shape[axis] for x in inputs), 0)
        shape = tuple(total if k == axis else d for k, d in enumerate(first.shape))
        return (TensorType(first.dtype, shape),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        axis = node.attrs["axis"]
        bounds = zip(node.inputs, _starts(node), strict=True)
        return tuple(narrow(g, axis, start, x.shape[axis]) for x, start in bounds)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        full = [
            x if axis == 0 else broadcast(x, (size, *x.shape), tuple(range(1, x.ndim + 1)))
            for x, axis in zip(inputs, axes, strict=True)
        ]
        return apply(self, *full, axis=node.attrs["axis"] + 1).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        return np.concatenate(inputs, attrs["axis"])

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        axis, starts = node.attrs["axis"], _starts(node)
        i = index[axis]

        def part(k: int) -> Callable[[], Any]:
            there = (*index[:axis], i - starts[k], *index[axis + 1 :])
            return lambda: reader.at(node.inputs[k], there)

        def among(low: int, high: int) -> Callable[[], Any]:
            if high - low == 1:
                return part(low)
            middle = (low + high) // 2
            before, after = among(low, middle), among(middle, high)
            start = starts[middle]
            if isinstance(i, int) and isinstance(start, int):
                return before if i < start else after
            return lambda: reader.choose(
                reader.value(i, int64) < reader.value(start, int64), before, after
            )

        return among(0, len(node.inputs))()

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return (
            *moved([(2, 3), (2, 1), (2, 4)], {"axis": 1}),
            *moved([(2, 3), (0, 3), (1, 3), (2, 3)], {"axis": 0}, FEW),
        )


def _starts(node: Node) -> list[Dim]:
    """Where each input of a concatenation begins."""
    starts: list[Dim] = [0]
    for x in node.inputs[:-1]:
        starts.append(starts[-1] + x.shape[node.attrs["axis"]])
    return starts


_CONCAT = Concat("concat")


def _promoted(name: str, arrays: Sequence[TensorLike]) -> list[Tensor]:
    if isinstance(arrays, Tensor):
        raise GraphError(
            f"{name} takes a list of arrays, not one tensor\n  hint: gc.{name}([a, b], axis)"
        )
    if not arrays:
        raise ShapeError(f"{name} needs at least one array")
    dtype = common_dtype(name, tuple(arrays))
    return [as_operand(x, dtype) for x in arrays]


@locate_errors
def concat(arrays: Sequence[TensorLike], axis: int | None = 0) -> Tensor:
    """The arrays one after the other along an existing axis (None: all flattened), their dtypes
    promoted.
    """
    xs = _promoted("concat", arrays)
    if axis is None:
        xs, axis = [reshape(x, -1) for x in xs], 0
    if xs[0].ndim == 0:
        raise ShapeError("arrays without axes cannot be concatenated\n  hint: use gc.stack")
    axis = normal_axis(axis, xs[0].ndim)
    return xs[0] if len(xs) == 1 else apply(_CONCAT, *xs, axis=axis).outputs[0]


concatenate = concat


@locate_errors
def stack(arrays: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """The arrays, all of one shape, along a new axis at this position of the result."""
    xs = _promoted("stack", arrays)
    for x in xs[1:]:
        if x.shape != xs[0].shape:
            raise ShapeError(
                f"arrays of one shape needed, not {text(xs[0].shape)} and {text(x.shape)}"
            )
    axis = normal_axis(axis, xs[0].ndim + 1)
    return concat([expand_dims(x, axis) for x in xs], axis)


def hstack(arrays: Sequence[TensorLike]) -> Tensor:
    """The arrays side by side: along the second axis, or the first if they have one."""
    xs = [reshape(x, -1) if x.ndim == 0 else x for x in map(as_tensor, arrays)]
    return concat(xs, 1 if xs and xs[0].ndim > 1 else 0)


def vstack(arrays: Sequence[TensorLike]) -> Tensor:
    """The arrays one below the other, those with one axis being rows."""
    xs = [reshape(x, (1, -1)) if x.ndim < 2 else x for x in map(as_tensor, arrays)]
    return concat(xs, 0)


@locate_errors
def tile(x: TensorLike, repetitions: Dim | Sequence[Dim]) -> Tensor:
    """x laid out `repetitions` times along each axis, as numpy.tile."""
    x, counts = as_tensor(x), _whole("repetitions", repetitions)
    _check_counts(counts)
    ndim = max(x.ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - x.ndim) + x.shape
    wide = tuple(d for pair in zip(counts, shape, strict=True) for d in pair)
    spread = broadcast(reshape(x, shape), wide, tuple(range(1, 2 * ndim, 2)))
    return reshape(spread, tuple(c * d for c, d in zip(counts, shape, strict=True)))


@locate_errors
def repeat(x: TensorLike, repeats: Dim | Sequence[int], axis: int | None = None) -> Tensor:
    """Each element along an axis (None: of the flattened array) `repeats` times, or its own number
    of times.
    """
    x, counts = as_tensor(x), _whole("counts", repeats)
    _check_counts(counts)
    if axis is None:
        x, axis = reshape(x, -1), 0
    axis = normal_axis(axis, x.ndim)
    n = x.shape[axis]
    if len(counts) != 1:
        return _repeat_each(x, counts, axis)
    wide = (*x.shape[: axis + 1], *counts, *x.shape[axis + 1 :])
    kept = tuple(k for k in range(x.ndim + 1) if k != axis + 1)
    return reshape(broadcast(x, wide, kept), (*x.shape[:axis], n * counts[0], *x.shape[axis + 1 :]))


def _repeat_each(x: Tensor, counts: Sequence[Dim], axis: int) -> Tensor:
    from graphc.ops.indexing.gather import take

    n = x.shape[axis]
    if len(counts) != n or not isinstance(n, int):
        raise ShapeError(f"axis {axis} of length {n} needs as many counts, not {len(counts)}")
    known = [k for k in counts if isinstance(k, int)]
    if len(known) != n:
        raise ShapeError("counts of single elements are numbers, known while the graph is built")
    return take(x, np.repeat(np.arange(n), np.asarray(known, int)), axis)


def _whole(what: str, given: Any) -> tuple[Dim, ...]:
    """One number or several, which are ints or sizes."""
    several = isinstance(given, (tuple, list)) or getattr(given, "ndim", 0) == 1
    numbers = tuple(plain(k) for k in (given if several else (given,)))
    for k in numbers:
        if not isinstance(k, (int, DimExpr)) or isinstance(k, bool):
            raise DTypeError(f"{what} are integers, not {k!r:.80}")
    return numbers


def _check_counts(counts: Sequence[Dim]) -> None:
    for k in counts:
        if isinstance(k, int) and k < 0:
            raise ShapeError(f"nothing can be repeated {k} times")


@locate_errors
def roll(
    x: TensorLike, shift: Dim | Sequence[Dim], axis: int | Sequence[int] | None = None
) -> Tensor:
    """x with its elements moved on by `shift` along axes, the last ones coming first; None rolls it
    flattened.
    """
    x, shifts = as_tensor(x), _whole("shifts", shift)
    if axis is None:
        if len(shifts) != 1:
            raise ShapeError(f"one shift is needed where no axes are given, not {shift}")
        return reshape(_roll(reshape(x, -1), shifts[0], 0), x.shape)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shifts * len(axes) if len(shifts) == 1 else shifts
    if len(shifts) != len(axes):
        raise ShapeError(f"{len(shifts)} shifts for {len(axes)} axes")
    for k, by in zip(axes, shifts, strict=True):
        x = _roll(x, by, normal_axes(k, x.ndim)[0])
    return x


def _roll(x: Tensor, shift: Dim, axis: int) -> Tensor:
    n = x.shape[axis]
    if n == 0 or shift == 0:
        return x
    head = _moved_first(n, shift)
    if head == 0:
        return x
    tail = n - head
    return concat([narrow(x, axis, tail, head), narrow(x, axis, 0, tail)], axis)


def _moved_first(n: Dim, shift: Dim) -> Dim:
    """How many of n elements come first when all move on by `shift`; without a division by a length
    that is not known where they move by one.
    """
    if isinstance(n, DimExpr) and shift in (1, -1):
        return minimum(n, 1) if shift == 1 else n - minimum(n, 1)
    return mod(shift, maximum(n, 1))
