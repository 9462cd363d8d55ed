"""Lowers a nest body: chunks of rows, loops over each row level by level, accumulators, partial
results.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, Let, LoopKernel, Prefetch, Stmt
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.nests.loops import Loop, is_short, work_of_all
from graphc.backends.lower.nests.next_row import NextRow, begun_early
from graphc.backends.lower.nests.phases import leaves_some, turn_index
from graphc.backends.lower.nests.streams import BUSY, fence, rows_ahead
from graphc.backends.lower.nests.turned import lower_turned
from graphc.backends.lower.nests.values import NestValues
from graphc.ir.dims import floordiv, maximum
from graphc.ir.node import Node
from graphc.passes.fusion.body import Body, Root

#: Vectors in flight of a map of many operations: of four, some registers would wait in memory.
BUSY_VECTORS = 3


def lower_nest(body: Body, schedule: Schedule, fail: Callable[[Node, str], int]) -> list[Call]:
    """The kernels of a body: one, and where partial results are left, one more for each to combine
    them.
    """
    if any(root.role == "column" for root in body.roots):
        from graphc.backends.lower.nests.joined import join_columns

        body = join_columns(body)
    return lower_turned(body, schedule, fail) or Lowering(body, schedule, fail).run()


class Lowering(NestValues):
    """Writes the loops of one body."""

    def run(self) -> list[Call]:
        for loop in self.nest.outer + self.nest.inner:
            self.dims.bind(loop.variable, e.var(loop.name))
        row = self._rows(sorted({root.level for root in self.body.roots}))
        rows = self._outer(row)
        body = [*self.memory, *self.start, *rows, *self.finish, *fence(self.streams)]
        chunks = self.dims(self.chunks)
        kernel = LoopKernel(
            "nest_" + "_".join(dict.fromkeys(r.tensor.node.op.name for r in self.body.roots[-3:])),
            tuple(self.params), tuple(sorted(self.dims.sizes)), chunks, tuple(body),
        )  # fmt: skip
        return [Call(kernel, tuple(self.arguments), self.chunks), *self.later]

    def _outer(self, row: list[Stmt]) -> list[Stmt]:
        """The chunk's loops around the statements of a row."""
        if self.flat or not self.split:
            return self._across(row) if self.nest.across else row
        begin, end = self.dims(self.begin), self.dims(self.end)
        alone = self.split == self.nest.outer
        if self.nest.across and not alone:
            row = self._across(row)
        if len(self.split) == 1:
            rows = self._for(self.split[0], begin, end, row, self.nest.across and alone)
            return [self._in_blocks(rows) if self.after_block else rows]
        *outer, last = self.split
        n = self.dims(maximum(last.extent, 1))
        passed = e.var("r") * n
        inner = self._for(
            last, e.maximum(begin - passed, 0), e.minimum(end - passed, n), row, False
        )
        decode: list[Stmt] = []
        position = e.var("r")
        for loop in reversed(outer[1:]):
            extent = self.dims(loop.extent)
            decode.append(Let(loop.name, e.rem(position, extent)))
            position = position / extent
        decode.append(Let(outer[0].name, position))
        return [For("r", begin / n, (end + (n - 1)) / n, (*decode, inner))]

    def _in_blocks(self, rows: For) -> For:
        from graphc.backends.lower.nests.beside import in_blocks

        return in_blocks(self, rows)

    def _across(self, row: list[Stmt]) -> list[Stmt]:
        loop = self.nest.outer[-1]
        return [self._for(loop, self.dims(0), self.dims(loop.extent), row, True)]

    def _for(self, loop: Loop, begin: Expr, end: Expr, body: list[Stmt], vector: bool) -> For:
        if not vector:
            return For(loop.name, begin, end, tuple(body))
        filled = all(p.writes for p in self.params) and not self._computes()
        unroll = 1 if self.nest.across or filled else self._vectors_at_once()
        return For(
            loop.name, begin, end, tuple(body), "vector", self.schedule.lanes(self._bits()), unroll
        )

    def _vectors_at_once(self) -> int:
        """Vectors in flight: fewer in maps of so many operations that registers are short."""
        maps = all(root.role == "map" for root in self.body.roots)
        busy = maps and work_of_all(self.body) >= BUSY
        return min(self.schedule.unroll, BUSY_VECTORS) if busy else self.schedule.unroll

    def _computes(self) -> bool:
        """Whether anything but repetition is done."""
        return any(root.tensor.node.op.name != "broadcast" for root in self.body.roots)

    def _bits(self) -> int:
        """Width of the elements that fill a vector: the narrowest float (of 32 bits or more) that
        the kernel touches.
        """
        widths = [max(p.dtype.bits, 32) for p in self.params if p.dtype.kind != "b"]
        floats = [max(p.dtype.bits, 32) for p in self.params if p.dtype.is_float]
        return min(floats or widths or [32])

    # --- rows -------------------------------------------------------------------------------------

    def _rows(self, levels: list[int]) -> list[Stmt]:
        """The loops over a row, the first of which may be done already."""
        early = begun_early(self.body, self.nest, self.schedule, self.split)
        if not early or self.turns > 1:
            return [s for level in levels for s in self._level(level)]
        ahead, self.rows_ahead = NextRow(self, early), 3
        self.start += ahead.first_row()
        row = ahead.results()
        ahead.next_row()
        row += self._with_next_row(levels[1], ahead)
        return [*row, *(s for level in levels[2:] for s in self._level(level))]

    def _level(self, level: int) -> list[Stmt]:
        """One loop over the inner axes: what it computes, between its accumulators' declarations
        and their use.
        """
        return self._with_next_row(level, None)

    def _with_next_row(self, level: int, ahead: NextRow | None) -> list[Stmt]:
        """One loop over the inner axes, and the first one over the next row, if any, in it."""
        roots = [root for root in self.body.roots if root.level == level]
        before: list[Stmt] = []
        self.reader.forget()
        for root in roots:
            if root.role == "rowmap":
                self._map(root, before, self.rows)
        inside: list[Stmt] = []
        after: list[Stmt] = []
        self.stores = []
        self.reader.statements = inside
        looped = [root for root in roots if root.role != "rowmap"]
        for turn in range(self.turns):
            self._turn(turn)
            for root in looped:
                if root.role == "map":
                    self._map(root, inside, self.index, turn)
                else:
                    self._reduce(root, before, inside, after, turn)
        if self.turns > 1:
            self.stores.sort(key=lambda s: s.buffer)
        inside.extend(self.stores)
        if leaves_some(self.nest, self.turns):
            self.tail = self._left_over(looped)
        rows = self.rows_ahead
        for x, position in rows_ahead(level, self.body, self.nest, self.schedule, rows):
            inside.append(Prefetch(self.names[x], self.dims(position)))
        before += [x for root in looped for x in self._end_ahead(root)]
        self._recall_later(level, looped, inside)
        if ahead is not None:
            before, inside = before + ahead.before, inside + ahead.inside
            after = after + ahead.after
        return [*before, *(self.inner_loops(inside) if looped else []), *after]

    def _turn(self, turn: int) -> None:
        """From now on indices are those of a turn of the innermost loop."""
        if self.turns > 1:
            self.index = turn_index(self.nest, self.turns, turn)
            self.reader.forget()

    def _left_over(self, looped: list[Root]) -> list[Stmt]:
        """What is left of the innermost loop after whole turns."""
        loop, body = self.nest.inner[-1], list[Stmt]()
        self.index, self.stores = self.nest.loop_index, []
        self.reader.forget()
        for root in looped:
            self._map(root, body, self.index, self.turns)
        begin = floordiv(loop.extent, self.turns) * self.turns
        body.extend(self.stores)
        return [For(loop.name, self.dims(begin), self.dims(loop.extent), tuple(body))]

    def inner_loops(self, body: list[Stmt]) -> list[Stmt]:
        for depth, loop in enumerate(reversed(self.nest.inner)):
            whole = depth or self.nest.turning
            extent = loop.extent if whole else floordiv(loop.extent, self.turns)
            begin, end = self.dims(0), self.dims(extent)
            if self.flat:
                begin, end = self.dims(self.begin), self.dims(self.end)
            if self._is_written_out():
                body = [For(loop.name, begin, end, tuple(body), "unroll")]
            else:
                body = [self._for(loop, begin, end, body, depth == 0 and not self.nest.across)]
                body += self.tail if depth == 0 else []
        return body

    def _is_written_out(self) -> bool:
        """Whether the iterations of the inner loops are written one after the other."""
        return self.nest.across and is_short(self.nest.inner)
