"""The kernel of a scatter: each part of the result copied, then its updates in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim, floordiv, maximum, minimum
from graphc.ir.dtypes import bool_, float32
from graphc.ir.node import Node
from graphc.ir.op import KernelWriter
from graphc.ir.record import dataclass
from graphc.ir.types import TensorType
from graphc.ops.indexing.modes import may_be_empty, resolve, rest_axes

#: A result is written in at most so many parts at once.
MOST_PARTS = 16
#: Elements of a line that are worth a part of their own.
PIECE = 16

Range = tuple[Any, Any]


def write_scatter(node: Node, kernel: KernelWriter, fill: Any = None, copies: bool = True) -> None:
    """Writes the loops of a scatter into its first input or, if there is a `fill`, into an array of
    that number. The first input is where the result is already unless it `copies`.
    """
    x, axes, batch = node.types[0], node.attrs["axes"], node.attrs["batch"]
    updates = node.inputs[0 if fill is not None else 1]
    counts = {} if batch else _parts(x, axes, updates.size)
    extents = [*x.shape[:batch], *counts.values()]
    moved = updates.size + (x.size if copies else node.inputs[-1].size * product(extents))
    work = floordiv(moved, maximum(product(extents), 1))
    with kernel.parallel(extents, maximum(work, 1)) as point:
        ranges = {
            axis: _range(kernel, x.shape[axis], count, which, PIECE if axis != axes[0] else 1)
            for (axis, count), which in zip(counts.items(), point[batch:], strict=True)
        }
        part = _Part(node, kernel, fill, point[:batch], ranges)
        if copies:
            part.begin()
        part.update()


def _parts(x: TensorType, axes: Sequence[int], updated: Dim) -> dict[int, Dim]:
    """In how many parts the result is written along which of its axes.

    Each part goes through all indices. Where most of the time goes to more updates than there are
    elements, these are shared by pieces of lines, of which each has a part of every update; else
    by the first indexed axis, so that the fewer elements an update has, the more would be lost.
    """
    last, width = x.ndim - 1, product(x.shape[k] for k in rest_axes(x.ndim, axes, 0))
    by_rows = minimum(maximum(floordiv(width, 4), 1), MOST_PARTS)
    pieces = 1 if last in axes else minimum(floordiv(x.shape[last], PIECE), MOST_PARTS)
    many = minimum(minimum(1, floordiv(pieces, 2)), floordiv(updated, maximum(x.size, 1)))
    counts = {last: 1 + (pieces - 1) * many, axes[0]: 1 + (by_rows - 1) * (1 - many)}
    return {axis: count for axis, count in counts.items() if count != 1}


def _range(kernel: KernelWriter, n: Dim, parts: Dim, part: Any, unit: int) -> Range:
    """Of n elements those of a part, a multiple of so many where there are enough."""
    size, count = kernel.dim(n), kernel.dim(parts)
    each = kernel.register((size + (count * unit - 1)) / (count * unit) * unit).get()
    begin = kernel.register(kernel.ops.minimum(part * each, size)).get()
    return begin, kernel.register(kernel.ops.minimum(begin + each, size)).get()


@dataclass(frozen=True)
class _Part:
    """What one instance writes: one index into the shared axes and, of some other axes, a range."""

    node: Node
    kernel: KernelWriter
    fill: Any
    shared: tuple[Any, ...]
    ranges: Mapping[int, Range]

    @property
    def x(self) -> TensorType:
        return self.node.types[0]

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(self.node.attrs["axes"])

    @property
    def first(self) -> int:
        """The number of the input that holds the updates; the indices follow."""
        return 0 if self.fill is not None else 1

    def begin(self) -> None:
        """output = x"""
        loops = [self._range(a) for a in range(len(self.shared), self.x.ndim)]
        with nested(self.kernel, loops, vector=True) as point:
            index = [*self.shared, *point]
            old = self.kernel.load(0, index) if self.fill is None else self.fill
            self.kernel.store(0, index, old)

    def _range(self, axis: int) -> Range:
        return self.ranges.get(axis) or (self.kernel.dim(0), self.kernel.dim(self.x.shape[axis]))

    def update(self) -> None:
        """Each update in row-major order."""
        k, batch = self.kernel, len(self.shared)
        rest_of = rest_axes(self.x.ndim, self.axes, batch)
        lines = [(k.dim(0), k.dim(d)) for d in self.node.inputs[-1].shape[batch:]]
        with nested(k, lines) as place:
            at, valid = self._positions([*self.shared, *place])
            guard = ExitStack() if valid is None else k.when(valid)
            with guard, nested(k, [self._range(a) for a in rest_of], vector=True) as rest:
                here = at | dict(zip(rest_of, rest, strict=True))
                index = [*self.shared, *(here[a] for a in range(batch, self.x.ndim))]
                new = k.load(self.first, [*self.shared, *place, *rest])
                if self.node.attrs["combine"] != "set":
                    new = self._combined(k.reload(0, index), new)
                k.store(0, index, new)

    def _positions(self, index: list[Any]) -> tuple[dict[int, Any], Any]:
        """Where an update goes along each axis, and whether it goes here at all (None: always)."""
        k, mode = self.kernel, self.node.attrs["mode"]
        at: dict[int, Any] = {}
        valid: Any = None
        for which, axis in enumerate(self.axes, self.first + 1):
            n = self.x.shape[axis]
            given, dtype = k.load(which, index), self.node.inputs[which].dtype
            i, position, ok = resolve(k.ops, given, dtype, k.dim(n), mode)
            if ok is None and may_be_empty(n) and mode != "proven":
                ok = k.dim(n) > 0
            if ok is not None:
                if mode != "fill":
                    k.check(ok, f"axis {axis} of length {n}", i)
                valid = ok if valid is None else valid & ok
            at[axis] = k.register(position).get()
        rows = self.ranges.get(self.axes[0])
        if rows:
            row = at[self.axes[0]]
            mine = (row >= rows[0]) & (row < rows[1])
            valid = mine if valid is None else valid & mine
        return at, valid

    def _combined(self, old: Any, new: Any) -> Any:
        b, combine, dtype = self.kernel.ops, self.node.attrs["combine"], self.x.dtype
        if dtype is bool_:
            return old | new if combine == "max" else old & new
        half = dtype.is_float and dtype.bits == 16
        p, q = (b.cast(v, float32) if half else v for v in (old, new))
        if combine in ("add", "mul"):
            return b.cast(p + q if combine == "add" else p * q, dtype)
        return b.cast(b.maximum(p, q) if combine == "max" else b.minimum(p, q), dtype)


@contextmanager
def nested(
    kernel: KernelWriter, ranges: Sequence[tuple[Any, Any]], vector: bool = False
) -> Iterator[tuple[Any, ...]]:
    """Loops over these (begin, end), the last one innermost and perhaps a vector loop."""
    last = len(ranges) - 1
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(kernel.loop(begin, end, vector and k == last))
            for k, (begin, end) in enumerate(ranges)
        )
