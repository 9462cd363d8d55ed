"""Sums of exponentials less the largest argument, by lines, for which all is read once.

    m = max(x, axis), s = sum(exp(x - repeated m), axis)

Every exponential waits for the last m. So they are taken less a pivot k that the first few lines
have, while m is found, and brought to m at the end: s exp(k - m). Where that is far from 1, so that
something might overflow, vanish, or x - k be rounded more than the function itself, the tile is
done again: m, then the sum less m. So it is where a sum is not finite, as those of NaN are: the
first time m is but the largest number, which takes one instruction and not three, and exp need not
care for what is above the pivot by far. An m that is not finite counts as 0 anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Accumulate, Declare, If, Stmt, Store
from graphc.backends.loops.tidy import Renaming
from graphc.backends.lower.nests.accumulators import Ahead, At, LineAccumulator
from graphc.ir.dims import Dim, minimum
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.passes.fusion.access import full_index
from graphc.passes.fusion.body import Body, Root
from graphc.passes.share_reductions import is_shifted, shifted_parts

if TYPE_CHECKING:
    from graphc.backends.lower.nests.lines import LineLowering

#: Lines that the pivot is the largest of.
FIRST = 4
#: The most that pivot and largest may differ by.
FAR = 16.0
#: A combination whose result is the largest operand that is a number, if all are.
NUMBERS = "largest number"


@dataclass(frozen=True)
class Exponentials:
    """The two reductions of such a sum, and what is subtracted: `largest` where that is finite."""

    largest: Root
    total: Root
    less: Tensor


def exponentials_of(body: Body) -> Exponentials | None:
    """What a body does first, if it is such a sum and nothing else."""
    roots = sorted((root for root in body.roots if root.level < 2), key=lambda root: root.level)
    if [(root.role, root.level) for root in roots] != [("row", 0), ("row", 1)]:
        return None
    largest, total = roots
    if not is_shifted(total.tensor.node) or total.tensor.dtype.bits < 32:
        return None
    _, less = shifted_parts(total.tensor.node.inputs[0])
    found = any(y.dtype.kind in "iu" for y in body.inputs)  # by an index, which each line checks
    same = largest.tensor is less.node.inputs[1]
    return Exponentials(largest, total, less) if same and not found else None


class PivotedLines:
    """Writes the loops over the lines of a tile."""

    def __init__(self, lowering: LineLowering, pair: Exponentials):
        self.low, self.pair = lowering, pair
        self.pivot: At = lowering.scratch_line(pair.total.tensor.dtype)

    def statements(self) -> list[Stmt]:
        """The reductions; the reader knows their results from there on."""
        low, pair = self.low, self.pair
        checks: list[Stmt] = []
        low.reader.statements = checks
        low.reader.values[pair.less] = e.load(*self.pivot, pair.less.dtype)
        low.reader.forget()
        largest, total = (low.accumulator(root) for root in (pair.largest, pair.total))
        del low.reader.values[pair.less]
        low.reader.values[pair.largest.tensor] = largest.result
        low.reader.values[pair.total.tensor] = total.result
        ahead = low.lines_to_come([largest, total])
        quick = [replace(largest, among=NUMBERS), replace(total, term=_as_summand(total.term))]
        return [
            *self._pivot(largest.term),
            *self._taking_in(quick, ahead, checks),
            *self._brought(largest, total),
        ]

    def _pivot(self, term: Expr) -> list[Stmt]:
        """Stores the pivot; nothing is read where there are no lines."""
        low, count = self.low, self.low.nest.inner[-1].extent
        others = {loop.name: low.dims(0) for loop in low.nest.inner[:-1]}
        first = reduce(e.maximum, [self._line(term, others, k, count) for k in range(FIRST)])
        found: list[Stmt] = [low.along([Store(*self.pivot, self._less(first))])]
        for loop in low.nest.inner:
            if not isinstance(loop.extent, int):
                none = low.along([Store(*self.pivot, e.const(0, term.dtype))])
                found = [If(low.dims(loop.extent) > 0, tuple(found), (none,))]
        return found

    def _line(self, term: Expr, others: dict[str, Expr], number: int, count: Dim) -> Expr:
        """A line's term; of fewer lines the last one's."""
        row = self.low.dims(minimum(number, count - 1))
        return Renaming({**others, self.low.nest.inner[-1].name: row})(term)

    def _less(self, largest: Expr) -> Expr:
        """What is subtracted where this is the largest."""
        low, x = self.low, self.pair.less
        kept = low.reader.values.get(self.pair.largest.tensor)
        low.reader.values[self.pair.largest.tensor] = largest
        low.reader.forget()
        value = low.reader.compute(x, full_index(x.shape, low.rows))
        low.reader.forget()
        if kept is not None:
            low.reader.values[self.pair.largest.tensor] = kept
        return value

    def _taking_in(
        self, lines: list[LineAccumulator], ahead: Sequence[Ahead] = (), checks: Sequence[Stmt] = ()
    ) -> list[Stmt]:
        low = self.low
        start = [low.along([s]) for line in lines for s in line.start(low.dims(0))]
        return [*start, *low.taken_in(lines, ahead, checks)]

    def _brought(self, largest: LineAccumulator, total: LineAccumulator) -> list[Stmt]:
        """Brings the sum to the largest, or takes both again."""
        low, dtype = self.low, total.term.dtype
        less = self._less(low.reader.values[self.pair.largest.tensor])
        difference = e.load(*self.pivot, dtype) - less
        near = (e.absolute(difference) <= FAR) & (total.best < e.const(float("inf"), dtype))
        moved = total.best * e.math("exp", difference)
        again = [
            *self._taking_in([largest]),
            low.along([Store(*self.pivot, less)]),
            *self._taking_in([total]),
        ]
        one, zero = e.const(1, dtype), e.const(0, dtype)
        return [
            Declare("far", zero),
            low.along(
                [Accumulate("far", "max", e.select(near, zero, one)), Store(*total.value, moved)]
            ),
            If(e.var("far", dtype) > 0, tuple(again)),
        ]


def _as_summand(term: Expr) -> Expr:
    """An exponential as it is enough for a sum."""
    found = (term.op, term.attr) == ("math", "exp")
    return e.math("summand_exp", *term.args) if found else term
