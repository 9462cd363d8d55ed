"""Lowers reductions along leading axes: lines are taken in as they lie, by parts of all lines and
tiles of their length; each part leaves a line of partial results, which are combined in order.
(Of short lines several are taken in as one: `short_lines.py`.)
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, Let, LoopKernel, Stmt
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.nests.accumulators import (
    At,
    LineAccumulator,
    lines_ahead,
    take_in_lines,
)
from graphc.backends.lower.nests.combine import apart
from graphc.backends.lower.nests.in_lines import InLines
from graphc.backends.lower.nests.loops import plan_nest
from graphc.ir.dims import Dim, floordiv, index, maximum, minimum
from graphc.ir.dtypes import DType
from graphc.machine import TYPICAL
from graphc.passes.fusion.body import Body, Root

#: Elements of a tile: its accumulators stay in a core's second cache.
TILE = 8 * TYPICAL.line_tile
#: Lines of a part, at least, so that what parts leave is little beside what they read.
LEAST_LINES = 64
#: Tiles that are enough for threads to have about equal shares.
SHARES = 8
#: Elements of which tiles have a multiple.
LEAST_TILE = TYPICAL.line_tile // 8
PART, TILE_NUMBER, LINES = index("part"), index("tile"), index("lines")


def is_columns(body: Body, schedule: Schedule) -> bool:
    """Whether a body does nothing but reduce along leading axes, in one loop over lines."""
    if not schedule.vector_bits or not schedule.by_lines:
        return False
    if any(root.role != "column" for root in body.roots):
        return False
    nest = plan_nest(body)
    return len(nest.outer) == len(nest.inner) == 1


class ColumnLowering(InLines):
    """Writes the kernel of such a body, and those that combine the results of its parts."""

    def _chunks(self) -> None:
        """A chunk is a tile of a part; only sizes count, never threads."""
        self.flat, self.split = False, ()
        count, length = self._lines()
        self.tile = self._tile(count, length)
        self.tiles = floordiv(length + (self.tile - 1), self.tile)
        most = maximum(1, floordiv(self.schedule.most_chunks, maximum(1, self.tiles)))
        fill = floordiv(self.schedule.grain, maximum(1, minimum(self.tile, length)))
        share = floordiv(count + (most - 1), most)
        least = maximum(maximum(LEAST_LINES, fill), share)
        self.parts = floordiv(count + (least - 1), least)
        self.per = floordiv(count + (self.parts - 1), maximum(1, self.parts))
        self.chunks = self.parts * self.tiles

    def _lines(self) -> tuple[Dim, Dim]:
        """How many lines there are, and how long they are."""
        (rows,), (line,) = self.nest.outer, self.nest.inner
        return rows.extent, line.extent

    def _tile(self, lines: Dim, length: Dim) -> int:
        """Lines that are too few to be parted are shared out by their tiles, of which there are
        some then: smaller ones where they must be.
        """
        if self.schedule.line_tile:
            return self.schedule.line_tile
        if not isinstance(lines, int) or not isinstance(length, int):
            return TILE
        if not 0 < lines < LEAST_LINES:
            return TILE
        least = max(self.schedule.grain // lines, length // SHARES)
        return min(-(-max(1, least) // LEAST_TILE) * LEAST_TILE, TILE)

    def run(self) -> list[Call]:
        (rows,), (line,) = self.nest.outer, self.nest.inner
        chunks = self.dims(self.chunks)
        self.start += self._place()
        self.dims.bind(rows.variable, self._row(e.var(rows.name)))
        self.dims.bind(line.variable, e.var(line.name))
        steps: list[Stmt] = []
        self.reader.statements = steps
        lines = [self.accumulator(root) for root in self.body.roots]
        begin = self.dims(PART * LINES)
        end = self.dims(minimum(PART * LINES + LINES, self._lines()[0]))
        taken_in = self._taken_in(lines, begin, end, steps)
        body = [
            *self.memory,
            *self.start,
            *(self.along([s]) for accumulator in lines for s in accumulator.start(begin)),
            *taken_in,
        ]
        ops = dict.fromkeys(root.tensor.node.op.name for root in self.body.roots[-3:])
        kernel = LoopKernel(
            "_".join(("columns", *ops)),
            tuple(self.params), tuple(sorted(self.dims.sizes)), chunks, tuple(body),
        )  # fmt: skip
        return [Call(kernel, tuple(self.arguments), self.chunks), *self.later]

    def _row(self, line: Expr) -> Expr:
        """The first row of a line."""
        return line

    def _taken_in(
        self, lines: Sequence[LineAccumulator], begin: Expr, end: Expr, steps: Sequence[Stmt]
    ) -> list[Stmt]:
        """The lines from `begin` to `end`, taken in."""
        (rows,), (line,) = self.nest.outer, self.nest.inner
        ahead = lines_ahead(rows.name, end, self._lines_along(rows, line, lines))
        return take_in_lines(rows.name, begin, end, lines, self.along, ahead, steps)

    def _place(self) -> list[Stmt]:
        """Which part and tile the chunk is: the tiles of a part follow each other."""
        chunk, tiles = e.var("chunk"), self.dims(self.tiles)
        found = [
            Let("part", chunk / tiles),
            Let("tile", e.rem(chunk, tiles)),
            Let("lines", self.dims(self.per)),
        ]
        for variable, s in zip((PART, TILE_NUMBER, LINES), found, strict=True):
            self.dims.bind(variable, e.var(s.name))
        return list(found)

    def along(self, body: list[Stmt]) -> For:
        """A loop over the tile."""
        (line,) = self.nest.inner
        begin = TILE_NUMBER * self.tile
        end = minimum(begin + self.tile, self._lines()[1])
        lanes = self._vector()
        return For(line.name, self.dims(begin), self.dims(end), tuple(body), "vector", lanes, 1)

    def _vector(self) -> int:
        return self.schedule.lanes(self._bits())

    def _buffers(self, root: Root, dtype: DType) -> tuple[At, At | None]:
        (line,) = self.nest.inner
        length = self._lines()[1]
        best, places = self.part_lines(root, dtype, self.parts, line.extent, length)
        at = self.dims(PART * apart(length, self.parts) + line.variable)
        return (best, at), None if places is None else (places, at)
