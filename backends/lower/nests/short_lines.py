"""Lowers reductions along leading axes of short lines that lie behind each other: as many as fill
some vectors are taken in as one, and the columns of that one are combined at last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr, parts_of
from graphc.backends.loops.stmt import Accumulate, Declare, For, If, Let, Stmt, Store
from graphc.backends.loops.tidy import Renaming
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.nests.accumulators import LineAccumulator
from graphc.backends.lower.nests.columns import TILE_NUMBER, ColumnLowering
from graphc.backends.lower.nests.combine import dtype_of_parts
from graphc.backends.lower.nests.frame import CHUNK
from graphc.backends.lower.nests.loops import Loop, plan_nest
from graphc.backends.lower.reader import offset_of
from graphc.ir.dim_values import atoms, coefficient
from graphc.ir.dims import Atom, Dim, floordiv, maximum, minimum
from graphc.ir.dtypes import int64
from graphc.ir.node import Node
from graphc.machine import TYPICAL
from graphc.passes.fusion.access import Access
from graphc.passes.fusion.body import Body

#: Elements of a long line: so many that what its last vector lacks counts little.
LONG = TYPICAL.line_tile // 2
#: Elements of all lines from which on columns are worth combining at last.
MANY = 16 * LONG
ZERO, COPY, COLUMN = e.const(0, int64), e.var("copy"), e.var("column")


def lower_columns(body: Body, schedule: Schedule, fail: Callable[[Node, str], int]) -> list[Call]:
    """The kernels of a body that does nothing but reduce along leading axes."""
    if _has_short_lines(body):
        low = ShortLines(body, schedule, fail)
        calls = low.run()
        if low.even:
            return calls
    return ColumnLowering(body, schedule, fail).run()


def _has_short_lines(body: Body) -> bool:
    """Whether lines may be short, are many as far as is known, and follow each other."""
    nest = plan_nest(body)
    (rows,), (line,) = nest.outer, nest.inner
    n, k = rows.extent, line.extent
    if isinstance(k, int) and not 0 < 2 * k <= LONG:
        return False
    if isinstance(n, int) and isinstance(k, int) and n * k < MANY:
        return False
    if any(root.tensor.node.op.name.startswith("arg") for root in body.roots):
        return False
    places = {a for root in body.roots for d in root.opaque for a in atoms(d)}
    if places & {Atom("index", f"i{axis}") for axis in (*rows.axes, *line.axes)}:
        return False
    inputs = set(body.inputs)
    accesses = (a for root in body.roots for a in root.accesses if a.tensor in inputs)
    return all(_follow(a, rows, line) for a in accesses)


def _follow(access: Access, rows: Loop, line: Loop) -> bool:
    """Whether lines are read one behind the other, or all the same one."""
    offset = offset_of(access.tensor.shape, access.index)
    if any(a.kind == "dynamic" for a in atoms(offset)):
        return False
    down, along = (coefficient(offset, Atom("index", loop.name)) for loop in (rows, line))
    if down is None or along is None:
        return False
    return down[0] in (0, along[0] * line.extent)


class ShortLines(ColumnLowering):
    """Writes the kernel of such a body. It is of use if it is `even`: whatever a line takes in is
    one expression.
    """

    even = True

    def _chunks(self) -> None:
        (line,) = self.nest.inner
        self.together = maximum(1, floordiv(LONG, maximum(1, line.extent)))
        super()._chunks()

    def _lines(self) -> tuple[Dim, Dim]:
        (rows,), (line,) = self.nest.outer, self.nest.inner
        count = floordiv(rows.extent + (self.together - 1), self.together)
        return count, line.extent * self.together

    def _tile(self, lines: Dim, length: Dim) -> int:
        """Columns that are combined are in one tile."""
        return max(super()._tile(lines, length), LONG)

    def _place(self) -> list[Stmt]:
        if isinstance(self.together, int):
            return super()._place()
        first = Let("together", self.dims(self.together))
        self.dims.bind(self.together, e.maximum(e.var(first.name), 1))  # what divides is hoisted
        return [first, *super()._place()]

    def _row(self, line: Expr) -> Expr:
        return line * self.dims(self.together)

    def _taken_in(
        self, lines: Sequence[LineAccumulator], begin: Expr, end: Expr, steps: Sequence[Stmt]
    ) -> list[Stmt]:
        """The lines from `begin` to `end`; then, at the end of all, rows that are less than a line;
        then the columns, combined.
        """
        self.even = not steps
        again = self._laid_out(lines)
        new = Renaming({}, {load: other for load, other, _ in again})
        lines = [replace(line, term=new(line.term)) for line in lines]
        whole = self.dims(floordiv(self.nest.outer[0].extent, self.together))
        return [
            *(loop for *_, loop in again),
            *super()._taken_in(lines, begin, e.minimum(end, whole), ()),
            If((begin <= whole) & (whole < end), self._rest(lines, whole)),
            *self._all_combined(lines),
        ]

    def _all_combined(self, lines: Sequence[LineAccumulator]) -> tuple[Stmt, ...]:
        combined = tuple(map(self._combined, lines))
        if isinstance(self.together, int):
            return combined
        return (If(self.dims(self.together) > 1, combined),)

    def _rest(self, lines: Sequence[LineAccumulator], whole: Expr) -> tuple[Stmt, ...]:
        """The rows behind the last whole line."""
        (rows,), (line,) = self.nest.outer, self.nest.inner
        left = self.dims(rows.extent) - whole * self.dims(self.together)
        taken = tuple(s for x in lines for s in x.take_in([Renaming({})]))
        loop = For(
            line.name, ZERO, left * self.dims(line.extent), taken, "vector", self._vector(), 1
        )
        return Let(rows.name, whole), loop

    def _combined(self, line: LineAccumulator) -> Stmt:
        """Combines what was found of each column, in the first of its places."""
        (columns,) = self.nest.inner
        buffer, at = line.value
        first, dtype = Renaming({columns.name: COLUMN})(at), line.term.dtype
        combine: Any = line.combine
        name = line.name + ".all"
        wide, width = dtype_of_parts(line.combine, dtype), self.dims(columns.extent)
        found = e.cast(e.load(buffer, first + COPY * width, dtype), wide)
        column = (
            Declare(name, e.cast(line.neutral, wide)),
            self._copies((Accumulate(name, combine, found),)),
            Store(buffer, first, e.cast(e.var(name, wide), dtype)),
        )
        lanes = self.schedule.lanes(wide.bits)
        return For(COLUMN.attr, ZERO, width, column, "vector", lanes, 1)

    def _copies(self, body: tuple[Stmt, ...]) -> For:
        return For(COPY.attr, ZERO, self.dims(self.together), body)

    # --- what every row reads -----------------------------------------------------------------

    def _laid_out(self, lines: Sequence[LineAccumulator]) -> list[tuple[Expr, Expr, Stmt]]:
        """What is the same for every row, but not for every column: how it is read, and how from
        memory of the chunk in which it lies once for every row of a line, and what lays it there.
        """
        (rows,), (line,) = self.nest.outer, self.nest.inner
        loads = dict.fromkeys(x for a in lines for x in parts_of(a.term) if x.op == "load")
        found: list[tuple[Expr, Expr, Stmt]] = []
        for x in loads:
            used = {y.attr for y in parts_of(x) if y.op == "var"}
            if line.name in used and rows.name not in used:
                found.append((x, *self._copied(x)))
        return found

    def _copied(self, load: Expr) -> tuple[Expr, Stmt]:
        (line,) = self.nest.inner
        self.dims.bind(CHUNK, e.var("chunk"))
        name, first = self.scratch(load.dtype, minimum(self.tile, self._lines()[1]))
        place = self.dims(first - TILE_NUMBER * self.tile + line.variable)
        move, begin = Renaming({line.name: COLUMN}), TILE_NUMBER * self.tile
        width = self.dims(line.extent)
        store = Store(name, move(place) + COPY * width, move(load))
        end = self.dims(minimum(begin + self.tile, line.extent))
        lanes = self.schedule.lanes(load.dtype.bits)
        copy = For(COLUMN.attr, self.dims(begin), end, (store,), "vector", lanes, 1)
        return e.load(name, place, load.dtype), self._copies((copy,))
