"""Lines of accumulators: what a reduction has found so far, for each place along a line of what it
reads; in memory, so that several lines are taken in at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr, parts_of
from graphc.backends.loops.stmt import For, Let, Prefetch, Stmt, Store
from graphc.backends.loops.tidy import Renaming
from graphc.backends.lower.nests.combine import combined, succeeds
from graphc.ir.dtypes import int32, int64
from graphc.ir.record import dataclass

#: Lines that are taken in at once, so that accumulators are read and stored less often; and where
#: nothing is left over then.
TOGETHER, EVENLY = 4, 8
#: Lines between what is at work and what is asked for.
LINES_AHEAD = 2 * TOGETHER
#: A buffer, and a place in it.
At = tuple[str, Expr]


@dataclass(frozen=True)
class Ahead:
    """What is asked for while a line is at work: a place that depends on the line and on where in
    it. Where `lanes` elements of a line that others follow at once are read in a step, each step
    asks for what lies side by side: memory is read in its order, as fast as it can be.
    """

    buffer: str
    place: Expr
    lanes: int = 0

    def prefetches(self, row: str, last: str, together: int) -> list[Stmt]:
        """What a step asks for that takes in so many lines."""
        steps = range(together)
        if not self.lanes:
            moves = [Renaming({row: e.var(row) + k}) for k in steps]
        else:
            place = e.var(last) * together
            moves = [Renaming({last: place + k * self.lanes}) for k in steps]
        return [Prefetch(self.buffer, move(self.place)) for move in moves]


@dataclass(frozen=True)
class LineAccumulator:
    """The line of one reduction: `value` along the line, and for argmin and argmax `place`, the
    lines where the best values so far were. `term` is what the line at hand gives, perhaps in a
    narrower dtype than `neutral` and the line have, `position` the number of that line. `among`
    neighbouring lines another combination may do.
    """

    name: str
    combine: str
    neutral: Expr
    term: Expr
    value: At
    place: At | None = None
    position: Expr | None = None
    among: str | None = None

    @property
    def best(self) -> Expr:
        """What has been found, at a place along the line."""
        return e.load(*self.value, self.neutral.dtype)

    @property
    def result(self) -> Expr:
        """The reduction's value: of argmin and argmax, the place."""
        return self.best if self.place is None else e.load(*self.place, int64)

    def start(self, first: Expr) -> list[Stmt]:
        """What nothing but line `first`, which is not taken in yet, has to give."""
        fill: list[Stmt] = [Store(*self.value, self.neutral)]
        return fill if self.place is None else [*fill, Store(*self.place, first)]

    def joined(self, lines: Sequence[Callable[[Expr], Expr]]) -> Expr:
        """What neighbouring lines give together; see `take_in`."""
        return pairwise(self.among or self.combine, [line(self.term) for line in lines])

    def take_in(self, lines: Sequence[Callable[[Expr], Expr]]) -> list[Stmt]:
        """Takes in neighbouring lines, given what makes of the first one's expressions theirs."""
        if self.place is None:
            joined = e.cast(self.joined(lines), self.neutral.dtype)
            return [Store(*self.value, combined(self.combine, self.best, joined))]
        terms = [line(self.term) for line in lines]
        assert self.position is not None
        steps: list[Stmt] = []

        def named(kind: str, value: Expr) -> Expr:
            name = f"{self.name}.{kind}{len(steps)}"
            steps.append(Let(name, value))
            return e.var(name, value.dtype)

        found = [(named("x", x), e.const(k, int32)) for k, x in enumerate(terms)]
        while len(found) > 1:
            pairs = zip(found[::2], found[1::2], strict=True)
            found = [_better(self.combine, a, b, named) for a, b in pairs]
        ((value, line),) = found
        best = named("best", self.best)
        wins = named("wins", succeeds(self.combine, value, best))
        place = self.position + e.cast(line, int64)
        return [
            *steps,
            Store(*self.value, e.select(wins, value, best)),
            Store(*self.place, e.select(wins, place, e.load(*self.place, int64))),
        ]


def _better(
    combine: str,
    a: tuple[Expr, Expr],
    b: tuple[Expr, Expr],
    named: Callable[[str, Expr], Expr],
) -> tuple[Expr, Expr]:
    """Value and line of the better one of two, of which b is later."""
    wins = named("wins", succeeds(combine, b[0], a[0]))
    value, line = (e.select(wins, y, x) for x, y in zip(a, b, strict=True))
    return named("x", value), named("line", line)


def take_in_lines(
    row: str,
    begin: Expr,
    end: Expr,
    lines: Iterable[LineAccumulator],
    along: Callable[[list[Stmt]], For],
    ahead: Sequence[Ahead],
    steps: Sequence[Stmt] = (),
    even: bool = False,
    together: int = TOGETHER,
) -> list[Stmt]:
    """The loops that take in the lines from `begin` to `end`, `together` at once, then one by one
    unless nothing is left (`even`). `along` makes a loop along a line; `ahead` is asked for.
    Statements that belong to one line are its `steps`, and let no others join it.
    """
    lines = list(lines)

    def step(together: int) -> Stmt:
        moved = [Renaming({row: e.var(row) + k}) for k in range(together)]
        body = [*steps, *(s for line in lines for s in line.take_in(moved))]
        loop = along(body)
        asked = [s for at in ahead for s in at.prefetches(row, loop.var, together)]
        return replace(loop, body=(*loop.body, *asked))

    together = 1 if steps else together
    whole = (end - begin) / together
    quarter = e.var(f"{row}.q")
    first = Let(row, begin + quarter * together)
    loops: list[Stmt] = [For(quarter.attr, e.const(0, int64), whole, (first, step(together)))]
    if together > 1 and not even:
        loops.append(For(row, begin + whole * together, end, (step(1),)))
    return loops


def lines_ahead(row: str, end: Expr, read: Iterable[Ahead]) -> list[Ahead]:
    """The same places some lines on; where they are found by what lies in memory, that of the last
    line before `end` at most, as there may be nothing behind it.
    """
    line = e.var(row) + LINES_AHEAD
    later, last = Renaming({row: line}), Renaming({row: e.minimum(line, end - 1)})
    return [replace(at, place=(last if _is_found(at.place) else later)(at.place)) for at in read]


def _is_found(place: Expr) -> bool:
    """Whether a place depends on what is read."""
    return any(x.op == "load" for x in parts_of(place))


def pairwise(combine: str, terms: Sequence[Expr]) -> Expr:
    """All terms combined in pairs."""
    while len(terms) > 1:
        pairs = zip(terms[::2], terms[1::2], strict=False)
        terms = [combined(combine, a, b) for a, b in pairs] + list(terms[len(terms) // 2 * 2 :])
    return terms[0]
