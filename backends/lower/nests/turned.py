"""Maps that read along another axis than they are stored: squares of vectors are transposed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, If, Let, Stmt, Store
from graphc.backends.loops.strided import WIDEST
from graphc.backends.loops.widen import widened
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.nests.loops import Loop, extent_of, plan_nest
from graphc.backends.lower.products.epilogue import Epilogue
from graphc.backends.lower.products.sizes import divide_up
from graphc.backends.lower.reader import offset_of
from graphc.ir.dim_values import coefficient
from graphc.ir.dims import Atom, Dim, floordiv, index, maximum, minimum
from graphc.ir.dtypes import int64
from graphc.ir.node import Node
from graphc.passes.fusion.access import Access, full_index
from graphc.passes.fusion.fuse import Body

ZERO, A = e.const(0, int64), e.var("u.a")
#: Bytes of an element from which on a strip has several squares side by side, so that what it
#: reads and what it stores lie in few pages each; and how many.
WIDE, SIDE_BY_SIDE = 8, 8
#: So many squares of a line are written one after the other.
FEW = 3


@dataclass(frozen=True)
class Turned:
    """The loops of such a map: `along` is the axis whose neighbours it reads, `down` the one whose
    neighbours it stores, `outer` are all others.
    """

    outer: tuple[Loop, ...]
    along: Loop
    down: Loop
    loop_index: tuple[Dim, ...]


def lower_turned(
    body: Body, schedule: Schedule, fail: Callable[[Node, str], int]
) -> list[Call] | None:
    """The kernel of a map that is best computed in squares; None for any other body."""
    turned = plan_turned(body, schedule)
    return None if turned is None else _Squares(body, turned, schedule, fail).calls()


def plan_turned(body: Body, schedule: Schedule) -> Turned | None:
    """The loops of a body that reads far apart along the axis along which it stores."""
    root = body.roots[0]
    lanes = schedule.lanes(root.tensor.dtype.bits)
    if len(body.roots) != 1 or root.role != "map" or lanes < 4 or root.tensor.dtype.bits < 32:
        return None
    if not schedule.turned:
        return None
    nest = plan_nest(body)
    if not nest.outer or nest.turning or not root.accesses:
        return None
    (down,) = nest.inner
    if any(a.tensor.dtype is not root.tensor.dtype for a in root.accesses):
        return None
    for along in nest.outer:
        if _are_squares(root.accesses, along, down) and _fills(along, lanes):
            others = tuple(loop for loop in nest.outer if loop is not along)
            return Turned(others, along, down, nest.loop_index)
    return None


def _fills(along: Loop, lanes: int) -> bool:
    return not isinstance(along.extent, int) or 2 * along.extent >= lanes


def _are_squares(accesses: Sequence[Access], along: Loop, down: Loop) -> bool:
    """Whether neighbours along one loop are read side by side, those along the other far apart."""
    steps = [(_step(a, along), _step(a, down)) for a in accesses]
    far = [d for _, d in steps if not isinstance(d, int) or abs(d) > WIDEST]
    return bool(far) and all(a in (0, 1) for a, _ in steps)


def _step(access: Access, loop: Loop) -> Dim | None:
    found = coefficient(offset_of(access.tensor.shape, access.index), Atom("index", loop.name))
    return None if found is None else found[0]


class _Squares(Epilogue):
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
