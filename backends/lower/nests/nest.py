"""Lowers a nest body: chunks of rows, loops over each row level by level, accumulators, partial
results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import (
    Accumulate,
    Declare,
    For,
    Let,
    LoopKernel,
    Prefetch,
    Stmt,
    Store,
)  # fmt: skip
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.nests.combine import accumulator_dtype, identity, total_dtype
from graphc.backends.lower.nests.frame import NestFrame
from graphc.backends.lower.nests.loops import Loop, extent_of, is_short, linear, work_of_all
from graphc.backends.lower.nests.next_row import NextRow, begun_early
from graphc.backends.lower.nests.phases import leaves_some, turn_index
from graphc.backends.lower.nests.streams import (
    BUSY,
    end_ahead,
    fence,
    rows_ahead,
    when_streamed,
)
from graphc.backends.lower.nests.turned import lower_turned
from graphc.backends.lower.reader import offset_of
from graphc.ir.dims import Dim, floordiv, maximum
from graphc.ir.dtypes import DType, float32, float64, int64
from graphc.ir.node import Node, Tensor
from graphc.machine import TYPICAL
from graphc.passes.fusion.access import full_index
from graphc.passes.fusion.fuse import Body, Root

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


class Lowering(NestFrame):
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
        self.stores: list[Store] = []
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

    def _map(self, root: Root, into: list[Stmt], loop: tuple[Dim, ...], turn: int = 0) -> None:
        x = root.tensor
        self.reader.statements = into
        position = full_index(x.shape, loop)
        value = self._precise(self.reader.compute(x, position))
        name = f"m{self.body.roots.index(root)}" + (f".{turn}" if turn else "")
        into.append(Let(name, value))
        self.reader.values[x] = e.var(name, x.dtype)
        if x in self.names:
            store = Store(
                self.names[x],
                self.dims(offset_of(x.shape, position)),
                self.reader.values[x],
                stream=self._stream(root),
            )
            if root.role == "rowmap":
                into.append(store)
            else:
                self.stores.append(store)

    def _stream(self, root: Root) -> Expr | None:
        """When a value's stores bypass the cache; None for never."""
        if self._read_after(root.level, root.tensor):
            return None
        if self.turns > 1:
            return None
        large = when_streamed(root, self.body, self.nest, self.schedule, self.dims)
        if large is not None:
            self.streams[large] = None
        return large

    def _end_ahead(self, root: Root) -> list[Stmt]:
        """Asks for where a later row ends in what is stored past the cache."""
        x = root.tensor
        position = end_ahead(x, self.body, self.nest)
        if root.role != "map" or position is None or x not in self.names:
            return []
        if self._stream(root) is None:
            return []
        return [Prefetch(self.names[x], self.dims(position), written=True)]

    def _reduce(
        self,
        root: Root,
        before: list[Stmt],
        inside: list[Stmt],
        after: list[Stmt],
        turn: int = 0,
    ) -> None:
        x = root.tensor
        (source,) = x.node.inputs
        value = self.reader.at(source, full_index(source.shape, self.index))
        op: Any = x.node.op
        value = e.cast(value, accumulator_dtype(source.dtype, op.combine))
        if root.role == "column":
            from graphc.backends.lower.nests.beside import take_in_column

            take_in_column(self, root, self._precise(value), inside)
            return
        name = f"s{self.body.roots.index(root)}"
        position = self.position(x) if op.combine.startswith("arg") else None
        dtype = total_dtype(op.combine, value.dtype, root.role, self.nest, self.schedule)
        declared = [Declare(name, identity(op, dtype))]
        if position is not None:
            declared.append(Declare(name + ".at", e.const(0, int64)))
        inside.append(Accumulate(name, op.combine, self._precise(value), position))
        if turn:
            return
        result = e.var(name, dtype) if position is None else e.var(name + ".at", int64)
        if root.role == "row":
            before.extend(declared)
            self.row_result(root, result, after)
        else:
            self.start.extend(declared)
            self._total_result(x, op, name, dtype, result)

    def _precise(self, value: Expr) -> Expr:
        """The value, with what is known in float64 of rows rounded once."""
        return value if self.wide is None else self.wide.precise(value)

    def row_result(self, root: Root, value: Expr, after: list[Stmt]) -> None:
        x, name = root.tensor, f"v{self.body.roots.index(root)}"
        if value.dtype is float64 and x.dtype is float32:
            if self.wide is None:
                from graphc.backends.lower.nests.wide import WideRows

                self.wide = WideRows()
            after.extend(self.wide.named(name, value))
        else:
            after.append(Let(name, e.cast(value, x.dtype)))
        self.reader.values[x] = e.var(name, x.dtype)
        if x in self.names:
            offset = offset_of(x.shape, full_index(x.shape, self.rows))
            after.append(Store(self.names[x], self.dims(offset), self.reader.values[x]))

    # --- values that a later loop over the row reads again ----------------------------------------

    def _recall_later(self, level: int, roots: list[Root], inside: list[Stmt]) -> None:
        """After this level a value is read back from where it was stored, or recomputed."""
        for root in roots:
            x = root.tensor
            if root.role == "map":
                current = self.reader.values.pop(x)
                if x in self.names:
                    offset = self.dims(offset_of(x.shape, full_index(x.shape, self.index)))
                    self.reader.values[x] = e.load(self.names[x], offset, x.dtype)
                elif self._read_after(level, x) and self.keeps_rows:
                    self._keep_if_costly(x, current, inside)

    def _read_after(self, level: int, x: Tensor) -> bool:
        later = (root for root in self.body.roots if root.level > level)
        return any(access.tensor is x for root in later for access in root.accesses)

    def _keep_if_costly(self, x: Tensor, current: Expr, inside: list[Stmt]) -> None:
        """Keeps a row of an internal value in scratch memory of the chunk, unless it is as cheap to
        compute again.
        """
        if is_costly(self.reader.compute(x, full_index(x.shape, self.index))):
            name, offset = self.kept_at(x.dtype)
            inside.append(Store(name, offset, current))
            self.reader.values[x] = e.load(name, offset, x.dtype)

    @property
    def keeps_rows(self) -> bool:
        """Whether there is memory for what a row is read again of."""
        return not self.nest.across

    def kept_at(self, dtype: DType) -> tuple[str, Expr]:
        """New scratch memory of the chunk for a row, and the place in it of the element at hand."""
        name, first = self.scratch(dtype, extent_of(self.nest.inner))
        return name, self.dims(first + linear(self.nest.inner))


def is_costly(value: Expr) -> bool:
    """Whether computing a value again costs more than a store and a load of it."""
    stack, seen, work = [value], set[Expr](), 0
    while stack:
        x = stack.pop()
        if x in seen or x.op == "load":
            continue
        seen.add(x)
        if x.op in ("math", "div", "sqrt"):
            return True
        work += x.dtype.is_float and any(y.args for y in x.args)  # not of what a row has once
        stack.extend(x.args)
    return work >= TYPICAL.again
