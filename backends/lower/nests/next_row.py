"""The first loop over a row, done for the next row within the second loop over this one: the first
waits for memory, the second mostly for arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.stmt import Accumulate, Assign, Declare, If, Let, Stmt
from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.nests.combine import accumulator_dtype, identity, total_dtype
from graphc.backends.lower.nests.loops import Loop, Nest
from graphc.backends.lower.nests.streams import SHORT
from graphc.ir.dims import Dim, index
from graphc.ir.dtypes import DType
from graphc.machine import TYPICAL
from graphc.passes.fusion.access import full_index
from graphc.passes.fusion.body import Body, Root

if TYPE_CHECKING:
    from graphc.backends.lower.nests.nest import Lowering

NEXT = index("next")
#: Elements of a row, at most: the first cache holds this one, the next one and a row in between.
LONGEST = TYPICAL.first // 4 // 4


def begun_early(
    body: Body, nest: Nest, schedule: Schedule, split: Sequence[Loop]
) -> tuple[Root, ...]:
    """What the first loop over a row reduces, if it can do so for the next row; else nothing. The
    lines of columns beside rows take the place that the next row needs in the first cache.
    """
    if any(root.role == "column" for root in body.roots):
        return ()
    if nest.across or len(nest.inner) != 1 or len(split) != 1 or tuple(split) != nest.outer:
        return ()
    extent = nest.inner[0].extent
    if not schedule.vector_bits or not isinstance(extent, int) or not SHORT <= extent <= LONGEST:
        return ()
    first, *later = sorted({root.level for root in body.roots})
    rows = tuple(root for root in body.roots if root.level == first)
    if not later or any(root.role != "row" or root.opaque for root in rows):
        return ()
    second = [root for root in body.roots if root.level == later[0] and root.role != "rowmap"]
    stored = set(body.outputs) & {root.tensor for root in second if root.role == "map"}
    if not second or stored or any(_combine(root).startswith("arg") for root in rows):
        return ()
    return rows


def _combine(root: Root) -> str:
    op: Any = root.tensor.node.op
    combine: str = op.combine
    return combine


class NextRow:
    """Statements that do the first loop over the next row."""

    def __init__(self, lowering: Lowering, roots: Sequence[Root]):
        self.lowering, self.roots = lowering, roots
        self.before: list[Stmt] = []
        self.inside: list[Stmt] = []
        self.after: list[Stmt] = []

    def first_row(self) -> list[Stmt]:
        """Before all rows: the first one's loop, if there is a row at all."""
        low = self.lowering
        self._take_in(low.begin, "first")
        begin, end = low.dims(low.begin), low.dims(low.end)
        loop = low.inner_loops(self.inside)
        declared: list[Stmt] = [
            Declare(self._carried(root), self._identity(root)) for root in self.roots
        ]
        return [*declared, If(begin < end, (*self.before, *loop, *self.after))]

    def results(self) -> list[Stmt]:
        """What the loop over this row has given, in the row before."""
        out: list[Stmt] = []
        for root in self.roots:
            value = e.var(self._carried(root), self._dtype(root))
            self.lowering.row_result(root, value, out)
        return out

    def next_row(self) -> None:
        """Makes the statements before, inside and after the second loop over a row; the last row
        is its own next one.
        """
        low = self.lowering
        following = e.var(low.nest.outer[0].name) + 1
        low.dims.bind(NEXT, e.var("next"))
        self.before = [Let("next", e.minimum(following, low.dims(low.end) - 1))]
        self.inside, self.after = [], []
        self._take_in(NEXT, "next")

    def _take_in(self, row: Dim, kind: str) -> None:
        low = self.lowering
        kept, low.index = (
            low.index,
            tuple(row if d == low.nest.outer[0].variable else d for d in low.index),
        )
        low.reader.forget()
        low.reader.statements = self.inside
        for root in self.roots:
            (source,) = root.tensor.node.inputs
            name = f"{self._carried(root)}.{kind}"
            value = low.reader.at(source, full_index(source.shape, low.index))
            value = e.cast(value, accumulator_dtype(source.dtype, _combine(root)))
            self.before.append(Declare(name, self._identity(root)))
            self.inside.append(Accumulate(name, _combine(root), value))  # type: ignore[arg-type]
            self.after.append(Assign(self._carried(root), e.var(name, self._dtype(root))))
        low.reader.forget()
        low.index = kept

    def _carried(self, root: Root) -> str:
        return f"n{self.lowering.body.roots.index(root)}"

    def _dtype(self, root: Root) -> DType:
        (source,) = root.tensor.node.inputs
        low = self.lowering
        dtype = accumulator_dtype(source.dtype, _combine(root))
        return total_dtype(root, dtype, low.nest, low.schedule)

    def _identity(self, root: Root) -> e.Expr:
        return identity(root.tensor.node.op, self._dtype(root))
