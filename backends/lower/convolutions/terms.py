"""What the sums of convolutions add up: products of float32, or of the narrow numbers in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Assign, Let, Stmt
from graphc.backends.lower.convolutions.winograd_sizes import Registers
from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.products.frame import ramp
from graphc.backends.lower.products.words import Words, words_of
from graphc.ir.dtypes import DType, bfloat16, float32, int32, uint32
from graphc.ir.node import Node
from graphc.ir.record import dataclass

#: Where an operand's element lies, by row (or step) and column (or step).
Place = Callable[[Expr, Expr], Expr]
#: The vectors of sums, by row and vector of a tile.
Sums = Mapping[tuple[int, int], Expr]
ROW, COLUMN, K = (e.var(f"w.{name}") for name in ("row", "column", "k"))


@dataclass(frozen=True)
class Terms:
    """The numbers as they are; one of each row and column in a step."""

    sum_type: DType = float32

    @property
    def group(self) -> int:
        """Numbers of a row in a step."""
        return 1

    @property
    def seen_type(self) -> DType:
        """The dtype of what is laid out of images."""
        return self.sum_type

    def seen(self, x: Expr) -> Expr:
        """What is laid out of an element."""
        return x

    def room(self, summands: int) -> int:
        """Elements of a line of so many summands: whole steps."""
        return -(-summands // self.group) * self.group

    def step(
        self, r: Registers, left: tuple[str, Place], right: tuple[str, Place], sums: Sums
    ) -> list[Stmt]:
        """Step w.k of every sum of a tile."""
        return self._multiplied(r, left, 0, self._columns(r, right), sums)

    def _columns(self, r: Registers, right: tuple[str, Place]) -> list[Expr]:
        """What each vector of columns takes of the right operand."""
        return [self._right(r.lanes, right, COLUMN + v * r.lanes) for v in range(r.vectors)]

    def _right(self, lanes: int, right: tuple[str, Place], column: Expr) -> Expr:
        return e.load(right[0], ramp(right[1](K, column), lanes), self.sum_type)

    def _left(self, buffer: str, at: Expr) -> Expr:
        return e.load(buffer, at, self.seen_type)

    def _multiplied(
        self, r: Registers, left: tuple[str, Place], part: int, columns: list[Expr], sums: Sums
    ) -> list[Stmt]:
        """Adds the products of every row's element, or that many behind it, and these columns."""
        out: list[Stmt] = []
        names = [e.var(f"w.b{part}.{v}", b.dtype, r.lanes) for v, b in enumerate(columns)]
        out += [Let(name.attr, b) for name, b in zip(names, columns, strict=True)]
        for i in range(r.rows):
            a = e.broadcast(self._left(left[0], left[1](ROW + i, K) + part), r.lanes)
            for v, b in enumerate(names):
                out.append(Assign(sums[i, v].attr, self._added(r, a, b, sums[i, v])))
        return out

    def _added(self, r: Registers, a: Expr, b: Expr, total: Expr) -> Expr:
        fused = r.fused and self.sum_type.is_float
        return e.fma(a, b, total) if fused else total + a * b


NUMBERS = Terms()


@dataclass(frozen=True)
class DotTerms(Terms):
    """Words of narrow numbers, which the machine has instructions for: words are laid out."""

    words: Words = Words("", 1, float32, float32)

    @property
    def group(self) -> int:
        return self.words.group

    @property
    def seen_type(self) -> DType:
        return self.words.member_type

    def seen(self, x: Expr) -> Expr:
        member = self.words.member(x)
        return member ^ e.const(0x80, member.dtype) if self.words.offset else member

    def _right(self, lanes: int, right: tuple[str, Place], column: Expr) -> Expr:
        return _words(self.words, lanes, right, column)

    def _left(self, buffer: str, at: Expr) -> Expr:
        return e.join(e.load(buffer, e.ramp(at, self.group), self.seen_type), uint32)

    def _added(self, r: Registers, a: Expr, b: Expr, total: Expr) -> Expr:
        return self.words.dot(a, b, total)


@dataclass(frozen=True)
class WideTerms(Terms):
    """The same without such instructions: images are laid out in numbers as wide as the sums, and
    those of the kernels become as wide when they are read.
    """

    words: Words = Words("", 1, float32, float32)

    @property
    def group(self) -> int:
        return self.words.group

    def seen(self, x: Expr) -> Expr:
        wide = e.cast(x, self.sum_type)
        return wide + e.const(0x80, self.sum_type) if self.words.offset else wide

    def step(
        self, r: Registers, left: tuple[str, Place], right: tuple[str, Place], sums: Sums
    ) -> list[Stmt]:
        columns = [COLUMN + v * r.lanes for v in range(r.vectors)]
        if r.lanes == 1:
            parts = [[self._one(right, c, u) for c in columns] for u in range(self.group)]
            return [s for u, b in enumerate(parts) for s in self._multiplied(r, left, u, b, sums)]
        out: list[Stmt] = []
        for v, column in enumerate(columns):
            out.append(Let(f"w.w{v}", _words(self.words, r.lanes, right, column)))
        words = [e.var(f"w.w{v}", uint32, r.lanes) for v in range(r.vectors)]
        for u in range(self.group):
            out += self._multiplied(r, left, u, [self._part(w, u) for w in words], sums)
        return out

    def _one(self, right: tuple[str, Place], column: Expr, u: int) -> Expr:
        """A number of a word, alone."""
        at = right[1](K, column) * self.group + u
        return e.cast(e.load(right[0], at, self.words.right), self.sum_type)

    def _part(self, words: Expr, u: int) -> Expr:
        """Number u of each word, as wide as the sums."""
        bits, dtype = 32 // self.group, self.words.right
        high = words << 32 - bits * (u + 1) if u + 1 < self.group else words
        if dtype is bfloat16:
            return e.bitcast(high & 0xFFFF0000, float32)
        signed = high if dtype.kind == "u" else e.bitcast(high, int32)
        return e.bitcast(signed >> 32 - bits, int32)


def _words(words: Words, lanes: int, right: tuple[str, Place], column: Expr) -> Expr:
    """The words of a vector of columns."""
    buffer, where = right
    at = e.ramp(where(K, column) * words.group, lanes * words.group)
    return e.join(e.load(buffer, at, words.right), uint32)


def terms_of(node: Node, schedule: Schedule) -> Terms:
    """What the sums of a packed convolution add up."""
    x, u = node.inputs
    if len(u.shape) == 3:
        return NUMBERS
    words = words_of(x.dtype, u.dtype)
    assert words is not None, "only kernels of narrow numbers lie in words"
    kind = DotTerms if words.kind in schedule.dots else WideTerms
    return kind(node.types[0].dtype, words)
