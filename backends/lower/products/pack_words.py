"""Packing of narrow numbers (see `words`): a word of some summands where `pack` puts one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Assign, Declare, For, If, Let, Stmt, Store
from graphc.backends.loops.widen import widened
from graphc.backends.lower.products.axes import Axis
from graphc.backends.lower.products.frame import LEFT, RIGHT, ZERO, Frame, parts, ramp
from graphc.backends.lower.products.pack import left_line, panel_stride, row_stride
from graphc.backends.lower.products.tiles import group
from graphc.backends.lower.products.words import Words, narrow
from graphc.ir.dtypes import bool_, uint32

#: Scratch of a chunk: what sums begin with, for each column of a block.
STARTS = "p.starts"
#: 128 in each byte of a word.
OFFSETS = 0x80808080
K, N, M, J, Q = (e.var(f"p.{name}") for name in ("k", "n", "m", "j", "q"))
K0, KN, N0, W, M0, R = (e.var(f"p.{name}") for name in ("k0", "kn", "n0", "w", "m0", "r"))


class WordPacking:
    """Writes the packing of both operands of a product."""

    def __init__(self, frame: Frame, words: Words):
        self.frame, self.words, self.lanes = frame, words, frame.sizes.lanes
        self.inner = frame.dims(frame.blocks.inner)

    # --- words of neighbours across ---------------------------------------------------------------

    def _across(
        self,
        axes: Sequence[Axis],
        element: Callable[[], Expr],
        along: str,
        at: Expr,
        mask: Expr | None,
    ) -> Expr:
        """Word p.k of a vector of rows or columns `along` from `at` on, summand by summand."""
        frame, total = self.frame, None
        for u in range(self.words.group):
            summand = (K0 + K) * self.words.group + u
            frame.bind(axes, e.minimum(summand, self.inner - 1))
            value = self.words.member(narrow(element(), frame.sum_type))
            vector = e.cast(widened(value, along, at, self.lanes, mask), uint32)
            if not self._whole(self.words.group):
                vector = e.select(summand < self.inner, vector, e.const(0, uint32))
            placed = vector << u * (32 // self.words.group) if u else vector
            total = placed if total is None else total | placed
        assert total is not None
        return total

    def _along(self, element: Callable[[], Expr], words: Expr, mask: Expr | None) -> Expr:
        """A vector of words of one row or column, from the word `words` of the block on."""
        value = self.words.member(narrow(element(), self.frame.sum_type))
        count = self.lanes * self.words.group
        return e.join(widened(value, "p.k", words * self.words.group, count, mask), uint32)

    def _inside(self, words: Expr) -> Expr | None:
        """Which numbers of a vector of words are summands, where not all of them certainly are."""
        count = self.lanes * self.words.group
        if self._whole(count):
            return None
        return ramp((K0 + words) * self.words.group, count) < self.inner

    def _whole(self, count: int) -> bool:
        inner = self.frame.blocks.inner
        return isinstance(inner, int) and inner % count == 0

    # --- the right operand ------------------------------------------------------------------------

    def right(self) -> list[Stmt]:
        """Packs words p.k0 .. +p.kn of columns p.n0 .. +p.w; lanes beyond hold anything."""
        along = self.frame.product.right.along
        packed = self._transposed() if along == "inner" else self._lines()
        return [*packed, *(self._starts() if self.words.offset else [])]

    def _lines(self) -> list[Stmt]:
        frame, panel = self.frame, self.frame.sizes.panel
        frame.bind(frame.product.columns, N)
        whole, columns = W / panel, frame.blocks.columns
        line = For("p.j", ZERO, whole, tuple(self._line(masked=False)))
        main: list[Stmt] = [For("p.k", ZERO, KN, (line,))]
        if isinstance(columns, int) and columns % panel == 0:
            return main
        rest = For("p.k", ZERO, KN, (Let("p.j", whole), *self._line(masked=True)))
        return [*main, If(whole * panel < W, (rest,))]

    def _line(self, *, masked: bool) -> list[Stmt]:
        """One line of one panel, vector by vector."""
        frame, sizes = self.frame, self.frame.sizes
        out: list[Stmt] = []
        for v in range(sizes.vectors):
            column = J * sizes.panel + v * self.lanes
            mask = ramp(column, self.lanes) < W if masked else None
            word = self._across(frame.product.right.inner, frame.right, "p.n", N0 + column, mask)
            target = J * panel_stride(sizes) + K * sizes.panel + v * self.lanes
            out.append(Store(RIGHT, frame.vector(target), word))
        return out

    def _transposed(self) -> list[Stmt]:
        """Squares of words are read along the sum and written along the columns."""
        frame, sizes, n = self.frame, self.frame.sizes, self.lanes
        inside = self._inside(Q * n)
        mask = None if inside is None else e.var("p.inside", bool_, n * self.words.group)
        frame.bind(frame.product.right.inner, K0 * self.words.group + K)
        rows: list[Expr] = []
        for c in range(n):
            frame.bind(frame.product.columns, N0 + e.minimum(J * n + c, W - 1))
            rows.append(self._along(frame.right, Q * n, mask))
        part = e.rem(J, e.const(sizes.vectors, J.dtype))
        first = J / sizes.vectors * panel_stride(sizes) + part * n + Q * n * sizes.panel
        stores = [
            Store(RIGHT, e.ramp(first + r * sizes.panel, n), vector)
            for r, vector in enumerate(e.transpose(rows))
        ]
        let = [] if inside is None else [Let("p.inside", inside)]
        squares = For("p.q", ZERO, parts(KN, n), (*let, *stores))
        return [For("p.j", ZERO, parts(W, n), (squares,))]

    def _starts(self) -> list[Stmt]:
        """What the sums begin with: less what the 128 added to every left number will add."""
        frame, sizes = self.frame, self.frame.sizes
        offsets = e.broadcast(e.const(OFFSETS, uint32), self.lanes)
        zero = e.broadcast(e.const(0, frame.sum_type), self.lanes)
        totals = [e.var(f"p.start{v}", frame.sum_type, self.lanes) for v in range(sizes.vectors)]
        step: list[Stmt] = []
        for v, total in enumerate(totals):
            at = frame.vector(J * panel_stride(sizes) + K * sizes.panel + v * self.lanes)
            word = e.load(RIGHT, at, uint32)
            step.append(Assign(str(total.attr), self.words.dot(offsets, word, total)))
        body: list[Stmt] = [Declare(str(total.attr), zero) for total in totals]
        body.append(For("p.k", ZERO, KN, tuple(step)))
        for v, total in enumerate(totals):
            at = frame.vector(J * sizes.panel + v * self.lanes)
            body.append(Store(STARTS, at, zero - total))
        return [For("p.j", ZERO, parts(W, sizes.panel), tuple(body))]

    # --- the left operand -------------------------------------------------------------------------

    def left(self) -> list[Stmt]:
        """Packs words p.k0 .. +p.kn of rows p.m0 + p.r .. +p.rows, or of a whole group of tiles."""
        if self.frame.product.left.along == "free":
            first = e.equal(e.rem(e.var("p.t"), group(self.frame)), 0)
            return [If(first, tuple(self._side_by_side()))]
        return self._rows()

    def _rows(self) -> list[Stmt]:
        frame, n = self.frame, self.lanes
        inside = self._inside(Q * n)
        mask = None if inside is None else e.var("p.inside", bool_, n * self.words.group)
        decode = frame.bind(frame.product.rows, M0 + R + M)
        frame.bind(frame.product.left.inner, K0 * self.words.group + K)
        word = self._along(frame.left, Q * n, mask)
        let = [] if inside is None else [Let("p.inside", inside)]
        store = Store(LEFT, e.ramp(M * row_stride(frame.sizes) + Q * n, n), self._offset(word))
        words = For("p.q", ZERO, parts(KN, n), (*let, store))
        return [For("p.m", ZERO, e.var("p.rows"), (*decode, words))]

    def _side_by_side(self) -> list[Stmt]:
        frame = self.frame
        decode = frame.bind(frame.product.rows, M)
        assert not decode, "such rows are one axis"
        stores: list[Stmt] = []
        for row in range(0, left_line(frame), self.lanes):
            mask = ramp(R + row, self.lanes) < e.var("p.h")
            word = self._across(frame.product.left.inner, frame.left, "p.m", M0 + R + row, mask)
            stores.append(Store(LEFT, frame.vector(K * left_line(frame) + row), self._offset(word)))
        return [For("p.k", ZERO, KN, tuple(stores))]

    def _offset(self, word: Expr) -> Expr:
        return word ^ e.const(OFFSETS, uint32) if self.words.offset else word
