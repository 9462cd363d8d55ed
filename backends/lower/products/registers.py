"""A tile of sums in registers, taken over a whole depth."""

from __future__ import annotations

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Assign, Declare, For, If, Let, Stmt, Store
from graphc.backends.lower.products.ahead import panel_ahead, rows_ahead, stream_ahead
from graphc.backends.lower.products.chains import tile_chain_of
from graphc.backends.lower.products.frame import LEFT, SUMS, ZERO, Frame, parts, ramp
from graphc.backends.lower.products.pack import KN, K, by_rows, left_line, row_stride
from graphc.backends.lower.products.pack_words import STARTS
from graphc.backends.lower.products.tiles import (
    by_tiles,
    group,
    laid_out_element,
    tile_ahead,
    tile_stride,
)
from graphc.ir.record import dataclass

C = e.var("p.c")
R, ROWS = e.var("p.r"), e.var("p.rows")


@dataclass(frozen=True)
class Tile:
    """Sums of a tile's rows in vectors of `widths` lanes side by side: the packed right operand
    from `start` on, results from `column` of the block on, in sums from `line` on. `ahead` asks for
    these results' places.
    """

    frame: Frame
    line: Expr
    widths: tuple[int, ...]
    start: Expr
    column: Expr
    ahead: If | None = None

    def rows(self) -> list[Stmt]:
        """All rows of the tile: at once, or the last rows a few at a time."""
        sizes = self.frame.sizes
        if self._as_many():
            return self._sums(sizes.tile_rows, ZERO, beyond=rows_beyond(self.frame))
        full = self._sums(sizes.tile_rows, ZERO)
        few = self._sums(sizes.tail_rows, e.var("p.s") * sizes.tail_rows, beyond=True)
        tail = For("p.s", ZERO, parts(ROWS, sizes.tail_rows), tuple(few))
        return [If(e.equal(ROWS, sizes.tile_rows), tuple(full), (*self._last_rows(), tail))]

    def _last_rows(self) -> list[Stmt]:
        """How many rows the last tile has, where that is known: blocks begin with whole tiles."""
        rows = self.frame.blocks.rows
        if not isinstance(rows, int):
            return []
        return [Let("p.rows", e.const(rows % self.frame.sizes.tile_rows, R.dtype))]

    def _as_many(self) -> bool:
        """Whether the last rows are taken like all others: a part of so narrow a tile's rows is not
        done sooner.
        """
        sizes = self.frame.sizes
        if sizes.tail_rows == sizes.tile_rows or not rows_beyond(self.frame):
            return True
        return len(self.widths) == 1 < sizes.vectors

    def _places(self) -> list[tuple[int, int]]:
        """Where each vector begins, and its lanes."""
        return [(sum(self.widths[:v]), lanes) for v, lanes in enumerate(self.widths)]

    def _sums(self, rows: int, first: Expr, *, beyond: bool = False) -> list[Stmt]:
        """Sums of `rows` rows from `first` on, added to what other depths have summed. `beyond`:
        some may be behind the last row.
        """
        frame, sizes, places = self.frame, self.frame.sizes, self._places()
        declared: list[Stmt] = [
            Declare(_name(i, v, lanes), self._start(column, lanes))
            for i in range(rows)
            for v, (column, lanes) in enumerate(places)
        ]
        ahead = self._ahead() if rows == sizes.tile_rows else []
        ahead += stream_ahead(frame, self.start)
        step = (*ahead, *self._step(rows, first, beyond=beyond))
        corner = (self.line + first) * sizes.width + self.column
        soon: list[Stmt] = []
        if self.ahead is not None and self.ahead.then and rows == sizes.tile_rows:
            soon = [self.ahead]
        chain = tile_chain_of(frame.lines) if frame.sum_type.is_float else None
        cleared, stores = self._kept(rows, corner, chain)
        if chain is None:
            return [*soon, *cleared, *declared, For("p.k", ZERO, KN, step), *stores]
        loop = For("p.k", C * chain, e.minimum(C * chain + chain, KN), step)
        chains = parts(KN, chain)
        soon = [If(e.equal(C, chains - 1), tuple(soon))] if soon else []
        return [*cleared, For("p.c", ZERO, chains, (*soon, *declared, loop, *stores))]

    def _kept(
        self, rows: int, corner: Expr, chain: int | None
    ) -> tuple[list[Stmt], tuple[Stmt, ...]]:
        """What comes before all chains, and what stores the sums of one: added to what others have
        summed. Where two are all, the second alone adds; of more, that is no sooner than clearing.
        """
        frame, dtype = self.frame, self.frame.sum_type
        put, added = [], []
        for i in range(rows):
            for v, (column, lanes) in enumerate(self._places()):
                at = ramp(corner + (i * frame.sizes.width + column), lanes)
                total = e.var(_name(i, v, lanes), dtype, lanes)
                put.append(Store(SUMS, at, total))
                added.append(Store(SUMS, at, e.load(SUMS, at, dtype) + total))
        if one_depth(frame) and chain is None:
            return [], tuple(put)
        if one_depth(frame) and isinstance(frame.lines, int) and frame.lines <= 2 * (chain or 0):
            return [], (If(C > 0, tuple(added), tuple(put)),)
        cleared = self._cleared(corner, rows)
        first = If(e.equal(e.var("p.d"), 0), (cleared,))
        return [cleared if one_depth(frame) else first], tuple(added)

    def _cleared(self, corner: Expr, rows: int) -> Stmt:
        """Zeros to which the sums of chains and depths are added."""
        sizes, row, zero = self.frame.sizes, e.var("p.i"), e.const(0, self.frame.sum_type)
        body = tuple(
            Store(SUMS, ramp(corner + row * sizes.width + column, lanes), e.broadcast(zero, lanes))
            for column, lanes in self._places()
        )
        return For("p.i", ZERO, e.const(rows, row.dtype), body)

    def _ahead(self) -> list[Stmt]:
        """What is asked for in every step of a whole tile of whole panels."""
        if self.ahead is None:
            return []
        frame = self.frame
        rows = rows_ahead(frame, lambda row: _element(frame, row))
        return rows + tile_ahead(frame) + panel_ahead(frame, self.start)

    def _start(self, column: int, lanes: int) -> Expr:
        """What the sums of a vector of columns begin with."""
        frame = self.frame
        if frame.words is not None and frame.words.offset:
            return e.load(STARTS, ramp(self.column + column, lanes), frame.sum_type)
        return e.broadcast(e.const(0, frame.sum_type), lanes)

    def _step(self, rows: int, first: Expr, *, beyond: bool) -> list[Stmt]:
        """One summand: a line of the panel times every row's element."""
        frame, dtype = self.frame, self.frame.sum_type
        out: list[Stmt] = []
        line: list[Expr] = []
        for v, (column, lanes) in enumerate(self._places()):
            at = ramp(self.start + K * frame.line + column, lanes)
            out.append(Let(f"p.b{v}", e.load(frame.panels, at, frame.packed_type)))
            line.append(e.var(f"p.b{v}", frame.packed_type, lanes))
        for i in range(rows):
            left = _left(frame, first, i, beyond=beyond)
            for v, lanes in enumerate(self.widths):
                total = e.var(_name(i, v, lanes), dtype, lanes)
                added = frame.add_packed(e.broadcast(left, lanes), line[v], total)
                out.append(Assign(str(total.attr), added))
        return out


def one_depth(frame: Frame) -> bool:
    """Whether the whole sum is known to be taken at once, so that only a tile of sums is kept."""
    return isinstance(frame.lines, int) and frame.lines <= frame.sizes.depth


def rows_beyond(frame: Frame) -> bool:
    """Whether the last tile of a block may have fewer rows than others."""
    rows = frame.blocks.rows
    return not isinstance(rows, int) or rows % frame.sizes.tile_rows != 0


def _name(i: int, v: int, lanes: int) -> str:
    return f"p.sum{i}.{v}x{lanes}"


def _left(frame: Frame, first: Expr, i: int, *, beyond: bool) -> Expr:
    """The left operand's element of row first + i: for rows beyond the last, any."""
    sizes = frame.sizes
    if sizes.laid_out:
        return laid_out_element(frame, first + i)
    if sizes.in_place:
        row = e.minimum(first + i, ROWS - 1) if beyond else first + i
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
