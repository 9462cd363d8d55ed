"""The greatest or smallest elements along an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, maximum
from graphc.ir.dtypes import NUMBERS, bool_, int64, uint8
from graphc.ir.errors import DTypeError, IndexRangeError, ShapeError
from graphc.ir.node import Node, Tensor, apply, of_axes
from graphc.ir.op import KernelWriter, Op, Sample
from graphc.ir.plain import plain
from graphc.ir.types import TensorType
from graphc.ops.axes import line_order
from graphc.ops.checked import checked_index
from graphc.ops.convert import TensorLike, as_tensor, cast
from graphc.ops.extent import extent
from graphc.ops.indexing.slicing import is_nonnegative, narrow
from graphc.ops.layout import normal_axis, transpose
from graphc.ops.located import locate_errors
from graphc.ops.sampling import FEW, moved
from graphc.ops.sorting.heap_kernel import Heap
from graphc.ops.sorting.keys import comes_before, packed
from graphc.ops.sorting.sort import put_back, sort_with_order, stable_order

#: Up to this many elements are kept in order by insertion; more, up to `MOST` and a part of a
#: line, in a heap; others are taken from a sorted line.
FEW_ENOUGH = 64
MOST, PART = 4096, 8


class TopK(Op):
    """Two outputs: the first `k` elements along `axis` in order, and their positions (int64)."""

    lowering = "loops"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        axis, k = attrs["axis"], attrs["k"]
        if x.dtype not in NUMBERS:
            raise DTypeError(f"does not take {x.dtype}")
        shape = (*x.shape[:axis], k, *x.shape[axis + 1 :])
        return (TensorType(x.dtype, shape), TensorType(int64, shape))

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        return (put_back(node, cotangents[0]),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        return apply(self, inputs[0], **{**node.attrs, "axis": node.attrs["axis"] + 1}).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,) = inputs
        axis, k = attrs["axis"], attrs["k"]
        if k > x.shape[axis]:
            raise IndexRangeError(
                f"topk: index {k - 1} is outside axis {axis} of length {x.shape[axis]}, "
                f"of which {k} elements are taken"
            )
        order = np.take(stable_order(x, axis, attrs["descending"]), range(k), axis)
        return np.take_along_axis(x, order, axis), order

    def checks(self, node: Node) -> Sequence[Tensor]:
        n, k = node.inputs[0].shape[node.attrs["axis"]], node.attrs["k"]
        return [] if is_nonnegative(n - k) else [checked_index(extent(k - 1), n, _what(node))]

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        (x,) = node.inputs
        axis, k, ops = node.attrs["axis"], node.attrs["k"], kernel.ops
        n = kernel.dim(x.shape[axis])
        lines = (*x.shape[:axis], *x.shape[axis + 1 :])
        length = x.shape[axis]
        with kernel.parallel(lines, maximum(length, 1)) as others:

            def at(i: Any) -> tuple[Any, ...]:
                return (*others[:axis], i, *others[axis:])

            def before(a: Any, b: Any) -> Any:
                return comes_before(ops, x.dtype, node.attrs["descending"], a, b)

            count, last = kernel.dim(k), kernel.dim(k - 1)
            kernel.check(n >= count, _what(node), last)
            if k > FEW_ENOUGH:
                word = partial(packed, ops, x.dtype, node.attrs["descending"])
                kept = ops.minimum(count, n)
                Heap(kernel, kept, at, before, word if x.dtype.bits <= 32 else None).fill(n)
            else:
                _insert(kernel, n, count, at, before)

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return tuple(
            sample
            for descending in (False, True)
            for sample in (
                *moved([(3, 17)], {"axis": 1, "k": 4, "descending": descending}, NUMBERS),
                *moved([(5, 3)], {"axis": 0, "k": 5, "descending": descending}, FEW),
            )
        )


def _what(node: Node) -> str:
    axis, k = node.attrs["axis"], node.attrs["k"]
    return f"axis {axis} of length {node.inputs[0].shape[axis]}, of which {k} elements are taken"


def _insert(
    kernel: KernelWriter,
    n: Any,
    count: Any,
    at: Callable[[Any], tuple[Any, ...]],
    before: Callable[[Any, Any], Any],
) -> None:
    """Keeps the first elements of a line in order by insertion."""
    ops, last = kernel.ops, count - 1
    with kernel.loop(0, n) as i:
        value = kernel.register(kernel.load(0, at(i)))
        with kernel.when((i < count) | before(value.get(), kernel.reload(0, at(last)))):
            j = kernel.register(ops.minimum(i, last))

            def displaced(j: Any = j, value: Any = value) -> Any:
                neighbour = kernel.reload(0, at(ops.maximum(j.get() - 1, 0)))
                return (j.get() > 0) & before(value.get(), neighbour)

            with kernel.repeat(displaced):
                for part in (0, 1):
                    kernel.store(part, at(j.get()), kernel.reload(part, at(j.get() - 1)))
                j.set(j.get() - 1)
            kernel.store(0, at(j.get()), value.get())
            kernel.store(1, at(j.get()), i)


def _is_few(k: int, n: Dim) -> bool:
    """Whether so many of n elements are found sooner than all are sorted."""
    return k <= FEW_ENOUGH or (k <= MOST and (not isinstance(n, int) or k * PART <= n))


_TOPK = TopK("topk")


def _first(x: Tensor, k: int, axis: int, descending: bool) -> tuple[Tensor, Tensor]:
    """By `TopK` of contiguous lines."""
    axes = line_order(x.ndim, axis)
    back = tuple(axes.index(a) for a in range(x.ndim))
    lines = transpose(x, axes)
    node = apply(_TOPK, lines, axis=x.ndim - 1, k=k, descending=descending)
    values, order = (transpose(of_axes(y, [axis]), back) for y in node.outputs)
    return values, order


@locate_errors
def topk(x: TensorLike, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The k greatest (or smallest) elements along an axis in order, and their positions (int64).

    Of equal elements the earlier comes first. A NaN counts as greater than any number. Along an
    axis of symbolic length the call checks that there are k elements.
    """
    x = as_tensor(x)
    axis, k = normal_axis(axis, x.ndim), plain(k)
    n = x.shape[axis]
    if not isinstance(k, int) or isinstance(k, bool):
        raise DTypeError(f"how many elements are taken is an integer, not {k!r:.80}")
    if k < 0 or (isinstance(n, int) and k > n):
        raise ShapeError(f"cannot take {k} elements of axis {axis}, which has length {n}")
    if x.dtype is bool_:
        values, order = topk(cast(x, uint8), k, axis, largest)
        return cast(values, bool_), order
    if k > 0 and _is_few(k, n):
        return _first(x, k, axis, bool(largest))
    checked = k > 0 and not is_nonnegative(n - k)
    values, order = (
        narrow(y, axis, 0, k, checked=checked) for y in sort_with_order(x, axis, bool(largest))
    )
    return values, order
