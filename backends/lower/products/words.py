"""Products of narrow numbers, several summands at a time: what is packed are words of 32 bits, each
with neighbouring summands of a row or column, for the machine's dot-product instructions.
"""

from __future__ import annotations

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.products.axes import Operand, Product, extent_of
from graphc.backends.lower.reader import ExprReader
from graphc.ir.dims import Dim, floordiv
from graphc.ir.dtypes import DType, bfloat16, int8, int16, int64, uint8, uint16
from graphc.ir.record import dataclass

_KINDS: dict[tuple[DType, DType], tuple[str, int]] = dict.fromkeys(
    [(a, b) for a in (uint8, int8, int16) for b in (uint8, int16)] + [(int16, int8)], ("i16", 2)
) | {
    (uint8, int8): ("u8i8", 4),
    (int8, uint8): ("u8i8", 4),
    (int8, int8): ("u8i8", 4),
    (bfloat16, bfloat16): ("bf16", 2),
}


@dataclass(frozen=True)
class Words:
    """`kind` of the instruction, `group` summands of a word, and both operands' dtypes."""

    kind: str
    group: int
    left: DType
    right: DType

    @property
    def offset(self) -> bool:
        """Whether the left operand's bytes are packed with 128 added: one has to be unsigned."""
        return self.left is self.right is int8

    @property
    def member_type(self) -> DType:
        """The dtype of a number's bits in a word."""
        return uint8 if self.group == 4 else uint16

    def dot(self, left: Expr, right: Expr, total: Expr) -> Expr:
        """total + the products of the words' numbers."""
        if self.left is int8 and self.right is uint8:
            left, right = right, left
        return e.dot(self.kind, left, right, total)

    def member(self, x: Expr) -> Expr:
        """The bits that a number has in a word."""
        return e.bitcast(e.cast(x, int16) if self.kind == "i16" else x, self.member_type)


def plan_words(
    product: Product, reader: ExprReader, sum_type: DType, schedule: Schedule
) -> Words | None:
    """How a product is taken several summands at a time, where there are instructions for it."""
    if product.packed or not schedule.dots or len(product.columns) != 1 or len(product.rows) != 1:
        return None
    if extent_of(product.inner) in (0, 1):
        return None
    for x in (product.left, product.right):
        if len(x.inner) != 1 or x.along == "neither":
            return None
    left, right = (_dtype(product, x, reader, sum_type) for x in (product.left, product.right))
    words = words_of(left, right)
    return words if words is not None and words.kind in schedule.dots else None


def words_of(left: DType, right: DType) -> Words | None:
    """The words in which numbers of these dtypes are taken, if they are so narrow."""
    kind, group = _KINDS.get((left, right), ("", 0))
    return Words(kind, group, left, right) if kind else None


def _dtype(product: Product, x: Operand, reader: ExprReader, sum_type: DType) -> DType:
    """The dtype of an operand's elements before they are made as wide as the sums."""
    reader.forget()
    for axis in (*product.batch, *product.rows, *product.columns, *x.inner):
        reader.dims.bind(axis.variable, e.const(0, int64))
    return narrow(reader.at(x.tensor, x.index), sum_type).dtype


def lines_of(inner: Dim, words: Words | None) -> Dim:
    """Lines of a packed panel for so many summands: one for each of them, or for each word."""
    return inner if words is None else floordiv(inner + words.group - 1, words.group)


def narrow(x: Expr, sum_type: DType) -> Expr:
    """x without the casts that only made it as wide as the sums."""
    while x.op == "cast" and _holds(x.dtype, x.args[0].dtype) and x.dtype.bits <= sum_type.bits:
        x = x.args[0]
    return x


def _holds(wide: DType, narrow: DType) -> bool:
    """Whether every number of the narrow dtype is one of the wide one."""
    if wide.kind == narrow.kind:
        return wide.bits > narrow.bits
    return (wide.kind, narrow.kind) == ("i", "u") and wide.bits > narrow.bits
