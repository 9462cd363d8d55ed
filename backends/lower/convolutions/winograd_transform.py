"""Transforms of squares of numbers, channel by channel: along columns, then along rows."""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Accumulate, Alloc, Declare, For, If, Stmt, Store
from graphc.backends.lower.convolutions.winograd_sizes import Registers
from graphc.backends.lower.convolutions.winograd_tiles import ZERO, K, Patch, along, element
from graphc.ir.dtypes import float32
from graphc.ops.convolutions.winograd_matrices import Matrix, multiplied

#: What the columns have given; sums of results, of which none is finite that was not.
HALF, CHECK = "w.half", "w.check"
LINE = e.var("w.s")

#: The element of a row in column w.s, or how the result of a number is put away.
Read = Callable[[int], Expr]
Write = Callable[[Expr, Expr], Store]


class Transform:
    """A matrix, applied along both axes of squares of `channels` channels."""

    def __init__(self, matrix: Matrix, channels: int, r: Registers):
        self.matrix, self.channels, self.registers = matrix, channels, r
        self.before, self.after = len(matrix[0]), len(matrix)

    @property
    def elements(self) -> int:
        """Elements of scratch memory between columns and rows."""
        return self.before * self.after * self.channels

    def of_patch(self, patch: Patch, write: Write) -> list[Stmt]:
        """The transform of a square of an image."""
        inside = self.columns(patch.reader(masked=False), [])
        outside = self.columns(patch.reader(masked=True), patch.column())
        return [If(patch.inside(), (inside,), (*patch.rows(), outside)), self.rows(write)]

    def columns(self, read: Read, first: list[Stmt]) -> For:
        """Applies the matrix to every column; `first` comes before its channels."""
        values = self._multiplied([read(i) for i in range(self.before)])
        stores: list[Stmt] = [Store(HALF, self._half(a, LINE), v) for a, v in enumerate(values)]
        return For("w.s", ZERO, e.const(self.before, K.dtype), (*first, self.along(stores)))

    def rows(self, write: Write, *, checked: bool = False) -> For:
        """Applies the matrix to every row; `checked`: results are added up."""
        values = self._multiplied([element(HALF, self._half(LINE, j)) for j in range(self.before)])
        stores: list[Stmt] = [write(LINE * self.after + b, v) for b, v in enumerate(values)]
        if checked:
            total = element(CHECK, K)
            for value in values:
                total = total + value
            stores.append(Store(CHECK, K, total))
        return For("w.s", ZERO, e.const(self.after, K.dtype), (self.along(stores),))

    def checked(self, read: Read, write: Write, otherwise: list[Stmt]) -> list[Stmt]:
        """The transform of what `read` gives, and `otherwise` where a result is not finite."""
        bad = e.var("w.bad", float32)
        return [
            self.along([Store(CHECK, K, e.const(0, float32))]),
            self.columns(read, []),
            self.rows(write, checked=True),
            Declare("w.bad", e.const(0, float32)),
            self.along([Accumulate("w.bad", "sum", element(CHECK, K) * 0.0)]),
            If(e.not_equal(bad, 0.0), tuple(otherwise)),
        ]

    def along(self, body: list[Stmt]) -> For:
        """The body for each channel w.k."""
        lanes = self.registers.lanes
        extent = e.const(self.channels, K.dtype)
        return along("w.k", extent, self.channels % lanes == 0, lanes, body)

    def _half(self, row: int | Expr, column: int | Expr) -> Expr:
        at = e.const(row, K.dtype) if isinstance(row, int) else row
        return (at * self.before + column) * self.channels + K

    def _multiplied(self, values: list[Expr]) -> list[Expr]:
        fused = e.fma if self.registers.fused else lambda a, b, c: a * b + c
        return multiplied(self.matrix, values, fused)


def turned(matrix: Matrix) -> Matrix:
    """The matrix with rows for columns."""
    return tuple(zip(*matrix, strict=True))


def scratch(*transforms: Transform) -> list[Alloc]:
    """The memory that some transforms need."""
    widest = max(t.channels for t in transforms)
    return [
        Alloc(HALF, float32, max(t.elements for t in transforms)),
        Alloc(CHECK, float32, widest),
    ]
