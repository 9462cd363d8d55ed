"""Products whose operands are read where they lie: a tile of sums in registers, nothing packed.

Values of a tile, by name: `d.t` its number, `d.s0`, `d.s1`, ... its first element of each axis,
`d.k0`, ... the summed axes; `p.x` the first element along the axis of the vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product as combinations

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Alloc, Assign, Declare, For, Let, Stmt, Store
from graphc.backends.lower.counts import divide_up
from graphc.backends.lower.products.axes import Axis
from graphc.backends.lower.products.blocks import GRAIN
from graphc.backends.lower.products.chains import tile_chain_of
from graphc.backends.lower.products.direct_plan import DirectPlan, Source, Tiled
from graphc.backends.lower.products.frame import SUMS, ZERO, Frame
from graphc.ir.dim_values import product, substitute
from graphc.ir.dims import Atom, Dim, DimExpr, floordiv, index, maximum, minimum
from graphc.ir.dtypes import DType, bool_

Places = tuple[int, ...]
Where = dict[Atom, Dim]

X = index("p.x")
CHAIN = e.var("d.c")


class DirectProduct:
    """Writes the kernel of a plan; `maps(dot)` gives what is done with a finished element."""

    def __init__(
        self, frame: Frame, plan: DirectPlan, result: DType, maps: Callable[[Expr], list[Stmt]]
    ):
        self.frame, self.plan, self.result, self.maps = frame, plan, result, maps
        self.dims, self.lanes = frame.dims, frame.sizes.lanes
        single = [Tiled(a, 1) for a in frame.product.batch]
        self.tiled = (*single, *plan.rows, *plan.lines)
        self.counts: list[Dim] = [divide_up(t.axis.extent, t.size) for t in self.tiled]
        self.row_places = list(combinations(*(range(t.size) for t in plan.rows)))
        self.line_places = list(combinations(*(range(t.size) for t in plan.lines)))

    @property
    def chunks(self) -> Dim:
        """Chunks of tiles; only sizes count, never threads."""
        return divide_up(product(self.counts), self._per_chunk())

    def _per_chunk(self) -> Dim:
        columns = self._columns()
        summed = product(axis.extent for axis in self.frame.product.inner)
        work = len(self.row_places) * len(self.line_places) * columns * summed
        return maximum(1, floordiv(GRAIN, maximum(1, work)))

    def _columns(self) -> Dim:
        """Columns along the vectors."""
        return self.plan.along.extent

    def statements(self) -> tuple[Stmt, ...]:
        """The whole kernel's body."""
        per = self._per_chunk()
        total = product(self.counts)
        chunk = index("chunk")
        self.dims.bind(chunk, e.var("chunk"))
        first, last = self.dims(chunk * per), self.dims(minimum(chunk * per + per, total))
        loop = For("d.t", first, last, (*self._place(), *self._line()))
        return (Alloc(SUMS, self.frame.sum_type, self._sums()), loop)

    def _sums(self) -> int:
        return len(self.row_places) * len(self.line_places) * self._width()

    def _width(self) -> int:
        return self.plan.vectors * self.lanes

    def _row_width(self) -> int:
        """Sums that are stored of a row."""
        return self._width()

    # --- where a tile lies ------------------------------------------------------------------------

    def _place(self) -> list[Stmt]:
        """The first element of each axis; the last tile of an axis reaches back over others."""
        out: list[Stmt] = []
        position: Expr = e.var("d.t")
        for k in reversed(range(len(self.tiled))):
            t, count = self.tiled[k], self.dims(self.counts[k])
            number = position if k == 0 else e.rem(position, count)
            position = position / count
            out += self._begin(k, t, number)
            self.dims.bind(index(f"d.s{k}"), e.var(f"d.s{k}"))
            self.dims.bind(t.axis.variable, e.var(f"d.s{k}"))
        return out

    def _begin(self, k: int, t: Tiled, number: Expr) -> list[Stmt]:
        """The first element of an axis in its tile of this number."""
        wanted = number * t.size
        if t.exact:
            return [Let(f"d.s{k}", wanted)]
        last = self.dims(t.axis.extent) - t.size
        return [Let(f"d.w{k}", wanted), Let(f"d.s{k}", e.minimum(e.var(f"d.w{k}"), last))]

    def _within(self, k: int, t: Tiled) -> tuple[Expr, Expr]:
        """The elements of an axis that this tile finishes, counted from its first one."""
        begin = ZERO if t.exact else e.var(f"d.w{k}") - e.var(f"d.s{k}")
        return begin, e.const(t.size, ZERO.dtype)

    def _start(self, k: int) -> DimExpr:
        return index(f"d.s{k}")

    def _where(self, row: Places, line: Places) -> Where:
        """The tile's own variables in place of the axes', for one of its rows and lines."""
        n = len(self.frame.product.batch)
        places = (*(0 for _ in range(n)), *row, *line)
        found: Where = {t.axis.atom: self._start(k) + places[k] for k, t in enumerate(self.tiled)}
        found[self.plan.along.atom] = X
        return found

    def _offset(self, source: Source, row: Places, line: Places) -> Expr:
        """An element's offset as what the tile fixes, what summands change, and a literal."""
        d = substitute(source.offset, self._where(row, line).get)
        literal, fixed, moving = _parted(d, {axis.atom for axis in self.frame.product.inner})
        return (self.dims(fixed) + self.dims(moving)) + literal

    # --- sums -------------------------------------------------------------------------------------

    def _line(self) -> list[Stmt]:
        extent, width = self.plan.along.extent, self._width()
        self.dims.bind(X, e.var("p.x"))
        count = divide_up(extent, width)
        body = [Let("p.x", e.var("d.v") * width), *self._tile()]
        return [For("d.v", ZERO, self.dims(count), tuple(body))]

    def _tile(self) -> list[Stmt]:
        """The sums of a tile, and what is done with them."""
        vectors = range(self.plan.vectors)
        masks = [Let(f"d.mask{v}", m) for v in vectors if (m := self._mask(v)) is not None]
        return [*masks, *self._sums_of_tile(), *self._finish_tile()]

    def _finish_tile(self) -> list[Stmt]:
        return self._finish()

    def _sums_of_tile(self) -> list[Stmt]:
        """The sums, stored row after row."""
        names = [
            sum_name(i, j, v)
            for i in range(len(self.row_places))
            for j in range(len(self.line_places))
            for v in range(self.plan.vectors)
        ]
        zero = e.broadcast(e.const(0, self.frame.sum_type), self.lanes)
        declared = [Declare(name, zero) for name in names]
        chain, step = self._chain(), self._step()
        summed = self._summed(step) if chain is None else [self._link(chain, step)]
        stores = []
        for k, name in enumerate(names):
            at, total = e.ramp(self._vector_at(k), self.lanes), self._sum(name)
            if chain is not None:
                before = e.load(SUMS, at, self.frame.sum_type)
                total = total + e.select(CHAIN > 0, before, 0)
            stores.append(Store(SUMS, at, total))
        body = [*declared, *summed, *stores]
        if chain is None:
            return body
        count = self.dims(divide_up(self.frame.product.inner[0].extent, chain))
        return [For("d.c", ZERO, e.maximum(count, 1), tuple(body))]

    def _chain(self) -> int | None:
        """Summands of a chain of a sum along one axis; None: all of them are one."""
        inner = self.frame.product.inner
        floats = self.frame.sum_type.is_float
        return tile_chain_of(inner[0].extent) if floats and len(inner) == 1 else None

    def _link(self, chain: int, step: Sequence[Stmt]) -> For:
        """The summands of one chain."""
        last = e.minimum(CHAIN * chain + chain, self.dims(self.frame.product.inner[0].extent))
        return For("d.k0", CHAIN * chain, last, tuple(step))

    def _vector_at(self, k: int) -> Expr:
        """Where vector k of the tile's sums is stored."""
        return e.const(k * self.lanes, ZERO.dtype)

    def _sum(self, name: str) -> Expr:
        return e.var(name, self.frame.sum_type, self.lanes)

    def _mask(self, v: int) -> Expr | None:
        """Which lanes of a vector are columns; None if all are."""
        extent = self.plan.along.extent
        assert isinstance(extent, int)
        alone = extent <= self._width()
        if extent % self._width() == 0 or (alone and (v + 1) * self.lanes <= extent):
            return None
        return e.ramp(e.var("p.x") + v * self.lanes, self.lanes) < self.dims(extent)

    def _summed(self, body: Sequence[Stmt], axes: Sequence[Axis] | None = None) -> list[Stmt]:
        """The loops over the summed axes around a step."""
        inner = self.frame.product.inner if axes is None else axes
        out = list(body)
        for k, axis in reversed(list(enumerate(inner))):
            out = [For(f"d.k{k}", ZERO, self.dims(axis.extent), tuple(out))]
        return out

    def _step(self) -> list[Stmt]:
        """One summand: vectors of the right operand times every row's element."""
        dtype, inner = self.frame.sum_type, self.frame.product.inner
        for k, axis in enumerate(inner):
            self.dims.bind(axis.variable, e.var(f"d.k{k}"))
        out: list[Stmt] = []
        right: list[tuple[int, int]] = []
        row = self.row_places[0]
        for j, line in enumerate(self.line_places):
            start = self._offset(self.plan.right, row, line)
            for v in range(self.plan.vectors):
                mask = None
                if self._mask(v) is not None:
                    mask = e.var(f"d.mask{v}", bool_, self.lanes)
                at = e.ramp(start + v * self.lanes, self.lanes)
                out.append(Let(f"d.b{j}.{v}", e.load(self.plan.right.buffer, at, dtype, mask)))
                right.append((j, v))
        for i, row in enumerate(self.row_places):
            at = self._offset(self.plan.left, row, self.line_places[0])
            a = e.broadcast(e.load(self.plan.left.buffer, at, dtype), self.lanes)
            for j, v in right:
                name = sum_name(i, j, v)
                b = self._sum(f"d.b{j}.{v}")
                out.append(Assign(name, self.frame.multiply_add(a, b, self._sum(name))))
        return out

    # --- results ----------------------------------------------------------------------------------

    def _finish(self) -> list[Stmt]:
        """The maps over every element of the tile that no other tile has finished."""
        n, position = len(self.frame.product.batch), ZERO
        loops: list[tuple[int, Tiled]] = []
        for k, t in list(enumerate(self.tiled))[n:]:
            number = ZERO
            if t.size > 1:
                loops.append((k, t))
                number = e.var(f"d.m{k}")
                self.dims.bind(t.axis.variable, e.var(f"d.s{k}") + number)
            position = position * t.size + number
        body = self._elements(position * self._row_width())
        for k, t in reversed(loops):
            body = [For(f"d.m{k}", *self._within(k, t), tuple(body))]
        for k, t in loops:
            self.dims.bind(t.axis.variable, e.var(f"d.s{k}"))
        self.frame.reader.forget()
        return body

    def _elements(self, sums: Expr) -> list[Stmt]:
        self.frame.reader.forget()
        x = self._first()
        self.dims.bind(self.plan.along.variable, e.var("p.n"))
        body = self._mapped(sums + (e.var("p.n") - x))
        return [For("p.n", x, self._end(x), tuple(body), "vector", self.lanes, 1)]

    def _mapped(self, at: Expr) -> list[Stmt]:
        """What is done with a sum."""
        total = e.load(SUMS, at, self.frame.sum_type)
        dot = e.var("p.dot", self.result)
        return [Let("p.dot", e.cast(total, self.result)), *self.maps(dot)]

    def _first(self) -> Expr:
        return e.var("p.x")

    def _end(self, x: Expr) -> Expr:
        """The end of the columns that are finished from x on."""
        return e.minimum(x + self._width(), self.dims(self.plan.along.extent))


def sum_name(i: int, j: int, v: int) -> str:
    """What vector v of the sums of row i and line j is called."""
    return f"d.sum{i}.{j}.{v}"


def _parted(d: Dim, moving: set[Atom]) -> tuple[int, Dim, Dim]:
    """d as a literal, terms without these variables, and terms with them."""
    if isinstance(d, int):
        return d, 0, 0
    literal, fixed, changed = 0, {}, {}
    for monomial, count in d.terms:
        if not monomial:
            literal = count
        elif any(a in moving for a in monomial):
            changed[monomial] = count
        else:
            fixed[monomial] = count
    return literal, DimExpr(fixed) if fixed else 0, DimExpr(changed) if changed else 0
