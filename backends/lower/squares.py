"""Tables turned over in memory, square by square of vectors."""

from __future__ import annotations

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, If, Let, Stmt, Store
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


def squares(source: Rows, target: Rows, rows: Expr, columns: Expr, lanes: int) -> list[Stmt]:
    """Copies a table turned over, a square at a time; of tables of known size with room for one,
    the last squares overlap those before.
    """
    body = _square(source, target, rows, columns, lanes)
    for name, length in (("q.column", columns), ("q.row", rows)):
        turn = e.var(name + ".t")
        first = turn * lanes
        if length.op == "const":
            first = e.minimum(first, e.const(max(0, length.attr - lanes), int64))
        count = (length + (lanes - 1)) / lanes
        body = [For(turn.attr, ZERO, count, (Let(name, first), *body))]
    return body


def _square(source: Rows, target: Rows, rows: Expr, columns: Expr, lanes: int) -> list[Stmt]:
    """The square that begins at (ROW, COLUMN), as far as it is in the table."""
    wide = _inside(COLUMN, columns, lanes)
    nothing = e.broadcast(e.const(0, source.dtype), lanes)
    read = [
        nothing
        if rows.op == "const" and k >= rows.attr
        else e.load(
            source.buffer,
            e.ramp(source.at(_kept(ROW + k, rows), COLUMN), lanes),
            source.dtype,
            wide,
        )
        for k in range(lanes)
    ]
    named = [Let(f"q.line{k}", x) for k, x in enumerate(e.transpose(read))]
    high = _inside(ROW, rows, lanes)
    out: list[Stmt] = [*named]
    for k, x in enumerate(named):
        value = e.var(x.name, source.dtype, lanes)
        store = Store(target.buffer, e.ramp(target.at(COLUMN + k, ROW), lanes), value, high)
        if columns.op != "const":
            out.append(If(COLUMN + k < columns, (store,)))
        elif k < columns.attr:
            out.append(store)
    return out


def _inside(first: Expr, length: Expr, lanes: int) -> Expr | None:
    """Which lanes are elements; None where all are."""
    if length.op == "const" and length.attr >= lanes:
        return None
    return e.ramp(first, lanes) < length


def _kept(i: Expr, length: Expr) -> Expr:
    """A row that exists."""
    return i if length.op == "const" else e.minimum(i, length - 1)
