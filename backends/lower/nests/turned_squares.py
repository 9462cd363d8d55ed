"""Squares of vectors that maps read along another axis than they store: how they are written."""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, If, Let, Stmt, Store
from graphc.backends.loops.widen import widened
from graphc.backends.lower.counts import divide_up
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.nests.loops import Loop, extent_of
from graphc.backends.lower.nests.turned import Turned
from graphc.backends.lower.products.epilogue import Epilogue
from graphc.backends.lower.reader import offset_of
from graphc.ir.dims import Dim, floordiv, index, maximum, minimum
from graphc.ir.dtypes import int64
from graphc.ir.node import Node
from graphc.passes.fusion.access import full_index
from graphc.passes.fusion.body import Body

ZERO, A = e.const(0, int64), e.var("u.a")
#: Bytes of an element from which on a strip has several squares side by side, so that what it
#: reads and what it stores lie in few pages each; and how many.
WIDE, SIDE_BY_SIDE = 8, 8
#: So many squares of a line are written one after the other.
FEW = 3


class Squares(Epilogue):
    """Writes the kernel: chunks of strips, each all squares side by side along `down`."""

    def __init__(
        self, body: Body, turned: Turned, schedule: Schedule, fail: Callable[[Node, str], int]
    ):
        super().__init__(body, fail)
        self.turned, self.grain = turned, schedule.grain
        self.x = body.roots[0].tensor
        self.lanes = schedule.lanes(self.x.dtype.bits)
        self.beside = SIDE_BY_SIDE if self.x.dtype.bytes >= WIDE else 1
        self.checked = False

    @property
    def loop_index(self) -> tuple[Dim, ...]:
        return self.turned.loop_index

    def calls(self) -> list[Call] | None:
        """The kernel's call; None if elements are checked."""
        along, down = self.turned.along, self.turned.down
        wide = self.lanes * self.beside
        strips = divide_up(along.extent, wide)
        total = extent_of(self.turned.outer) * strips
        per = maximum(1, floordiv(self.grain, maximum(1, down.extent * wide)))
        chunk = index("chunk")
        self.dims.bind(chunk, e.var("chunk"))
        first, last = self.dims(chunk * per), self.dims(minimum(chunk * per + per, total))
        count = e.maximum(self.dims(strips), 1)
        decode: list[Stmt] = [Let("u.first", e.rem(e.var("u.strip"), count) * wide)]
        position = e.var("u.strip") / count
        for k, loop in reversed(list(enumerate(self.turned.outer))):
            extent = self.dims(loop.extent)
            decode.append(Let(loop.name, position if k == 0 else e.rem(position, extent)))
            self.dims.bind(loop.variable, e.var(loop.name))
            position = position / extent
        squares = self._line()
        if self.checked:
            return None
        strip = For("u.strip", first, last, (*decode, *squares))
        name = f"turned_{self.x.node.op.name}"
        return [self.call(name, (strip,), divide_up(total, per))]

    def _line(self) -> list[Stmt]:
        """The squares of a strip; of few, those beyond the end are left out."""
        extent, n = self.turned.down.extent, self.lanes
        if isinstance(extent, int) and extent <= FEW * n:
            starts = range(0, extent, n)
            squares = [
                s for b in starts for s in self._square(e.const(b, int64), min(n, extent - b))
            ]
            return self._beside(squares)
        square = self._beside(self._square(e.var("u.b"), n))
        count = divide_up(extent, n)
        return [For("u.q", ZERO, self.dims(count), (Let("u.b", e.var("u.q") * n), *square))]

    def _beside(self, squares: list[Stmt]) -> list[Stmt]:
        """The squares that lie side by side along the axis that is read."""
        first, n = e.var("u.first"), self.lanes
        if self.beside == 1:
            return [Let("u.a", first), *squares]
        left = (self.dims(self.turned.along.extent) - first + (n - 1)) / n
        body = (Let("u.a", first + e.var("u.w") * n), *squares)
        return [For("u.w", ZERO, e.minimum(left, self.beside), body)]

    def _square(self, b: Expr, rows: int) -> list[Stmt]:
        """A square from (u.a, b) on, of which so many rows are read."""
        turned, n, dtype = self.turned, self.lanes, self.x.dtype
        inside = (
            None if _is_whole(turned.along, n) else e.ramp(A, n) < self.dims(turned.along.extent)
        )
        self.dims.bind(turned.along.variable, e.var(turned.along.name))
        nothing = e.broadcast(e.const(0, dtype), n)
        vectors = [
            self._row(e.minimum(b + k, self.dims(turned.down.extent) - 1), inside)
            if k < rows
            else nothing
            for k in range(n)
        ]
        columns = e.transpose(vectors)
        names = [Let(f"u.column{k}", v) for k, v in enumerate(columns)]
        stores = [self._column(k, b, e.var(x.name, dtype, n)) for k, x in enumerate(names)]
        return [*names, *stores]

    def _row(self, b: Expr, inside: Expr | None) -> Expr:
        """A vector of elements along the axis that is read side by side."""
        self.dims.bind(self.turned.down.variable, b)
        self.reader.forget()
        self.reader.statements = []
        value = self.reader.compute(self.x, full_index(self.x.shape, self.loop_index))
        self.checked = self.checked or bool(self.reader.statements)
        return widened(value, self.turned.along.name, A, self.lanes, inside)

    def _column(self, k: int, b: Expr, value: Expr) -> Stmt:
        """Stores what was computed at u.a + k."""
        turned, n = self.turned, self.lanes
        self.dims.bind(turned.along.variable, A + k)
        self.dims.bind(turned.down.variable, b)
        at = self.dims(offset_of(self.x.shape, full_index(self.x.shape, self.loop_index)))
        mask = None if _is_whole(turned.down, n) else e.ramp(b, n) < self.dims(turned.down.extent)
        store = Store(self.names[self.x], e.ramp(at, n), value, mask)
        if _is_whole(turned.along, n):
            return store
        return If(A + k < self.dims(turned.along.extent), (store,))


def _is_whole(loop: Loop, lanes: int) -> bool:
    """Whether the loop is known to fill vectors."""
    return isinstance(loop.extent, int) and loop.extent % lanes == 0
