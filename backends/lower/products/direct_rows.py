"""Products of rows that are few, but it is not known how many: their tiles are about as high, and
there is code for every height, with as many columns side by side as registers have room for.
"""

from __future__ import annotations

from dataclasses import replace

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import If, Let, Stmt
from graphc.backends.lower.products.direct import DirectProduct
from graphc.backends.lower.products.direct_plan import Tiled
from graphc.backends.lower.products.frame import ZERO

HEIGHT = e.var("d.h")


class FewRows(DirectProduct):
    """A direct product whose rows are `even` tiles of one axis; `d.h` is a tile's height. The sums
    of whole rows are stored before they are finished.
    """

    def _begin(self, k: int, t: Tiled, number: Expr) -> list[Stmt]:
        if not t.even:
            return super()._begin(k, t, number)
        extent, count = self.dims(t.axis.extent), e.maximum(self.dims(self.counts[k]), 1)
        first, after = (n * extent / count for n in (number, number + 1))
        return [Let(f"d.s{k}", first), Let("d.h", after - e.var(f"d.s{k}"))]

    def _within(self, k: int, t: Tiled) -> tuple[Expr, Expr]:
        return (ZERO, HEIGHT) if t.even else super()._within(k, t)

    def _row_width(self) -> int:
        extent = self.plan.along.extent
        assert isinstance(extent, int)
        wide = (vectors * self.lanes for vectors in self.plan.widths)
        return max(-(-extent // width) * width for width in wide)

    def _sums(self) -> int:
        return len(self.row_places) * self._row_width()

    def _line(self) -> list[Stmt]:
        """The sums of all columns, and what is done with them."""
        plan, places = self.plan, self.row_places
        sums = self._of_height(1, len(places))
        self.plan, self.row_places = plan, places
        return [*sums, *self._finish()]

    def _of_height(self, low: int, high: int) -> list[Stmt]:
        """The sums of a tile whose height is from low to high."""
        if low < high:
            middle, height = (low + high) // 2, HEIGHT
            lower, higher = self._of_height(low, middle), self._of_height(middle + 1, high)
            return [If(height <= middle, tuple(lower), tuple(higher))]
        self.frame.reader.forget()
        self.plan = replace(self.plan, vectors=self.plan.widths[low - 1])
        self.row_places = [(i,) for i in range(low)]
        return super()._line()

    def _finish_tile(self) -> list[Stmt]:
        return []

    def _vector_at(self, k: int) -> Expr:
        row, vector = divmod(k, self.plan.vectors)
        return e.var("p.x") + (row * self._row_width() + vector * self.lanes)

    def _first(self) -> Expr:
        return ZERO

    def _end(self, x: Expr) -> Expr:
        return self.dims(self.plan.along.extent)
