"""Tables turned over in memory, square by square of vectors."""

from __future__ import annotations

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, Let, Stmt, Store
from graphc.ir.dtypes import DType, int64
from graphc.ir.record import dataclass

ROW, COLUMN = e.var("q.row"), e.var("q.column")
ZERO = e.const(0, int64)


@dataclass(frozen=True)
class Rows:
    """A table in a buffer, from an element on, of rows that lie so far apart."""

    buffer: str
    dtype: DType
    first: Expr
    apart: Expr

    def at(self, i: Expr, j: Expr) -> Expr:
        """Where the element j of row i is."""
        return self.first + i * self.apart + j


def squares(source: Rows, target: Rows, rows: int, columns: int, lanes: int) -> list[Stmt]:
    """Copies a table turned over. The last squares overlap those before; a table that is narrower
    than a vector is one of them.
    """
    body = _square(source, target, min(rows, lanes), min(columns, lanes), lanes)
    for name, length in (("q.column", columns), ("q.row", rows)):
        count, last = -(-length // lanes), max(0, length - lanes)
        turn = e.var(name + ".t")
        first = Let(name, e.minimum(turn * lanes, last))
        body = [For(turn.attr, ZERO, e.const(count, int64), (first, *body))]
    return body


def _square(source: Rows, target: Rows, rows: int, columns: int, lanes: int) -> list[Stmt]:
    """The square that begins at (ROW, COLUMN), of so many rows and columns."""
    nothing = e.broadcast(e.const(0, source.dtype), lanes)
    wide, high = (None if n == lanes else e.ramp(ZERO, lanes) < n for n in (columns, rows))
    read = [
        e.load(source.buffer, e.ramp(source.at(ROW + k, COLUMN), lanes), source.dtype, wide)
        if k < rows
        else nothing
        for k in range(lanes)
    ]
    named = [Let(f"q.line{k}", x) for k, x in enumerate(e.transpose(read)[:columns])]
    stores = [
        Store(
            target.buffer,
            e.ramp(target.at(COLUMN + k, ROW), lanes),
            e.var(x.name, source.dtype, lanes),
            high,
        )
        for k, x in enumerate(named)
    ]
    return [*named, *stores]
