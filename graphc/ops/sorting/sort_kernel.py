"""The kernel of a sort: of short lines many at once, of others one by one.

Elements of up to 32 bits are sorted as integers that hold a key in the upper half, whose order is
that of the elements, and the position in the lower: one comparison, no branches, and equal elements
keep their order by themselves. Wider elements move together with their positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim, floordiv, maximum
from graphc.ir.dtypes import int64
from graphc.ir.node import Node
from graphc.ir.op import KernelWriter
from graphc.ir.types import TensorType
from graphc.ops.sorting.keys import packed, word_of
from graphc.ops.sorting.merge_kernel import Packed, Pairs
from graphc.ops.sorting.radix_kernel import count_space, digits_of, shortest, sort_by_digits
from graphc.ops.sorting.side_by_side import room, sort_together, together


def sort_workspace(x: TensorType, axis: int) -> Sequence[TensorType]:
    """Buffers that the kernel needs beside the values and positions it gives."""
    positions = TensorType(int64, x.shape)
    counts = count_space(x, axis)
    return (positions, *counts) if x.dtype.bits <= 32 else (x, positions, *counts)


def write_sort(node: Node, kernel: KernelWriter) -> None:
    """Writes the sort of each line along the node's `axis`."""
    axis, x = node.attrs["axis"], node.types[0]
    n, others = x.shape[axis], (*x.shape[:axis], *x.shape[axis + 1 :])
    at_once = together(n, product(others), kernel.lanes) if axis == x.ndim - 1 else 1
    if at_once == 1:
        with kernel.parallel(others, maximum(n * 10, 1)) as index:
            _sort_alone(node, kernel, index)
        return
    count = product(others)
    buffers = _side_by_side(kernel, x)
    groups = floordiv(count + at_once - 1, at_once)
    with kernel.parallel((groups,), maximum(n * 10 * at_once, 1)) as (group,):
        step = kernel.register(kernel.dim(at_once)).get()
        first = kernel.register(group * step).get()
        left = kernel.register(kernel.ops.minimum(step, kernel.dim(count) - first)).get()
        with kernel.when(step > 1):
            sort_together(_Flat(node, kernel), first, left, buffers)
        if not isinstance(at_once, int):
            with kernel.when(step <= 1):
                _sort_alone(node, kernel, _unravelled(kernel, first, others))


def _side_by_side(kernel: KernelWriter, x: TensorType) -> tuple[int, ...]:
    """The buffers of lines that are sorted at once."""
    elements = room(x.shape[-1], kernel.lanes)
    return tuple(kernel.scratch(int64, elements) for _ in range(1 if x.dtype.bits <= 32 else 2))


def _unravelled(kernel: KernelWriter, line: Any, extents: Sequence[Dim]) -> tuple[Any, ...]:
    """The index of a line among all, of these extents."""
    if not extents:
        return ()
    index: list[Any] = []
    for extent in map(kernel.dim, extents[:0:-1]):
        index.insert(0, kernel.register(kernel.ops.rem(line, extent)).get())
        line = kernel.register(line / extent).get()
    return (line, *index)


def _sort_alone(node: Node, kernel: KernelWriter, others: tuple[Any, ...]) -> None:
    """Sorts one line."""
    axis, x = node.attrs["axis"], node.types[0]
    line = (Packed if x.dtype.bits <= 32 else Pairs)(node, kernel, others)
    least = shortest(x, axis)
    if least is None:
        line.sort_by_merges()
    else:
        with kernel.when(line.n < least):
            line.sort_by_merges()
        with kernel.when(line.n >= least):
            line.begin()
            sort_by_digits(line, digits_of(x.dtype))
    line.finish()


class _Flat:
    """Lines one after the other in memory. Those that are packed have one part, a key over the
    position; others have a word and the position.
    """

    def __init__(self, node: Node, kernel: KernelWriter):
        self.kernel, self.x, self.descending = kernel, node.types[0], node.attrs["descending"]
        self.n = kernel.dim(self.x.shape[-1])
        self.packed = self.x.dtype.bits <= 32

    def at(self, line: Any, i: Any) -> tuple[Any, ...]:
        return (*(0 for _ in self.x.shape[1:]), line * self.n + i)

    def word(self, line: Any, i: Any) -> Any:
        x, ops = self.kernel.load(0, self.at(line, i)), self.kernel.ops
        if self.packed:
            return packed(ops, self.x.dtype, self.descending, x, i)
        return word_of(ops, self.x.dtype, self.descending, x)

    def before(self, a: tuple[Any, ...], b: tuple[Any, ...]) -> Any:
        if self.packed:
            return a[0] < b[0]
        return (a[0] < b[0]) | (self.kernel.ops.equal(a[0], b[0]) & (a[1] < b[1]))
