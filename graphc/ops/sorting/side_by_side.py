"""Short lines sorted side by side: a vector holds an element of each, and a network orders vectors.

Runs of eight are sorted in registers, then merged as in Batcher's bitonic sort: two runs of which
one is turned over are halved again and again, so that each half has no greater elements than the
next. Pairs that are apart by less than a run are put in order in registers too. Which pairs these
are depends on how many elements there are alone: all lines do the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from graphc.ir.dims import Dim, floordiv, maximum, minimum
from graphc.ir.dtypes import int64
from graphc.ir.op import KernelWriter

#: Elements of a line at most: the network takes n log(n)^2 / 4 comparisons of vectors.
SHORT = 512
#: Fewer lines than one for so many lanes are sorted one by one.
FEW = 4
#: Rows of a run, which are in registers at once.
RUN = 8
#: Batcher's network for eight: the pairs to put in order, one after the other.
NETWORK = (
    (0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (1, 2), (5, 6),
    (0, 4), (1, 5), (2, 6), (3, 7), (2, 4), (3, 5), (1, 2), (3, 4), (5, 6),
)  # fmt: skip
#: The pairs of a run whose halves are in order at last.
LAST = tuple((i, i + d) for d in (4, 2, 1) for i in range(RUN) if not i & d)

#: What decides about an element, each an int64.
Parts = tuple[Any, ...]


class Lines(Protocol):
    """Lines to be sorted, of `n` elements each, made of parts that are int64."""

    kernel: KernelWriter
    n: Any

    def at(self, line: Any, i: Any) -> tuple[Any, ...]:
        """The index of element i of a line, in the input and both results."""

    def word(self, line: Any, i: Any) -> Any:
        """What decides about element i of a line: its lower half, or a second part, is i."""

    def before(self, a: Parts, b: Parts) -> Any:
        """Whether a comes strictly before b."""


def together(n: Dim, lines: Dim, lanes: int) -> Dim:
    """How many of so many lines of n elements are sorted at once."""
    if lanes < 2 or (isinstance(n, int) and n > SHORT):
        return 1
    short, enough = floordiv(SHORT, maximum(1, n)), floordiv(lines * FEW, lanes)
    return 1 + (lanes - 1) * minimum(1, minimum(short, enough))


def room(n: Dim, lanes: int) -> int:
    """The elements that the network orders of so many lines."""
    rows = n + -n % RUN if isinstance(n, int) else SHORT
    return rows * lanes


def sort_together(lines: Lines, first: Any, count: Any, buffers: tuple[int, ...]) -> None:
    """Sorts `count` lines, the vector's at most, from `first` on; buffers have `room`."""
    _SideBySide(lines, buffers).sort(first, count)


class _SideBySide:
    """Rows, each of one element of every line; more than there are, up to whole runs, are last."""

    def __init__(self, lines: Lines, buffers: tuple[int, ...]):
        k = self.kernel = lines.kernel
        self.lines, self.buffers = lines, buffers
        self.zero, self.lanes = k.dim(0), k.dim(k.lanes)
        self.rows = k.register((lines.n + (RUN - 1)) & -RUN).get()

    def sort(self, first: Any, count: Any) -> None:
        self._take(first, count)
        self._runs(NETWORK)
        k = self.kernel
        width = k.register(k.dim(RUN))
        with k.repeat(lambda: width.get() < self.rows):
            w = width.get()
            self._exchange_pairs(w, flip=True)
            apart = k.register(w >> 1)
            with k.repeat(lambda: apart.get() >= RUN):
                self._exchange_pairs(apart.get())
                apart.set(apart.get() >> 1)
            self._runs(LAST)
            width.set(w * 2)
        self._give(first, count)

    def _take(self, first: Any, count: Any) -> None:
        """Fills the rows: what decides goes through the result's positions."""
        k, n, zero = self.kernel, self.lines.n, self.zero
        greatest = tuple(k.ops.const(2**63 - 1, int64) for _ in self.buffers)
        begin = k.register(k.ops.select(count < self.lanes, zero, n)).get()
        with k.loop(begin, self.rows) as i, k.loop(zero, self.lanes, vector=True) as a:
            self._write(i, a, greatest)
        with k.loop(zero, count) as lane, k.loop(zero, n, vector=True) as i:
            k.store(1, self.lines.at(first + lane, i), self.lines.word(first + lane, i))
        k.turn((1, self.lines.at(first, zero), n), (self.buffers[0], (zero,), self.lanes), count, n)
        for positions in self.buffers[1:]:
            with k.loop(zero, n) as i, k.loop(zero, self.lanes, vector=True) as a:
                k.store(positions, (i * k.lanes + a,), i)

    def _give(self, first: Any, count: Any) -> None:
        """Turns the rows into positions, and takes the elements from there."""
        k, n, zero, lines = self.kernel, self.lines.n, self.zero, self.lines
        last = self.buffers[-1]
        k.turn((last, (zero,), self.lanes), (1, lines.at(first, zero), n), n, count)
        with k.loop(zero, count) as lane, k.loop(zero, n, vector=True) as i:
            line = first + lane
            position = k.reload(1, lines.at(line, i)) & (2**32 - 1)
            k.store(1, lines.at(line, i), position)
            k.store(0, lines.at(line, i), k.load(0, lines.at(line, position)))

    def _runs(self, network: Sequence[tuple[int, int]]) -> None:
        """Puts pairs of rows of each run in order, all in registers."""
        k = self.kernel
        with (
            k.loop(self.zero, self.rows / RUN) as run,
            k.loop(self.zero, self.lanes, vector=True) as a,
        ):
            rows = [self._read(run * RUN + m, a) for m in range(RUN)]
            for low, high in network:
                rows[low], rows[high] = self._ordered(rows[low], rows[high])
            for m, parts in enumerate(rows):
                self._write(run * RUN + m, a, parts)

    def _exchange_pairs(self, apart: Any, *, flip: bool = False) -> None:
        """Puts rows in order that are `apart`, of every other so many; or, to flip, the last of
        those and the first of the next, and so on.
        """
        k, ops = self.kernel, self.kernel.ops
        rest = ops.minimum(ops.maximum((self.rows & (apart * 2 - 1)) - apart, 0), apart)
        pairs = k.register(((self.rows & -(apart * 2)) >> 1) + rest).get()
        with k.loop(self.zero, pairs) as m:
            within = k.register(m & (apart - 1)).get()
            begin = k.register((m & -apart) << 1).get()
            low = begin + (apart - 1 - within) if flip else begin + within
            low, high = k.register(low).get(), k.register(begin + apart + within).get()
            with k.loop(self.zero, self.lanes, vector=True) as a:
                least, greatest = self._ordered(self._read(low, a), self._read(high, a))
                self._write(low, a, least)
                self._write(high, a, greatest)

    def _ordered(self, a: Parts, b: Parts) -> tuple[Parts, Parts]:
        ops, turned = self.kernel.ops, self.lines.before(b, a)
        pairs = list(zip(a, b, strict=True))
        return (
            tuple(ops.select(turned, y, x) for x, y in pairs),
            tuple(ops.select(turned, x, y) for x, y in pairs),
        )

    def _read(self, i: Any, lane: Any) -> Parts:
        k = self.kernel
        return tuple(k.reload(b, (i * k.lanes + lane,)) for b in self.buffers)

    def _write(self, i: Any, lane: Any, parts: Parts) -> None:
        for b, part in zip(self.buffers, parts, strict=True):
            self.kernel.store(b, (i * self.kernel.lanes + lane,), part)
