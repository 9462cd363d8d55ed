"""Rows of a few elements, how many is not known: as many rows as a vector has lanes are turned, so
that vectors hold an element of each, and what they store is turned back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr, parts_of
from graphc.backends.loops.joints import added_to, has_any
from graphc.backends.loops.masked import first_lanes
from graphc.backends.loops.stmt import Alloc, Check, Declare, For, Let, Stmt, Store, walk
from graphc.backends.loops.tidy import Renaming, rewritten
from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.nests.loops import Loop, longest_turned
from graphc.backends.lower.nests.nest import Lowering
from graphc.backends.lower.nests.turned_strip import COLUMN, FIRST, LAST, Strip
from graphc.ir.dtypes import DType, int64
from graphc.ir.node import Node
from graphc.passes.fusion.body import Body

ZERO, LANE, STRIP = e.const(0, int64), e.var("rows.lane"), e.var("rows.strip")
#: Lanes of vectors of which each is turned as two halves, so that fewer elements than fill it are.
HALVED = 8


class TurnedRows(Lowering):
    """Writes the kernel of such rows. `apart`: some of what lies along them could not be turned, so
    its elements are taken one by one.
    """

    apart = False

    def __init__(self, body: Body, schedule: Schedule, fail: Callable[[Node, str], int]):
        super().__init__(body, schedule, fail)
        self.column = self.nest.inner[0].name
        self.place = e.var(self.column) * self.width + LANE

    @property
    def width(self) -> int:
        """Lanes of a vector."""
        return self.schedule.lanes(self._bits())

    @property
    def columns(self) -> int:
        """Elements of each row that are turned at a time."""
        return self.width // 2 if self.width >= HALVED else self.width

    @property
    def longest(self) -> int:
        """The most elements of a row."""
        most = longest_turned(self.body, self.nest.inner[0].extent, self.width)
        return most // self.columns * self.columns

    @property
    def keeps_rows(self) -> bool:
        return True

    def _is_written_out(self) -> bool:
        return False

    def _least_row(self) -> int:
        return self.columns

    def kept_at(self, dtype: DType) -> tuple[str, Expr]:
        return self._new_memory(dtype), self.place

    def _new_memory(self, dtype: DType) -> str:
        """Memory for turned rows, in which elements of one column lie side by side."""
        self.memory.append(Alloc(f"turned{len(self.memory)}", dtype, self.longest * self.width))
        return self.memory[-1].buffer

    def _for(self, loop: Loop, begin: Expr, end: Expr, body: list[Stmt], vector: bool) -> For:
        """A loop; the one over rows goes by strips of them."""
        if not vector:
            return super()._for(loop, begin, end, body, vector)
        strips, n = self._strips(loop.name, tuple(body)), self.width
        inside = self._in_memory(strips, body)
        self.apart = any(
            {loop.name, self.column} <= _variables(at) for _, at, _ in _reached(inside)
        )
        alike = not any(loop.name in _variables(x) for x in _expressions(inside))
        alike = alike and not any(isinstance(s, Check) for s in walk(inside))
        rows = Renaming({loop.name: FIRST + LANE})
        count = e.const(n, int64) if alike else LAST - FIRST
        stored = {s.buffer for s in walk(tuple(body)) if isinstance(s, Store)}
        read = [s for s in strips if s.buffer not in stored]
        written = [s for s in strips if s.buffer in stored]
        strip = (
            Let(FIRST.attr, begin + STRIP * n),
            Let(LAST.attr, e.minimum(FIRST + n, end)),
            *self._by_columns(read, Strip.turned),
            For(LANE.attr, ZERO, count, _renamed(inside, rows), "vector", n, even=alike),
            *self._by_columns(written, lambda s, mask: s.turned_back(mask, alike)),
        )
        return For(STRIP.attr, ZERO, (end - begin + (n - 1)) / n, strip)

    def _strips(self, row: str, body: tuple[Stmt, ...]) -> list[Strip]:
        """What is read and stored along rows, element by element."""
        made = {s.name for s in walk(body) if isinstance(s, (Let, Declare))}
        stored = {s.buffer for s in walk(body) if isinstance(s, Store)}
        reached = dict.fromkeys(_reached(body))
        out: list[Strip] = []
        for buffer, at, dtype in reached:
            begin = added_to(at, self.column)
            if begin is None or not has_any(begin, {row}) or has_any(begin, {self.column, *made}):
                continue
            alone = buffer not in stored or sum(b == buffer for b, *_ in reached) == 1
            if alone and 32 <= dtype.bits <= self.schedule.vector_bits // self.width:
                memory = self._new_memory(dtype)
                out.append(Strip(buffer, at, begin, dtype, memory, row, self.width, self.columns))
        return out

    def _in_memory(self, strips: Iterable[Strip], body: Sequence[Stmt]) -> tuple[Stmt, ...]:
        """Statements that read and store turned rows instead."""
        loads = {
            e.load(s.buffer, s.at, s.dtype): e.load(s.memory, self.place, s.dtype) for s in strips
        }
        places, new = {(s.buffer, s.at): s.memory for s in strips}, Renaming({}, loads)

        def inside(body: Iterable[Stmt]) -> tuple[Stmt, ...]:
            return tuple(map(statement, body))

        def statement(s: Stmt) -> Stmt:
            memory = places.get((s.buffer, s.index)) if isinstance(s, Store) else None
            if isinstance(s, Store) and memory is not None:
                return Store(memory, self.place, new(s.value))
            return rewritten(s, new, inside)

        return inside(body)

    def _by_columns(
        self, strips: Sequence[Strip], turned: Callable[[Strip, Expr], Sequence[Stmt]]
    ) -> list[Stmt]:
        """Turns strips, some columns at a time."""
        length, n = self.dims(self.nest.inner[0].extent), self.columns
        mask = first_lanes(length - COLUMN, n)
        body: list[Stmt] = [Let(COLUMN.attr, e.var("rows.turn") * n)]
        body += [s for strip in strips for s in turned(strip, mask)]
        return [For("rows.turn", ZERO, (length + (n - 1)) / n, tuple(body))] if strips else []


def _renamed(body: Iterable[Stmt], new: Callable[[Expr], Expr]) -> tuple[Stmt, ...]:
    return tuple(rewritten(s, new, lambda inner: _renamed(inner, new)) for s in body)


def _expressions(body: Iterable[Stmt]) -> list[Expr]:
    """Every expression of some statements."""
    found: list[Expr] = []

    def noted(x: Expr) -> Expr:
        found.append(x)
        return x

    _renamed(body, noted)
    return found


def _reached(body: tuple[Stmt, ...]) -> Iterator[tuple[str, Expr, DType]]:
    """The buffer, place and dtype of what statements read and store."""
    for x in parts_of(*_expressions(body)):
        if x.op == "load":
            yield x.attr, x.args[0], x.dtype
    for s in walk(body):
        if isinstance(s, Store):
            yield s.buffer, s.index, s.value.dtype


def _variables(x: Expr) -> set[str]:
    return {y.attr for y in parts_of(x) if y.op == "var"}
