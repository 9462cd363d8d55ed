"""Sorting along an axis: stable, with the permutation. A NaN counts as greater than any number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import NUMBERS, DType, bool_, float32, int64, uint8
from graphc.ir.errors import DTypeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Op, Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike, as_tensor, cast
from graphc.ops.layout import broadcast, normal_axis, reshape
from graphc.ops.located import locate_errors
from graphc.ops.sampling import FEW, moved
from graphc.ops.scatter import put_lines
from graphc.ops.source import constant

#: Elements that are sorted by insertion before runs are merged.
RUN = 8


def comes_before(ops: Any, dtype: DType, descending: bool, a: Any, b: Any) -> Any:
    """Whether a comes strictly before b, as a scalar expression."""
    if dtype.is_float and dtype.bits == 16:
        a, b = ops.cast(a, float32), ops.cast(b, float32)
    if descending:
        a, b = b, a
    smaller = a < b
    return smaller | (ops.not_equal(b, b) & ops.equal(a, a)) if dtype.is_float else smaller


class Sort(Op):
    """Two outputs: the elements along `axis` in order, and where each came from (int64).

    Equal elements keep their order, in both directions.
    """

    lowering = "loops"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.dtype not in NUMBERS:
            raise DTypeError(f"does not take {x.dtype}")
        return (x, TensorType(int64, x.shape))

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        return (put_back(node, cotangents[0]),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        return apply(self, inputs[0], **{**node.attrs, "axis": node.attrs["axis"] + 1}).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,) = inputs
        order = stable_order(x, attrs["axis"], attrs["descending"])
        return np.take_along_axis(x, order, attrs["axis"]), order

    def workspace(self, node: Node) -> Sequence[TensorType]:
        return node.types

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        axis, shape = node.attrs["axis"], node.types[0].shape
        with kernel.parallel((*shape[:axis], *shape[axis + 1 :])) as others:
            line = _Line(node, kernel, others)
            line.sort_runs()
            line.merge_runs()

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return tuple(
            sample
            for descending in (False, True)
            for sample in (
                *moved([(3, 21)], {"axis": 1, "descending": descending}, NUMBERS),
                *moved([(5, 2, 3)], {"axis": 0, "descending": descending}, FEW),
                *moved([(2, 0)], {"axis": 1, "descending": descending}, FEW),
                *moved([(1, 40)], {"axis": 1, "descending": descending}, FEW),
            )
        )


def put_back(node: Node, g: Tensor | None) -> Tensor | None:
    """The cotangent of the first output, put where the elements came from by the second output."""
    if g is None:
        return None
    x, order = node.inputs[0], node.outputs[1]
    zeros = broadcast(constant(0, x.dtype), x.shape, ())
    return put_lines(zeros, order, g, node.attrs["axis"], "set", "proven", unique=True)


def stable_order(x: np.ndarray[Any, Any], axis: int, descending: bool) -> np.ndarray[Any, Any]:
    """The stable order of elements along an axis, by NumPy."""
    wide = x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind not in "iu" else x
    if not descending:
        return np.argsort(wide, axis, kind="stable").astype(np.int64)
    backwards = np.argsort(np.flip(wide, axis), axis, kind="stable")
    return np.asarray(np.flip(x.shape[axis] - 1 - backwards, axis).astype(np.int64))


class _Line:
    """Writes the sort of one line. Buffers: 0 and 1 the outputs, 2 and 3 as much workspace."""

    def __init__(self, node: Node, kernel: KernelWriter, others: tuple[Any, ...]):
        self.node, self.kernel, self.others = node, kernel, others
        self.axis = node.attrs["axis"]
        self.n = kernel.dim(node.types[0].shape[self.axis])
        self.zero = kernel.dim(0)

    def at(self, i: Any) -> tuple[Any, ...]:
        return (*self.others[: self.axis], i, *self.others[self.axis :])

    def before(self, a: Any, b: Any) -> Any:
        dtype, descending = self.node.types[0].dtype, self.node.attrs["descending"]
        return comes_before(self.kernel.ops, dtype, descending, a, b)

    def move(self, source: int, i: Any, target: int, j: Any) -> None:
        """An element and its origin from one pair of buffers to another."""
        for part in (0, 1):
            value = self.kernel.reload(source + part, self.at(i))
            self.kernel.store(target + part, self.at(j), value)

    def sort_runs(self) -> None:
        """Sorts each run of `RUN` elements by insertion into the outputs."""
        k = self.kernel
        with k.loop(self.zero, (self.n + (RUN - 1)) / RUN) as run:
            begin = k.register(run * RUN)
            with k.loop(begin.get(), k.ops.minimum(begin.get() + RUN, self.n)) as i:
                value, j = k.register(k.load(0, self.at(i))), k.register(i)

                def displaced(j: Any = j, value: Any = value, begin: Any = begin) -> Any:
                    last = k.ops.maximum(j.get() - 1, 0)
                    follows = self.before(value.get(), k.reload(0, self.at(last)))
                    return (j.get() > begin.get()) & follows

                with k.repeat(displaced):
                    self.move(0, j.get() - 1, 0, j.get())
                    j.set(j.get() - 1)
                k.store(0, self.at(j.get()), value.get())
                k.store(1, self.at(j.get()), i)

    def merge_runs(self) -> None:
        """Merges neighbours into the workspace and these back, until one run is left."""
        k = self.kernel
        width = k.register(k.dim(RUN))
        with k.repeat(lambda: width.get() < self.n):
            self.merge(0, 2, width.get())
            self.merge(2, 0, width.get() * 2)
            width.set(width.get() * 4)

    def merge(self, source: int, target: int, width: Any) -> None:
        """Merges every two neighbouring runs of `width`."""
        k, least = self.kernel, self.kernel.ops.minimum
        begin = k.register(self.zero)
        with k.repeat(lambda: begin.get() < self.n):
            middle = k.register(least(begin.get() + width, self.n))
            end = k.register(least(begin.get() + width * 2, self.n))
            i, j = k.register(begin.get()), k.register(middle.get())
            with k.loop(begin.get(), end.get()) as to:
                left = k.reload(source, self.at(least(i.get(), self.n - 1)))
                right = k.reload(source, self.at(least(j.get(), self.n - 1)))
                wins = (j.get() < end.get()) & self.before(right, left)
                second = k.register((i.get() >= middle.get()) | wins)
                taken = k.register(k.ops.select(second.get(), j.get(), i.get()))
                self.move(source, taken.get(), target, to)
                i.set(k.ops.select(second.get(), i.get(), i.get() + 1))
                j.set(k.ops.select(second.get(), j.get() + 1, j.get()))
            begin.set(end.get())


_SORT = Sort("sort")


def sort_with_order(x: Tensor, axis: int, descending: bool) -> tuple[Tensor, Tensor]:
    """The sorted elements and their origins."""
    attrs = {"axis": axis, "descending": bool(descending)}
    if x.dtype is bool_:
        values, order = apply(_SORT, cast(x, uint8), **attrs).outputs
        return cast(values, bool_), order
    values, order = apply(_SORT, x, **attrs).outputs
    return values, order


def _line_of(x: TensorLike, axis: int | None) -> tuple[Tensor, int]:
    x = as_tensor(x)
    if axis is None:
        return reshape(x, (x.size,)), 0
    return x, normal_axis(axis, x.ndim)


@locate_errors
def sort(x: TensorLike, axis: int | None = -1, descending: bool = False) -> Tensor:
    """The elements along an axis (None: of the flattened x) in order.

    NaNs count as greatest: they come last, or first if `descending`.
    """
    return sort_with_order(*_line_of(x, axis), descending)[0]


@locate_errors
def argsort(x: TensorLike, axis: int | None = -1, descending: bool = False) -> Tensor:
    """The positions (int64) of the elements along an axis in order; equal ones keep theirs."""
    return sort_with_order(*_line_of(x, axis), descending)[1]
