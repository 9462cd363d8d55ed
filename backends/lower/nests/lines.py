"""Lowers reductions along axes that others follow: a block of lines at a time, as they lie.

Of a body over (outer, reduced, last axes), each reduction keeps a line of accumulators, one for
each place along the last axis, and takes in whole lines; a later reduction finds the block's lines
in the cache. Tiles of the last axis keep the block small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Alloc, For, Let, Stmt, Store
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.nests.accumulators import (
    EVENLY,
    TOGETHER,
    Ahead,
    At,
    LineAccumulator,
    lines_ahead,
    take_in_lines,
)
from graphc.backends.lower.nests.cascade import Groups, Held, is_cascade
from graphc.backends.lower.nests.columns import is_columns
from graphc.backends.lower.nests.in_lines import InLines
from graphc.backends.lower.nests.loops import Loop, extent_of, is_short, plan_nest
from graphc.backends.lower.nests.narrow_rows import lower_any_rows
from graphc.backends.lower.nests.pivots import PivotedLines, exponentials_of
from graphc.backends.lower.nests.short_lines import lower_columns
from graphc.backends.lower.nests.taps import lower_taps
from graphc.backends.lower.reader import DimWriter, offset_of
from graphc.ir.dim_values import atoms
from graphc.ir.dims import DimExpr, floordiv, index, maximum, minimum
from graphc.ir.dtypes import DType, int64
from graphc.ir.node import Node, Tensor
from graphc.machine import TYPICAL
from graphc.passes.fusion.access import full_index
from graphc.passes.fusion.body import Body, Root

#: Elements of the last axis in a tile, some pages of memory: fewer where lines are read again,
#: which the cache then holds.
TILE, WIDE_TILE = 4 * TYPICAL.line_tile, 8 * TYPICAL.line_tile
#: Fewer elements of the last axis are better kept in registers.
NARROW_LINE = 64
TILE_NUMBER = index("tile")


def has_lines(body: Body, across: bool, outer: Sequence[Loop]) -> bool:
    """Whether a body had better be lowered by lines."""
    if not across or len(outer) < 2 or any(root.role == "map" for root in body.roots):
        return False
    extent = outer[-1].extent
    return not (isinstance(extent, int) and extent < NARROW_LINE)


def lower_rows(body: Body, schedule: Schedule, fail: Callable[[Node, str], int]) -> list[Call]:
    """The kernels of a nest, by lines where that is better; the sum over a few taps of windows,
    which see the same lines again, stays in registers.
    """
    if is_columns(body, schedule):
        return lower_columns(body, schedule, fail)
    nest = plan_nest(body, schedule.across)
    blocks = not nest.inner or (len(nest.inner) > 1 and is_short(nest.inner))
    whole = schedule.vector_bits and schedule.by_lines and not blocks
    if whole and has_lines(body, nest.across, nest.outer):
        return LineLowering(body, schedule, fail).run()
    return lower_taps(body, schedule, fail) or lower_any_rows(body, nest, schedule, fail)


class Tiles(Loop):
    """The loop over the tiles of the last axis."""

    @property
    def name(self) -> str:
        return "tile"


class LineLowering(InLines):
    """Row reductions into lines of accumulators; a line is in the result's own memory if it can."""

    narrow = True

    def __init__(self, body: Body, schedule: Schedule, fail: Callable[[Node, str], int]):
        self.again = any(root.level for root in body.roots)
        self.exponentials = exponentials_of(body)
        twice = self.again and self.exponentials is None
        self.tile = schedule.line_tile or (TILE if twice else WIDE_TILE)
        super().__init__(body, schedule, fail)
        self.dims.bind(TILE_NUMBER, e.var("tile"))
        self._name_extents()

    def _chunks(self) -> None:
        """Chunks are of tiles: they too go to several threads."""
        *outer, last = self.nest.outer
        tiles = floordiv(last.extent + (self.tile - 1), self.tile)
        self.flat, self.split = False, (*outer, *([Tiles((), tiles)] if tiles != 1 else []))
        total, size = extent_of(self.split), extent_of((*self.nest.inner, last))
        rest = maximum(1, floordiv(size, maximum(1, tiles)))
        self._share_out(total, maximum(1, floordiv(self.schedule.grain, rest)))

    def run(self) -> list[Call]:
        first, *others = super().run()
        chunks = DimWriter()(self.chunks)  # without the names of the body
        return [replace(first, kernel=replace(first.kernel, chunks=chunks)), *others]

    def _name_extents(self) -> None:
        """Computes extents that take divisions once, not for every address."""
        loops = (*self.nest.outer, *self.nest.inner)
        compound = {a for loop in loops for a in atoms(loop.extent) if a.args}
        for k, a in enumerate(sorted(compound, key=lambda a: a.key)):
            extent = DimExpr({(a,): 1})
            self.start.append(Let(f"extent{k}", self.dims(extent)))
            self.dims.bind(extent, e.var(f"extent{k}"))

    def _rows(self, levels: list[int]) -> list[Stmt]:
        """The loops over a tile."""
        if self.exponentials is None:
            return super()._rows(levels)
        first = PivotedLines(self, self.exponentials).statements()
        return [*first, *(s for level in levels if level > 1 for s in self._level(level))]

    def _level(self, level: int) -> list[Stmt]:
        roots = [root for root in self.body.roots if root.level == level]
        self.reader.forget()
        out: list[Stmt] = []
        for root in roots:
            if root.role == "rowmap":
                out.extend(self._line_map(root))
        reductions = [root for root in roots if root.role == "row"]
        if not reductions:
            return out
        steps: list[Stmt] = []
        self.reader.statements = steps
        lines = [self.accumulator(root) for root in reductions]
        zero = self.dims(0)
        out += [self.along([s]) for line in lines for s in line.start(zero)]
        out.extend(self.taken_in(lines, self._ahead(level, lines), steps))
        for root, line in zip(reductions, lines, strict=True):
            out.extend(self._line_result(root, line.result))
        return out

    def _buffers(self, root: Root, dtype: DType) -> tuple[At, At | None]:
        x = root.tensor
        if x.node.op.name.startswith("arg"):
            return self.scratch_line(dtype), self._line(x, int64)
        return self._line(x, dtype), None

    def _line(self, x: Tensor, dtype: DType) -> At:
        """Buffer and place of the accumulator at hand."""
        if x in self.names and x.dtype is dtype:
            return self.names[x], self._place(x)
        return self.scratch_line(dtype)

    def _place(self, x: Tensor) -> Expr:
        return self.dims(offset_of(x.shape, full_index(x.shape, self.rows)))

    def scratch_line(self, dtype: DType) -> At:
        """New memory for a line of a tile."""
        name, first = self.scratch(dtype, self.tile)
        return name, self.dims(first - TILE_NUMBER * self.tile + self.nest.outer[-1].variable)

    def group_line(self, dtype: DType) -> At:
        """New memory for a line of a tile, which stays in a core's cache from tile to tile."""
        self.memory.append(Alloc(f"group{len(self.memory)}", dtype, self.tile))
        at = self.nest.outer[-1].variable - TILE_NUMBER * self.tile
        return self.memory[-1].buffer, self.dims(at)

    def _line_result(self, root: Root, value: Expr) -> list[Stmt]:
        x = root.tensor
        self.reader.values[x] = e.cast(value, x.dtype)
        if x not in self.names or x.dtype is value.dtype:
            return []
        return [self.along([Store(self.names[x], self._place(x), e.cast(value, x.dtype))])]

    def _line_map(self, root: Root) -> list[Stmt]:
        """A function of lines, stored for the levels to come."""
        x, body = root.tensor, list[Stmt]()
        self.reader.statements = body
        value = self.reader.compute(x, full_index(x.shape, self.rows))
        name, at = self._line(x, x.dtype)
        loop = self.along([*body, Store(name, at, value)])
        self.reader.forget()
        self.reader.values[x] = e.load(name, at, x.dtype)
        return [loop]

    # --- loops ------------------------------------------------------------------------------------

    def taken_in(
        self, lines: Sequence[LineAccumulator], ahead: Sequence[Ahead], steps: Sequence[Stmt] = ()
    ) -> list[Stmt]:
        """The loops over the reduced axes, several lines of the last one at once: few where their
        exponentials fill the registers anyway.
        """
        *others, rows = self.nest.inner
        known = rows.extent if isinstance(rows.extent, int) else 1  # which nothing divides
        together = EVENLY if known % EVENLY == 0 and not self.exponentials else TOGETHER
        begin, end = self.dims(0), self.dims(rows.extent)
        even = known % together == 0
        if not steps and is_cascade(lines, known, together):
            groups = Groups(rows.name, begin, end, together, self.along, ahead)
            held = [Held(line, self.group_line(line.term.dtype)) for line in lines]
            loops = groups.taken_in(held)
            if known % groups.size:
                loops += groups.rest(held)
        else:
            loops = take_in_lines(
                rows.name, begin, end, lines, self.along, ahead, steps, even, together
            )
        for loop in reversed(others):
            loops = [For(loop.name, self.dims(0), self.dims(loop.extent), tuple(loops))]
        return loops

    def along(self, body: list[Stmt]) -> For:
        """A loop over the tile of the last axis."""
        last = self.nest.outer[-1]
        begin = TILE_NUMBER * self.tile
        end = minimum(begin + self.tile, last.extent)
        lanes = self.schedule.lanes(self._bits())
        return For(last.name, self.dims(begin), self.dims(end), tuple(body), "vector", lanes, 1)

    def _across(self, row: list[Stmt]) -> list[Stmt]:
        """A tile is one of a chunk's, or the only one."""
        return row if isinstance(self.split[-1], Tiles) else [Let("tile", self.dims(0)), *row]

    # --- what comes next --------------------------------------------------------------------------

    def lines_to_come(self, lines: Sequence[LineAccumulator]) -> list[Ahead]:
        """What a reduction that reads all once asks for: some lines on."""
        last, rows = self.nest.outer[-1], self.nest.inner[-1]
        found = self._lines_along(rows, last, lines)
        return lines_ahead(rows.name, self.dims(rows.extent), found)

    def _ahead(self, level: int, lines: Sequence[LineAccumulator]) -> list[Ahead]:
        """What the reductions of a level ask for: the only ones of a tile, some lines; later ones
        the next tile, of this block or the next one.
        """
        if not self.again:
            return self.lines_to_come(lines)
        last, rows = self.nest.outer[-1], self.nest.inner[-1]
        found = self._lines_along(rows, last, lines)
        if not found or level == 0:
            return []
        tiles = floordiv(last.extent + (self.tile - 1), self.tile)
        size = rows.extent * last.extent
        more = self.dims(TILE_NUMBER + 1) < self.dims(tiles)
        step = e.select(more, self.dims(self.tile), self.dims(size - (tiles - 1) * self.tile))
        return [Ahead(at.buffer, at.place + step) for at in found]
