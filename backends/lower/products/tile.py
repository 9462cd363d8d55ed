"""The blocked product: packed operands, and a tile of sums in registers over a whole depth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Assign, Declare, For, If, Let, Stmt, Store
from graphc.backends.lower.products.ahead import Places, panel_ahead, results_ahead, rows_ahead
from graphc.backends.lower.products.chains import chain_of
from graphc.backends.lower.products.few import few_rows
from graphc.backends.lower.products.frame import LEFT, ONE, SUMS, ZERO, Frame, parts
from graphc.backends.lower.products.pack import (
    KN,
    K,
    by_rows,
    left_line,
    pack_left,
    pack_right,
    panel_at,
    row_stride,
)  # fmt: skip
from graphc.backends.lower.products.pack_words import STARTS, WordPacking
from graphc.backends.lower.products.sizes import divide_up
from graphc.backends.lower.products.tiles import by_tiles, group, laid_out_element, tile_stride
from graphc.ir.dims import maximum
from graphc.ir.record import dataclass

C = e.var("p.c")
H, W, R, ROWS, PANEL = (e.var(f"p.{name}") for name in ("h", "w", "r", "rows", "j"))


def one_depth(frame: Frame) -> bool:
    """Whether the whole sum is known to be taken at once, so that only a tile of sums is kept."""
    return isinstance(frame.lines, int) and frame.lines <= frame.sizes.depth


def sums_elements(frame: Frame) -> int:
    """Elements of the sums that the blocks need, rows beyond the last of a tile too."""
    sizes = frame.sizes
    return (sizes.tile_rows if one_depth(frame) else sizes.height) * sizes.width


def block(
    frame: Frame, finish: Callable[[Expr], list[Stmt]], places: Callable[[], Places]
) -> list[Stmt]:
    """A block, depth after depth and tile after tile; `finish(line)` writes the rows of a tile.

    The first of these rows has its sums in that line. Few rows are one tile of one depth. `places`
    says where the results at the bound variables are stored.
    """
    sizes, lines, words = frame.sizes, frame.lines, frame.words
    depths = maximum(1, divide_up(lines, sizes.depth))
    depth = frame.dims(divide_up(divide_up(lines, depths), sizes.unit) * sizes.unit)
    steps = frame.choose(ONE, frame.dims(depths))
    last = e.equal(e.var("p.d"), steps - 1)
    line = ZERO if one_depth(frame) or frame.few is True else R
    tile_rows = e.const(sizes.tile_rows, H.dtype)
    pack = None if words is None else WordPacking(frame, words)
    packed = [
        *(pack_left(frame) if pack is None else pack.left()),
        *_panels(frame, line, last, places),
    ]
    tile: list[Stmt] = [
        Let("p.r", e.var("p.t") * sizes.tile_rows),
        Let("p.rows", frame.choose(H, e.minimum(H - R, tile_rows))),
        *frame.either(few_rows(frame) if frame.few is not False else [], packed),
        If(last, tuple(finish(line))),
    ]
    tiles = frame.choose(ONE, parts(H, sizes.tile_rows))
    body: list[Stmt] = [
        Let("p.k0", e.var("p.d") * depth),
        Let("p.kn", e.minimum(depth, frame.dims(lines) - e.var("p.k0"))),
        *frame.either([], pack_right(frame) if pack is None else pack.right()),
        For("p.t", ZERO, tiles, tuple(tile)),
    ]
    return [*frame.either([], _clear(frame)), For("p.d", ZERO, steps, tuple(body))]


def _clear(frame: Frame) -> list[Stmt]:
    """Zeros to add to, where sums are taken in several steps."""
    if one_depth(frame):
        return []
    sizes = frame.sizes
    elements = parts(H, sizes.tile_rows) * (sizes.tile_rows * sizes.width)
    zero = Store(SUMS, e.var("p.z"), e.const(0, frame.sum_type))
    return [For("p.z", ZERO, elements, (zero,), "vector", sizes.lanes, 1, even=True)]


def _panels(frame: Frame, line: Expr, last: Expr, places: Callable[[], Places]) -> list[Stmt]:
    """Whole panels, and what is left of the columns: at once where known, or vector by vector."""
    sizes, columns = frame.sizes, frame.blocks.columns
    panel, whole = sizes.panel, W / sizes.panel
    ahead = If(last, tuple(results_ahead(frame, places)))
    tile = _Tile(frame, line, sizes.vectors, panel_at(frame, PANEL, 0), PANEL * panel, ahead)
    known = isinstance(columns, int)
    rest = columns % panel if isinstance(columns, int) else panel
    full = For("p.j", ZERO, whole if rest else parts(W, panel), tuple(tile.rows()))
    if not rest or sizes.vectors == 1:
        return [replace(full, end=parts(W, panel))]
    vectors = -(-rest // sizes.lanes) if known else 1
    if vectors == sizes.vectors:
        return [replace(full, end=parts(W, panel))]
    at = e.var("p.v") * sizes.lanes
    tile = _Tile(frame, line, vectors, panel_at(frame, whole, at), whole * panel + at)
    count = parts(W - whole * panel, vectors * sizes.lanes)
    return [full, For("p.v", ZERO, count, tuple(tile.rows()))]


@dataclass(frozen=True)
class _Tile:
    """Sums of a tile's rows in so many vectors: the packed right operand from `start` on, results
    from `column` of the block on, in sums from `line` on. `ahead` asks for these results' places.
    """

    frame: Frame
    line: Expr
    vectors: int
    start: Expr
    column: Expr
    ahead: If | None = None

    def rows(self) -> list[Stmt]:
        """All rows of the tile: at once, or the last rows a few at a time."""
        sizes, rows = self.frame.sizes, self.frame.blocks.rows
        full = self._sums(sizes.tile_rows, ZERO)
        if sizes.tail_rows == sizes.tile_rows or (
            isinstance(rows, int) and rows % sizes.tile_rows == 0
        ):
            return full
        few = self._sums(sizes.tail_rows, e.var("p.s") * sizes.tail_rows)
        tail = For("p.s", ZERO, parts(ROWS, sizes.tail_rows), tuple(few))
        return [If(e.equal(ROWS, sizes.tile_rows), tuple(full), (tail,))]

    def _sums(self, rows: int, first: Expr) -> list[Stmt]:
        """Sums of `rows` rows from `first` on, added to what other depths have summed."""
        frame, sizes = self.frame, self.frame.sizes
        places = [(i, v) for i in range(rows) for v in range(self.vectors)]
        begin = [self._start(v) for v in range(self.vectors)]
        declared: list[Stmt] = [Declare(_name(i, v), begin[v]) for i, v in places]
        ahead = self._ahead() if rows == sizes.tile_rows else []
        step = (*ahead, *self._step(rows, first))
        corner = (self.line + first) * sizes.width + self.column
        soon: list[Stmt] = []
        if self.ahead is not None and self.ahead.then and rows == sizes.tile_rows:
            soon = [self.ahead]
        chain = chain_of(frame.lines) if frame.sum_type.is_float else None
        stores: list[Stmt] = []
        for i, v in places:
            at = frame.vector(corner + (i * sizes.width + v * sizes.lanes))
            total = e.var(_name(i, v), frame.sum_type, sizes.lanes)
            before = e.load(SUMS, at, frame.sum_type)
            if chain is not None or not one_depth(frame):
                total = before + total
            stores.append(Store(SUMS, at, total))
        if chain is None:
            return [*soon, *declared, For("p.k", ZERO, KN, step), *stores]
        loop = For("p.k", C * chain, e.minimum(C * chain + chain, KN), step)
        cleared = [] if not one_depth(frame) else [self._cleared(corner, rows)]
        chains = parts(KN, chain)
        soon = [If(e.equal(C, chains - 1), tuple(soon))] if soon else []
        return [*cleared, For("p.c", ZERO, chains, (*soon, *declared, loop, *stores))]

    def _cleared(self, corner: Expr, rows: int) -> Stmt:
        """Zeros to which the sums of chains are added."""
        sizes, row = self.frame.sizes, e.var("p.i")
        zero = e.broadcast(e.const(0, self.frame.sum_type), sizes.lanes)
        at = [corner + row * sizes.width + v * sizes.lanes for v in range(self.vectors)]
        body = tuple(Store(SUMS, self.frame.vector(x), zero) for x in at)
        return For("p.i", ZERO, e.const(rows, row.dtype), body)

    def _ahead(self) -> list[Stmt]:
        """What is asked for in every step of a whole tile."""
        frame = self.frame
        if self.vectors < frame.sizes.vectors:
            return []
        rows = rows_ahead(frame, lambda row: _element(frame, row))
        return rows + panel_ahead(frame, self.start)

    def _start(self, v: int) -> Expr:
        """What the sums of a vector of columns begin with."""
        frame, lanes = self.frame, self.frame.sizes.lanes
        if frame.words is not None and frame.words.offset:
            return e.load(STARTS, frame.vector(self.column + v * lanes), frame.sum_type)
        return e.broadcast(e.const(0, frame.sum_type), lanes)

    def _step(self, rows: int, first: Expr) -> list[Stmt]:
        """One summand: a line of the panel times every row's element."""
        frame, sizes, dtype = self.frame, self.frame.sizes, self.frame.sum_type
        out: list[Stmt] = []
        line: list[Expr] = []
        for v in range(self.vectors):
            at = frame.vector(self.start + K * frame.line + v * sizes.lanes)
            out.append(Let(f"p.b{v}", e.load(frame.panels, at, frame.packed_type)))
            line.append(e.var(f"p.b{v}", frame.packed_type, sizes.lanes))
        for i in range(rows):
            a = e.broadcast(_left(frame, first, i, rows), sizes.lanes)
            for v in range(self.vectors):
                total = e.var(_name(i, v), dtype, sizes.lanes)
                out.append(Assign(_name(i, v), frame.add_packed(a, line[v], total)))
        return out


def _name(i: int, v: int) -> str:
    return f"p.sum{i}.{v}"


def _left(frame: Frame, first: Expr, i: int, rows: int) -> Expr:
    """The left operand's element of row first + i: for rows beyond the last, any."""
    sizes = frame.sizes
    if sizes.laid_out:
        return laid_out_element(frame, first + i)
    if sizes.in_place:
        row = first + i if rows == sizes.tile_rows else e.minimum(first + i, ROWS - 1)
        return _element(frame, R + row)
    if by_rows(frame):
        return e.load(LEFT, (first + i) * row_stride(sizes) + K, frame.packed_type)
    tile = e.rem(e.var("p.t"), group(frame)) if group(frame) > 1 else ZERO
    if by_tiles(frame):
        at = tile * tile_stride(sizes) + first + K * sizes.tile_rows
    else:
        at = tile * sizes.tile_rows + first + K * left_line(frame)
    return e.load(LEFT, at + i, frame.packed_type)


def _element(frame: Frame, row: Expr) -> Expr:
    """The left operand's element at a row of the block, where it lies."""
    decode = [
        *frame.bind(frame.product.rows, e.var("p.m0") + row),
        *frame.bind(frame.product.left.inner, e.var("p.k0") + K),
    ]
    assert not decode, "an operand read in place has one axis each way"
    return frame.left()
