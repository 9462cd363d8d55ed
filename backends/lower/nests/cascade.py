"""Sums of many lines, by groups of them: what a group gives comes together in a line of its own.

A sum of n steps, one after the other, is rounded n times at about its size; of groups, only once
for each of them, and hardly at all where groups join in float64. Nothing is read or stored more
often: a group's first step stores what its lines give, the steps after it add to that, and the last
one adds that, as it is at hand, to the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, Let, Stmt, Store
from graphc.backends.loops.tidy import Renaming
from graphc.backends.lower.nests.accumulators import Ahead, At, LineAccumulator, take_in_lines
from graphc.ir.dtypes import int64
from graphc.ir.record import dataclass

#: Steps of a group.
STEPS = 4


def is_cascade(lines: Sequence[LineAccumulator], count: int, together: int) -> bool:
    """Whether so many lines (1: nobody knows how many), `together` in a step, are taken in by
    groups: sums, of which some join what is wider, or which groups make without a rest.
    """
    if any(line.combine != "sum" or not line.term.dtype.is_float for line in lines):
        return False
    wide = any(line.term.dtype is not line.neutral.dtype for line in lines)
    return wide or (count % (STEPS * together) == 0 and count > STEPS * together)


@dataclass(frozen=True)
class Held:
    """An accumulator, and the line of its group; `joined` is what a step's lines give."""

    line: LineAccumulator
    at: At

    def first(self, joined: Expr) -> Store:
        """What a group begins with."""
        return Store(*self.at, joined)

    def further(self, joined: Expr) -> Store:
        """What it goes on with."""
        return Store(*self.at, self._kept + joined)

    def last(self, joined: Expr) -> Store:
        """The group's sum joins those before."""
        return self._joins(self._kept + joined)

    def rest(self) -> Store:
        """So does that of a last group, at whichever step it ended."""
        return self._joins(self._kept)

    @property
    def alone(self) -> LineAccumulator:
        """The accumulator of the group alone."""
        dtype = self.line.term.dtype
        return replace(self.line, value=self.at, neutral=e.cast(self.line.neutral, dtype))

    @property
    def _kept(self) -> Expr:
        return e.load(*self.at, self.line.term.dtype)

    def _joins(self, group: Expr) -> Store:
        line = self.line
        return Store(*line.value, line.best + e.cast(group, line.neutral.dtype))


@dataclass(frozen=True)
class Groups:
    """The lines from `begin` to `end` of a loop `row`, `together` in a step. `along` makes a loop
    along a line; `ahead` is asked for.
    """

    row: str
    begin: Expr
    end: Expr
    together: int
    along: Callable[[list[Stmt]], For]
    ahead: Sequence[Ahead]

    @property
    def size(self) -> int:
        """Lines of a group."""
        return STEPS * self.together

    @property
    def number(self) -> Expr:
        """Whole groups."""
        return (self.end - self.begin) / self.size

    def taken_in(self, lines: Sequence[Held]) -> list[Stmt]:
        """The loop over whole groups."""
        row, together = self.row, self.together
        group, number = e.var(f"{row}.g"), e.var(f"{row}.q")
        start = self.begin + group * self.size
        between = e.var(f"{row}.first") + number * together
        body = (
            *self._step("first", start, [(x, x.first) for x in lines]),
            For(number.attr, e.const(1, int64), e.const(STEPS - 1, int64),
                tuple(self._step("further", between, [(x, x.further) for x in lines]))),
            *self._step("last", start + (self.size - together), [(x, x.last) for x in lines]),
        )  # fmt: skip
        return [For(group.attr, e.const(0, int64), self.number, body)]

    def _step(
        self, kind: str, first: Expr, lines: Sequence[tuple[Held, Callable[[Expr], Store]]]
    ) -> list[Stmt]:
        """The lines from `first` on."""
        name = f"{self.row}.{kind}"
        here = Renaming({self.row: e.var(name)})
        moved = [Renaming({self.row: e.var(name) + k}) for k in range(self.together)]
        loop = self.along([store(held.line.joined(moved)) for held, store in lines])
        places = (replace(at, place=here(at.place)) for at in self.ahead)
        asked = [s for at in places for s in at.prefetches(name, loop.var, self.together)]
        return [Let(name, first), replace(loop, body=(*loop.body, *asked))]

    def rest(self, lines: Sequence[Held]) -> list[Stmt]:
        """The lines behind the last whole group."""
        alone = [held.alone for held in lines]
        first = self.begin + self.number * self.size
        start = [self.along([s]) for line in alone for s in line.start(first)]
        taken = take_in_lines(
            self.row, first, self.end, alone, self.along, (), together=self.together
        )
        return [*start, *taken, *(self.along([held.rest()]) for held in lines)]
