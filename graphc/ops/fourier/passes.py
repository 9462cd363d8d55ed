"""The loops of a Fourier transform: divisor by divisor over whole rows of neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from graphc.ir.dtypes import DType
from graphc.ir.op import KernelWriter
from graphc.ir.record import dataclass
from graphc.ops.fourier.butterflies import Complex, butterfly, turned
from graphc.ops.fourier.plan import Plan, convolved_length, is_smooth, plan_of

Source = Callable[[Any], Complex]
Target = Callable[[Any, Complex], None]
RowSource = Callable[[Any, Any], Complex]
RowTarget = Callable[[Any, Any, Complex], None]


class Room:
    """A buffer of complex numbers that one instance has for itself."""

    def __init__(self, kernel: KernelWriter, dtype: DType, length: int):
        self.kernel = kernel
        self.parts = tuple(kernel.scratch(dtype, length) for _ in range(2))

    def read(self, i: Any) -> Complex:
        """Element i."""
        re, im = (self.kernel.reload(part, (i,)) for part in self.parts)
        return re, im

    def write(self, i: Any, value: Complex) -> None:
        """Gives element i a value."""
        for part, x in zip(self.parts, value, strict=True):
            self.kernel.store(part, (i,), x)


class Factors:
    """Hands out what a table has, in its order."""

    def __init__(self, kernel: KernelWriter, which: int):
        self.kernel, self.which, self.next = kernel, which, 0

    def take(self, count: int) -> Callable[[Any], Any]:
        """The next so many, as a function of a number among them."""
        begin, self.next = self.next, self.next + count
        return lambda i: self.kernel.load(self.which, (begin + i,))

    def pairs(self, count: int) -> Source:
        """The next so many cosines and then as many sines."""
        c, s = self.take(count), self.take(count)
        return lambda i: (c(i), s(i))


def transform(
    kernel: KernelWriter, factors: Factors, n: int, source: Source, target: Target, dtype: DType
) -> None:
    """The spectrum of the n numbers of a source, to a target, which may be where they were if that
    is a room.
    """
    if is_smooth(n):
        rooms = [Room(kernel, dtype, n) for _ in range(2)]
        _by_plan(kernel, factors, plan_of(n), rooms, source, target)
    else:
        _by_convolution(kernel, factors, n, source, target, dtype)


def _by_plan(
    kernel: KernelWriter,
    factors: Factors,
    plan: Plan,
    rooms: Sequence[Room],
    source: Source,
    target: Target,
) -> None:
    here, there = rooms
    p, q = plan.rows, plan.columns
    down = Columns(kernel, factors, plan.down, q, rooms if len(plan.down) % 2 else rooms[::-1])
    along = factors.pairs(p * q)
    across = Columns(kernel, factors, plan.across, p, rooms)

    def turn_each(i: Any, value: Complex) -> None:
        here.write(i, turned(value, *along(i), kernel.multiply_add))

    if p == 1 or q == 1:
        (across if p == 1 else down).write(source, target)
        return
    down.write(source, turn_each)
    for a, b in zip(here.parts, there.parts, strict=True):
        kernel.turn((a, (0,), q), (b, (0,), p), p, q)
    across.write(there.read, target)


class Columns:
    """Transforms of the columns of a table with rows of `wide` neighbours; what the first divisor
    leaves goes to the first room, of the second to the second, and so on. Factors are taken now.
    """

    def __init__(
        self,
        kernel: KernelWriter,
        factors: Factors,
        steps: Sequence[int],
        wide: int,
        rooms: Sequence[Room],
    ):
        self.kernel, self.wide, self.rooms = kernel, wide, rooms
        self.steps: list[Step] = []
        left, done = math.prod(steps), 1
        for r in steps or (1,):
            left //= r
            own = factors.take(2 * left * (r - 1)) if left > 1 else None
            self.steps.append(Step(kernel, r, left, done, own))
            done *= r

    def write(self, source: Source, target: Target) -> None:
        """From and to a position in the table."""
        for k, step in enumerate(self.steps):
            room = self.rooms[k % 2]
            side = step.done * self.wide
            last = step is self.steps[-1]
            step.write(_flat(source, side), _flat_to(target if last else room.write, side), side)
            source = room.read

    def write_rows(self, source: RowSource, target: RowTarget, width: Any) -> None:
        """From and to a row and a column of the table, of which only so many columns are there."""
        kernel = self.kernel
        for k, step in enumerate(self.steps):
            room = self.rooms[k % 2]
            done, last = step.done, step is self.steps[-1]
            with kernel.loop(0, done) as q:
                to = target if last else self._to(room)
                step.write(_rows(source, done, q), _rows_to(to, done, q), width)
            source = self._from(room)

    def _from(self, room: Room) -> RowSource:
        return lambda row, w: room.read(row * self.wide + w)

    def _to(self, room: Room) -> RowTarget:
        return lambda row, w, value: room.write(row * self.wide + w, value)


def _flat(source: Source, side: int) -> RowSource:
    return lambda i, t: source(i * side + t)


def _flat_to(target: Target, side: int) -> RowTarget:
    return lambda i, t, value: target(i * side + t, value)


def _rows(source: RowSource, done: int, q: Any) -> RowSource:
    return lambda i, w: source(i * done + q, w)


def _rows_to(target: RowTarget, done: int, q: Any) -> RowTarget:
    return lambda i, w, value: target(i * done + q, w, value)


@dataclass(frozen=True)
class Step:
    """A divisor r of a length: transforms of r rows of neighbours that are `left` rows apart,
    after divisors whose product is `done`.
    """

    kernel: KernelWriter
    r: int
    left: int
    done: int
    factors: Callable[[Any], Any] | None

    def write(self, source: RowSource, target: RowTarget, side: Any) -> None:
        """Transforms `side` neighbours of each row."""
        kernel, r = self.kernel, self.r
        with kernel.loop(0, self.left) as g:
            own = self._own(g)
            with kernel.loop(0, side, vector=True) as t:
                xs = [source(g + self.left * j, t) for j in range(r)]
                for k, y in enumerate(butterfly(xs, kernel.multiply_add)):
                    if k and own:
                        y = turned(y, *own[k - 1], kernel.multiply_add)
                    target(g * r + k, t, y)

    def _own(self, g: Any) -> list[Complex]:
        """The factors of a group's results, but for the first."""
        if self.factors is None:
            return []
        first, count = g * (2 * (self.r - 1)), self.r - 1
        return [
            (self.factors(first + 2 * k), self.factors(first + 2 * k + 1)) for k in range(count)
        ]


def _by_convolution(
    kernel: KernelWriter, factors: Factors, n: int, source: Source, target: Target, dtype: DType
) -> None:
    """With k m = (k² + m² - (k - m)²) / 2, a convolution with exp(pi i k² / n)."""
    length = convolved_length(n)
    plan, room = plan_of(length), Room(kernel, dtype, length)
    rooms = [Room(kernel, dtype, length) for _ in range(2)]
    chirp, filters = factors.pairs(n), factors.take(4 * length)
    zero = kernel.ops.const(0, dtype)
    with kernel.loop(0, n, vector=True) as i:
        room.write(i, turned(source(i), *chirp(i), kernel.multiply_add))
    with kernel.loop(n, length, vector=True) as i:
        room.write(i, (zero, zero))
    with kernel.loop(0, 2) as there_and_back:
        first = there_and_back * (2 * length)

        def filtered(i: Any, value: Complex) -> None:
            """With the parts exchanged, which makes each transform the reverse of the other."""
            by = filters(first + i), filters(first + length + i)
            re, im = turned(value, *by, kernel.multiply_add)
            room.write(i, (im, re))

        _by_plan(kernel, factors, plan, rooms, room.read, filtered)
    with kernel.loop(0, n, vector=True) as i:
        target(i, room.read(i))
