"""One line sorted: runs of eight, merged from both ends, between two sets of buffers, or digit by
digit.
"""

from __future__ import annotations

from typing import Any

from graphc.ir.dtypes import int64
from graphc.ir.node import Node
from graphc.ir.op import KernelWriter
from graphc.ops.sorting.keys import comes_before, packed, word_of
from graphc.ops.sorting.radix_kernel import Line
from graphc.ops.sorting.side_by_side import NETWORK, RUN


class _Line(Line):
    """One line. `here` and `there` are the buffers that runs are in and merged into, the first of
    which decides; `counts` is that of digits.
    """

    def __init__(self, node: Node, kernel: KernelWriter, others: tuple[Any, ...]):
        self.node, self.kernel, self.others = node, kernel, others
        self.axis, self.dtype = node.attrs["axis"], node.types[0].dtype
        self.n = kernel.dim(node.types[0].shape[self.axis])
        self.zero = kernel.dim(0)

    def at(self, i: Any) -> tuple[Any, ...]:
        return (*self.others[: self.axis], i, *self.others[self.axis :])

    def before(self, a: Any, b: Any) -> Any:
        """Whether the deciding element a comes strictly before b."""
        raise NotImplementedError

    def begin(self) -> None:
        """Puts all elements `here`."""
        raise NotImplementedError

    def word(self, moved: Any) -> Any:
        """The int64 that has the order, from what the first buffer holds."""
        raise NotImplementedError

    def sort_by_merges(self) -> None:
        self.sort_runs()
        self.merge_runs()

    def sort_runs(self) -> None:
        """Leaves sorted runs of `RUN` elements `here`."""
        raise NotImplementedError

    def finish(self) -> None:
        """Turns what is `here` into the outputs."""

    def move(self, source: tuple[int, ...], i: Any, target: tuple[int, ...], j: Any) -> None:
        for a, b in zip(source, target, strict=True):
            self.kernel.store(b, self.at(j), self.kernel.reload(a, self.at(i)))

    def merge_runs(self) -> None:
        """Merges neighbours there and these back here, until one run is left."""
        k = self.kernel
        width = k.register(k.dim(RUN))
        with k.repeat(lambda: width.get() < self.n):
            w = width.get()
            self._merge_all(self.here, self.there, w)
            self._merge_all(self.there, self.here, w * 2)
            width.set(w * 4)

    def _merge_all(self, source: tuple[int, ...], target: tuple[int, ...], width: Any) -> None:
        k = self.kernel
        w = k.register(width).get()
        pairs = k.register(self.n / (w * 2)).get()
        with k.loop(self.zero, pairs) as pair:
            self._merge_equal(source, target, k.register(pair * w * 2).get(), w)
        begin = k.register(pairs * w * 2).get()
        middle = k.register(k.ops.minimum(begin + w, self.n)).get()
        with k.when(middle < self.n):
            self._merge_last(source, target, begin, middle)
        with k.when(middle >= self.n), k.loop(begin, self.n, vector=True) as i:
            self.move(source, i, target, i)

    def _merge_equal(
        self, source: tuple[int, ...], target: tuple[int, ...], begin: Any, w: Any
    ) -> None:
        """Merges two runs of w: w elements from the front and w from the back, which never leave
        their run.
        """
        k, key, step = self.kernel, source[0], self._step
        low, high = k.register(begin), k.register(begin + w)
        top, last = k.register(begin + w - 1), k.register(begin + w * 2 - 1)
        with k.loop(self.zero, w) as t:
            i, j = low.get(), high.get()
            right = self.before(k.reload(key, self.at(j)), k.reload(key, self.at(i)))
            self.move(source, k.ops.select(right, j, i), target, begin + t)
            low.set(i + step(~right))
            high.set(j + step(right))
            i, j = top.get(), last.get()
            left = self.before(k.reload(key, self.at(j)), k.reload(key, self.at(i)))
            self.move(source, k.ops.select(left, i, j), target, begin + w * 2 - 1 - t)
            top.set(i - step(left))
            last.set(j - step(~left))

    def _merge_last(
        self, source: tuple[int, ...], target: tuple[int, ...], begin: Any, middle: Any
    ) -> None:
        """Merges a whole run and a shorter one at the end of the line."""
        k, key, least = self.kernel, source[0], self.kernel.ops.minimum
        low, high = k.register(begin), k.register(middle)
        with k.loop(begin, self.n) as to:
            i, j = low.get(), high.get()
            a, b = k.reload(key, self.at(i)), k.reload(key, self.at(least(j, self.n - 1)))
            right = (i >= middle) | ((j < self.n) & self.before(b, a))
            self.move(source, k.ops.select(right, j, i), target, to)
            low.set(i + self._step(~right))
            high.set(j + self._step(right))

    def _step(self, condition: Any) -> Any:
        return self.kernel.ops.cast(condition, int64)


class Pairs(_Line):
    """Values in buffers 0 and 2, positions in 1 and 3."""

    here, there, counts = (0, 1), (2, 3), 4

    def begin(self) -> None:
        k = self.kernel
        with k.loop(self.zero, self.n, vector=True) as i:
            k.store(0, self.at(i), k.load(0, self.at(i)))
            k.store(1, self.at(i), i)

    def word(self, moved: Any) -> Any:
        return word_of(self.kernel.ops, self.dtype, self.node.attrs["descending"], moved)

    def before(self, a: Any, b: Any) -> Any:
        return comes_before(self.kernel.ops, self.dtype, self.node.attrs["descending"], a, b)

    def sort_runs(self) -> None:
        """By insertion."""
        k = self.kernel
        with k.loop(self.zero, (self.n + (RUN - 1)) / RUN) as run:
            begin = k.register(run * RUN).get()
            with k.loop(begin, k.ops.minimum(begin + RUN, self.n)) as i:
                value, j = k.load(0, self.at(i)), k.register(i)

                def displaced(j: Any = j, value: Any = value, begin: Any = begin) -> Any:
                    last = k.ops.maximum(j.get() - 1, 0)
                    follows = self.before(value, k.reload(0, self.at(last)))
                    return (j.get() > begin) & follows

                with k.repeat(displaced):
                    self.move(self.here, j.get() - 1, self.here, j.get())
                    j.set(j.get() - 1)
                k.store(0, self.at(j.get()), value)
                k.store(1, self.at(j.get()), i)


class Packed(_Line):
    """Keys over positions in buffers 1 (at last the positions alone) and 2."""

    here, there, counts = (1,), (2,), 3

    def begin(self) -> None:
        k = self.kernel
        with k.loop(self.zero, self.n, vector=True) as i:
            k.store(1, self.at(i), self._packed_of(k.load(0, self.at(i)), i))

    def word(self, moved: Any) -> Any:
        return moved

    def before(self, a: Any, b: Any) -> Any:
        return a < b

    def sort_runs(self) -> None:
        """By a sorting network; what is missing from the last run counts as greatest."""
        k, ops = self.kernel, self.kernel.ops
        with k.loop(self.zero, (self.n + (RUN - 1)) / RUN) as run:
            begin = k.register(run * RUN).get()
            values = [self._packed(begin + m) for m in range(RUN)]
            for a, b in NETWORK:
                low, high = ops.minimum(values[a], values[b]), ops.maximum(values[a], values[b])
                values[a], values[b] = k.register(low).get(), k.register(high).get()
            for m, value in enumerate(values):
                with k.when(begin + m < self.n):
                    k.store(1, self.at(begin + m), value)

    def _packed(self, i: Any) -> Any:
        k, ops = self.kernel, self.kernel.ops
        packed = self._packed_of(k.load(0, self.at(ops.minimum(i, self.n - 1))), i)
        return k.register(ops.select(i < self.n, packed, 2**63 - 1)).get()

    def _packed_of(self, x: Any, i: Any) -> Any:
        return packed(self.kernel.ops, self.dtype, self.node.attrs["descending"], x, i)

    def finish(self) -> None:
        k = self.kernel
        with k.loop(self.zero, self.n) as i:
            position = k.reload(1, self.at(i)) & (2**32 - 1)
            k.store(1, self.at(i), position)
            k.store(0, self.at(i), k.load(0, self.at(position)))
