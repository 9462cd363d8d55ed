"""Direct products of which the lanes of a vector are parts of one sum, as neither operand has
columns that lie side by side.
"""

from __future__ import annotations

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Assign, Declare, For, If, Let, Stmt, Store
from graphc.backends.lower.products.direct import DirectProduct, Places, Where, sum_name
from graphc.backends.lower.products.frame import SUMS, ZERO
from graphc.ir.dims import Dim, floordiv, mod


class DirectSums(DirectProduct):
    """A direct product along its last summed axis."""

    def _columns(self) -> Dim:
        return 1

    def _width(self) -> int:
        return 1

    def _where(self, row: Places, line: Places) -> Where:
        found = super()._where(row, line)
        del found[self.plan.along.atom]  # a summed axis, which has a variable of its own
        return found

    def _line(self) -> list[Stmt]:
        names = [
            sum_name(i, j, 0)
            for i in range(len(self.row_places))
            for j in range(len(self.line_places))
        ]
        zero = e.broadcast(e.const(0, self.frame.sum_type), self.lanes)
        declared = [Declare(name, zero) for name in names]
        stores = [
            Store(SUMS, e.const(k, ZERO.dtype), e.across("sum", self._sum(name)))
            for k, name in enumerate(names)
        ]
        return [*declared, *self._along_lines(), *stores, *self._finish()]

    def _along_lines(self) -> list[Stmt]:
        """Whole vectors of summands, then those that are left."""
        *outer, _ = self.frame.product.inner
        along = self.plan.along
        for k, axis in enumerate(outer):
            self.dims.bind(axis.variable, e.var(f"d.k{k}"))
        self.dims.bind(along.variable, e.var("p.x"))
        whole, left = floordiv(along.extent, self.lanes), mod(along.extent, self.lanes)
        step = [Let("p.x", e.var("d.v") * self.lanes), *self._vector_step(None)]
        body: list[Stmt] = [For("d.v", ZERO, self.dims(whole), tuple(step))]
        if left != 0:
            start = self.dims(whole * self.lanes)
            mask = e.ramp(start, self.lanes) < self.dims(along.extent)
            rest = [Let("p.x", start), *self._vector_step(mask)]
            known = isinstance(left, int)
            body += rest if known else [If(self.dims(left) > 0, tuple(rest))]
        return self._summed(body, outer)

    def _vector_step(self, mask: Expr | None) -> list[Stmt]:
        """A vector of summands of every row and line."""
        dtype, plan = self.frame.sum_type, self.plan
        out: list[Stmt] = []
        for i, row in enumerate(self.row_places):
            at = e.ramp(self._offset(plan.left, row, self.line_places[0]), self.lanes)
            out.append(Let(f"d.a{i}", e.load(plan.left.buffer, at, dtype, mask)))
        for j, line in enumerate(self.line_places):
            at = e.ramp(self._offset(plan.right, self.row_places[0], line), self.lanes)
            out.append(Let(f"d.b{j}", e.load(plan.right.buffer, at, dtype, mask)))
            for i in range(len(self.row_places)):
                name = sum_name(i, j, 0)
                a, b = self._sum(f"d.a{i}"), self._sum(f"d.b{j}")
                out.append(Assign(name, self.frame.multiply_add(a, b, self._sum(name))))
        return out

    def _elements(self, sums: Expr) -> list[Stmt]:
        self.frame.reader.forget()
        return self._mapped(sums)
