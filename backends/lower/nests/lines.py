"""Lowers reductions along axes that others follow: a block of lines at a time, as they lie.

Of a body over (outer, reduced, last axes), each reduction keeps a line of accumulators, one for
each place along the last axis, and takes in whole lines; a later reduction finds the block's lines
in the cache. Tiles of the last axis keep the block small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, Let, Prefetch, Stmt, Store
from graphc.backends.loops.tidy import Renaming
from graphc.backends.lower.kernel import Call, Schedule, Temporary
from graphc.backends.lower.nests.combine import accumulator_dtype, combined, identity
from graphc.backends.lower.nests.loops import Loop, is_short, plan_nest
from graphc.backends.lower.nests.nest import Lowering, lower_nest
from graphc.backends.lower.nests.streams import is_large
from graphc.backends.lower.reader import DimWriter, offset_of
from graphc.ir.dims import Dim, DimExpr, atoms, floordiv, index, minimum
from graphc.ir.dtypes import DType
from graphc.ir.node import Node, Tensor
from graphc.machine import TYPICAL
from graphc.passes.access import full_index
from graphc.passes.fusion import Body, Root

#: Elements of the last axis in a tile: few where lines are read again, which the cache then holds.
TILE, WIDE_TILE = TYPICAL.line_tile, 8 * TYPICAL.line_tile
#: Fewer elements of the last axis are better kept in registers.
NARROW_LINE = 64
#: Lines that are taken in at once, so that accumulators are read and stored less often.
TOGETHER = 4
#: Lines between what is at work and what is asked for.
LINES_AHEAD = 2 * TOGETHER
TILE_NUMBER = index("tile")


def has_lines(body: Body, across: bool, outer: Sequence[Loop]) -> bool:
    """Whether a body had better be lowered by lines."""
    if not across or len(outer) < 2 or any(root.role == "map" for root in body.roots):
        return False
    extent = outer[-1].extent
    rows = [root.tensor.node.op for root in body.roots if root.role == "row"]
    plain = all(not op.name.startswith("arg") for op in rows)
    return plain and not (isinstance(extent, int) and extent < NARROW_LINE)


def lower_rows(body: Body, schedule: Schedule, fail: Callable[[Node, str], int]) -> list[Call]:
    """The kernels of a nest, by lines where that is better; the sum over a few taps of windows,
    which see the same lines again, stays in registers.
    """
    nest = plan_nest(body, schedule.across)
    blocks = not nest.inner or (len(nest.inner) > 1 and is_short(nest.inner))
    whole = schedule.vector_bits and schedule.by_lines and not blocks
    if whole and has_lines(body, nest.across, nest.outer):
        return LineLowering(body, schedule, fail).run()
    return lower_nest(body, schedule, fail)


class LineLowering(Lowering):
    """Row reductions into lines of accumulators; a line is in the result's own memory if it can."""

    def __init__(self, body: Body, schedule: Schedule, fail: Callable[[Node, str], int]):
        self.again = any(root.level for root in body.roots)
        self.tile = schedule.line_tile or (TILE if self.again else WIDE_TILE)
        super().__init__(body, schedule, fail)
        self.dims.bind(TILE_NUMBER, e.var("tile"))
        self._name_extents()

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
        values = [self._value(root) for root in reductions]
        lines = [
            self._line(root, value.dtype) for root, value in zip(reductions, values, strict=True)
        ]
        for root, value, (name, at) in zip(reductions, values, lines, strict=True):
            op: Any = root.tensor.node.op
            out.append(self._along([Store(name, at, identity(op, value.dtype))]))
        out.extend(self._taking_in(level, steps, reductions, values, lines))
        for root, value, (name, at) in zip(reductions, values, lines, strict=True):
            out.extend(self._line_result(root, e.load(name, at, value.dtype)))
        return out

    def _value(self, root: Root) -> Expr:
        (source,) = root.tensor.node.inputs
        op: Any = root.tensor.node.op
        value = self.reader.at(source, full_index(source.shape, self.index))
        return e.cast(value, accumulator_dtype(source.dtype, op.combine))

    def _line(self, root: Root, dtype: DType) -> tuple[str, Expr]:
        """Buffer and place of the accumulator at hand."""
        x = root.tensor
        if x in self.names and x.dtype is dtype:
            return self.names[x], self._place(x)
        return self._scratch(dtype)

    def _place(self, x: Tensor) -> Expr:
        return self.dims(offset_of(x.shape, full_index(x.shape, self.rows)))

    def _scratch(self, dtype: DType) -> tuple[str, Expr]:
        name = self._param("t", Temporary(dtype, self.chunks * self.tile), dtype, True)
        chunk: Dim = index("chunk") if self.chunks != 1 else 0
        last = self.nest.outer[-1].variable
        return name, self.dims((chunk - TILE_NUMBER) * self.tile + last)

    def _line_result(self, root: Root, value: Expr) -> list[Stmt]:
        x = root.tensor
        self.reader.values[x] = e.cast(value, x.dtype)
        if x not in self.names or x.dtype is value.dtype:
            return []
        return [self._along([Store(self.names[x], self._place(x), e.cast(value, x.dtype))])]

    def _line_map(self, root: Root) -> list[Stmt]:
        """A function of lines, stored for the levels to come."""
        x, body = root.tensor, list[Stmt]()
        self.reader.statements = body
        value = self.reader.compute(x, full_index(x.shape, self.rows))
        name, at = self._line(root, x.dtype)
        loop = self._along([*body, Store(name, at, value)])
        self.reader.forget()
        self.reader.values[x] = e.load(name, at, x.dtype)
        return [loop]

    # --- loops ------------------------------------------------------------------------------------

    def _taking_in(
        self,
        level: int,
        steps: list[Stmt],
        roots: Sequence[Root],
        values: Sequence[Expr],
        lines: Sequence[tuple[str, Expr]],
    ) -> list[Stmt]:
        """The loops over the reduced axes, several lines of the last one at once."""
        *others, rows = self.nest.inner
        extent = self.dims(rows.extent)
        together = 1 if steps else TOGETHER
        ahead = self._ahead(values) if level else self._lines_ahead(values)
        many = self._step(rows.name, together, steps, roots, values, lines, ahead)
        whole = extent / together
        quarter = e.var(f"{rows.name}.q")
        first = Let(rows.name, quarter * together)
        loops: list[Stmt] = [For(quarter.attr, self.dims(0), whole, (first, many))]
        if together > 1 and not (isinstance(rows.extent, int) and rows.extent % together == 0):
            one = self._step(rows.name, 1, steps, roots, values, lines, ahead)
            loops.append(For(rows.name, whole * together, extent, (one,)))
        for loop in reversed(others):
            loops = [For(loop.name, self.dims(0), self.dims(loop.extent), tuple(loops))]
        return loops

    def _step(
        self,
        row: str,
        together: int,
        steps: list[Stmt],
        roots: Sequence[Root],
        values: Sequence[Expr],
        lines: Sequence[tuple[str, Expr]],
        ahead: Sequence[tuple[str, Expr]],
    ) -> Stmt:
        """Takes in some neighbouring lines."""
        moved = [Renaming({row: e.var(row) + k}) for k in range(together)]
        body = list(steps)
        for root, value, (name, at) in zip(roots, values, lines, strict=True):
            op: Any = root.tensor.node.op
            terms = [e.load(name, at, value.dtype), *(move(value) for move in moved)]
            body.append(Store(name, at, _pairwise(op.combine, terms)))
        for buffer, place in ahead:
            body.extend(Prefetch(buffer, move(place)) for move in moved)
        return self._along(body)

    def _along(self, body: list[Stmt]) -> For:
        """A loop over the tile of the last axis."""
        last = self.nest.outer[-1]
        begin = TILE_NUMBER * self.tile
        end = minimum(begin + self.tile, last.extent)
        lanes = self.schedule.lanes(self._bits())
        return For(last.name, self.dims(begin), self.dims(end), tuple(body), "vector", lanes, 1)

    def _across(self, row: list[Stmt]) -> list[Stmt]:
        extent = self.nest.outer[-1].extent
        tiles = self.dims(floordiv(extent + (self.tile - 1), self.tile))
        return [For("tile", self.dims(0), tiles, tuple(row))]

    # --- what comes next --------------------------------------------------------------------------

    def _read_in_lines(self, values: Iterable[Expr]) -> list[tuple[str, Expr]]:
        """Large operands and the places where each line of them is read."""
        large = {self.names[x] for x in self.body.inputs if is_large(x)}
        last, rows = self.nest.outer[-1], self.nest.inner[-1]
        found = {
            (x.attr, x.args[0]): None
            for value in values
            for x in _loads(value)
            if x.attr in large and {last.name, rows.name} <= _variables(x.args[0])
        }
        return list(found)

    def _lines_ahead(self, values: Iterable[Expr]) -> list[tuple[str, Expr]]:
        """The places, some lines on, that the only reduction of a tile asks for."""
        if self.again:
            return []
        row = self.nest.inner[-1].name
        later = Renaming({row: e.var(row) + LINES_AHEAD})
        return [(buffer, later(place)) for buffer, place in self._read_in_lines(values)]

    def _ahead(self, values: Iterable[Expr]) -> list[tuple[str, Expr]]:
        """The places of the next tile, of this block or the next one, that a later reduction of
        this tile asks for.
        """
        last, rows = self.nest.outer[-1], self.nest.inner[-1]
        found = self._read_in_lines(values)
        if not found:
            return []
        tiles = floordiv(last.extent + (self.tile - 1), self.tile)
        size = rows.extent * last.extent
        more = self.dims(TILE_NUMBER + 1) < self.dims(tiles)
        step = e.select(more, self.dims(self.tile), self.dims(size - (tiles - 1) * self.tile))
        return [(buffer, place + step) for buffer, place in found]


def _pairwise(combine: str, terms: Sequence[Expr]) -> Expr:
    """The first term combined with all others, those in pairs."""
    first, *others = terms
    while len(others) > 1:
        pairs = zip(others[::2], others[1::2], strict=False)
        others = [combined(combine, a, b) for a, b in pairs] + others[len(others) // 2 * 2 :]
    return combined(combine, first, others[0])


def _loads(value: Expr) -> list[Expr]:
    return [x for x in _parts(value) if x.op == "load"]


def _variables(value: Expr) -> set[str]:
    return {x.attr for x in _parts(value) if x.op == "var"}


def _parts(value: Expr) -> list[Expr]:
    """Every expression that a value is made of."""
    found: dict[Expr, None] = {}
    stack = [value]
    while stack:
        x = stack.pop()
        if x not in found:
            found[x] = None
            stack.extend(x.args)
    return list(found)
