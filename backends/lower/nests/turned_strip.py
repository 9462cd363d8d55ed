"""A strip of short rows of a buffer, as many as a vector has lanes, that are turned into memory of
its own, where the elements of a column lie side by side, or back from it.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import If, Let, Stmt, Store
from graphc.backends.loops.tidy import Renaming
from graphc.ir.dtypes import DType
from graphc.ir.record import dataclass

#: The first row of a strip, the end of the rows that there are, and the column of it at hand.
FIRST, LAST, COLUMN = e.var("rows.first"), e.var("rows.last"), e.var("rows.column")


@dataclass(frozen=True)
class Strip:
    """Row `row` lies in the buffer from `begin` on, the element at hand `at` some place behind;
    `memory` is for elements of `lanes` rows, of which `columns` are turned at a time.
    """

    buffer: str
    at: Expr
    begin: Expr
    dtype: DType
    memory: str
    row: str
    lanes: int
    columns: int

    def turned(self, mask: Expr) -> list[Stmt]:
        """Fills some columns of the memory, as many as the mask, which has a lane for each, tells.
        Behind the last row it follows again.
        """
        n, c = self.lanes, self.columns
        rows = [e.load(self.buffer, self._elements(k), self.dtype, mask) for k in range(n)]
        lets, rows = self._named("row", rows)
        if c < n:
            both = tuple(range(n))
            rows = [e.shuffle(a, b, both) for a, b in zip(rows, rows[c:], strict=False)]
        more, found = self._named("column", e.transpose(rows))
        stores = [Store(self.memory, self._column(k), x) for k, x in enumerate(found)]
        return [*lets, *more, *stores]

    def turned_back(self, mask: Expr, every: bool) -> list[Stmt]:
        """Stores some columns of the memory, as many as the mask tells. Unless `every` row of the
        strip is there, those behind the last are left out.
        """
        kept = [e.load(self.memory, self._column(k), self.dtype) for k in range(self.columns)]
        lets, kept = self._named("column", kept)
        more, rows = self._named("row", self._lines(e.transpose(kept)))
        out = [*lets, *more]
        for k, row in enumerate(rows):
            store = Store(self.buffer, self._elements(k), row, mask)
            out.append(store if every else If(FIRST + k < LAST, (store,)))
        return out

    def _named(self, kind: str, values: Sequence[Expr]) -> tuple[list[Stmt], list[Expr]]:
        """Names for values, and how they are read."""
        names = [e.var(f"{self.memory}.{kind}{k}", x.dtype, x.lanes) for k, x in enumerate(values)]
        lets: list[Stmt] = [Let(n.attr, x) for n, x in zip(names, values, strict=True)]
        return lets, names

    def _lines(self, rows: Sequence[Expr]) -> list[Expr]:
        """The rows one by one, of which vectors may hold two."""
        if self.columns == self.lanes:
            return list(rows)
        halves = (range(self.columns), range(self.columns, self.lanes))
        return [e.shuffle(x, x, tuple(half)) for half in halves for x in rows]

    def _column(self, k: int) -> Expr:
        """The places in memory of the column at hand or the k-th one after it."""
        return e.ramp((COLUMN + k) * self.lanes, self.lanes)

    def _elements(self, k: int) -> Expr:
        """The places of some elements of row k of the strip, or of the last one."""
        row = e.minimum(FIRST + k, LAST - 1)
        return e.ramp(Renaming({self.row: row})(self.begin) + COLUMN, self.columns)
