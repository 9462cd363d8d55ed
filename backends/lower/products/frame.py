"""What the parts of a product's kernel share: names, bound loop variables, operands' elements.

Values of a block, by name: `p.m0`, `p.n0` its first row and column, `p.h`, `p.w` its rows and
columns; inside the loop over depths `p.k0`, `p.kn` the first summand and their number; `p.t` the
number of a tile, `p.r` its first row, `p.rows` its rows; `p.j` the number of a panel.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, If, Let, Stmt
from graphc.backends.lower.products.axes import Axis, Operand, Product
from graphc.backends.lower.products.blocks import Blocks
from graphc.backends.lower.products.sizes import Sizes
from graphc.backends.lower.products.words import Words, lines_of
from graphc.backends.lower.reader import DimWriter, ExprReader
from graphc.ir.dtypes import DType, int64, uint32
from graphc.ops.linear.packed import PANEL

#: Scratch of a chunk: the packed operands and the sums of a block.
LEFT, RIGHT, SUMS = "p.left", "p.right", "p.sums"

ZERO, ONE = e.const(0, int64), e.const(1, int64)


def parts(x: Expr, n: int) -> Expr:
    """In how many parts of at most n elements x elements fall."""
    return (x + (n - 1)) / n


def ramp(index: Expr, lanes: int) -> Expr:
    """index, index + 1, ..., or the index itself for one lane."""
    return e.ramp(index, lanes) if lanes > 1 else index


class Frame:
    """A product, its sizes, and the writers of its expressions.

    `panels`: the buffer in which the right operand lies in panels, `line` elements from line to
    line.
    """

    def __init__(
        self,
        product: Product,
        sizes: Sizes,
        blocks: Blocks,
        sum_type: DType,
        reader: ExprReader,
        words: Words | None = None,
    ):
        self.product, self.sizes, self.blocks, self.sum_type, self.reader = (
            product,
            sizes,
            blocks,
            sum_type,
            reader,
        )
        self.words = words
        self.lines = lines_of(blocks.inner, words)
        self.packed_type = sum_type if words is None else uint32
        self.dims: DimWriter = reader.dims
        small = blocks.small
        self.few: bool | Expr = (
            bool(small) if isinstance(small, int) else e.equal(self.dims(small), 1)
        )
        panels = reader.stop(product.right.tensor) if product.packed else RIGHT
        assert panels is not None, "panels lie in memory"
        self.panels: str = panels
        self.line: int = PANEL if product.packed else sizes.panel
        self._names = 0

    def bind(self, axes: Sequence[Axis], position: Expr) -> list[Stmt]:
        """Gives the variables of these axes their values at a row-major position."""
        self.reader.forget()
        decode: list[Stmt] = []
        for axis in reversed(axes[1:]):
            extent = self.dims(axis.extent)
            decode.append(self._bind(axis, e.rem(position, extent)))
            position = position / extent
        if len(axes) == 1:
            self.dims.bind(axes[0].variable, position)
        elif axes:
            decode.append(self._bind(axes[0], position))
        return decode

    def _bind(self, axis: Axis, value: Expr) -> Let:
        self._names += 1
        let = Let(f"p.x{self._names}", value)
        self.dims.bind(axis.variable, e.var(let.name))
        return let

    def left(self) -> Expr:
        """The left operand's element at the bound variables, as it is multiplied."""
        return self._element(self.product.left)

    def right(self) -> Expr:
        """The right operand's element at the bound variables."""
        return self._element(self.product.right)

    def _element(self, operand: Operand) -> Expr:
        checks = len(self.reader.statements)
        value = e.cast(self.reader.at(operand.tensor, operand.index), self.sum_type)
        assert len(self.reader.statements) == checks, (
            "an operand with checks is computed beforehand"
        )
        return value

    def multiply_add(self, a: Expr, b: Expr, total: Expr) -> Expr:
        """total + a * b, rounded once where the machine does so."""
        return e.fma(a, b, total) if self.sizes.fused else total + a * b

    def add_packed(self, a: Expr, b: Expr, total: Expr) -> Expr:
        """total + the products of what is packed in a and b."""
        if self.words is None:
            return self.multiply_add(a, b, total)
        return self.words.dot(a, b, total)

    def choose(self, few: Expr, packed: Expr) -> Expr:
        """One value where the rows are few, another where operands are packed."""
        if isinstance(self.few, bool):
            return few if self.few else packed
        return e.select(self.few, few, packed)

    def either(self, few: Sequence[Stmt], packed: Sequence[Stmt]) -> Sequence[Stmt]:
        """What is done where the rows are few, or where operands are packed."""
        if isinstance(self.few, bool):
            return few if self.few else packed
        return [If(self.few, tuple(few), tuple(packed))]

    def vector(self, index: Expr) -> Expr:
        """The indices of a vector of neighbours."""
        return ramp(index, self.sizes.lanes)

    def along_columns(self, begin: Expr, end: Expr, body: Sequence[Stmt]) -> For:
        """The body for columns p.n, vector by vector."""
        if not self.product.columns:
            return For("p.n", begin, end, tuple(body))
        columns = self.product.columns[-1].extent
        even = isinstance(columns, int) and columns % self.sizes.lanes == 0
        return For("p.n", begin, end, tuple(body), "vector", self.sizes.lanes, 1, even)
