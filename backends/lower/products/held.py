"""Products of some rows and few columns: registers hold the sums over all summands, while the right
operand's lines, of a vector or two, are read where they lie.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Assign, Declare, For, If, Let, Stmt, Store
from graphc.backends.loops.widen import widened
from graphc.backends.lower.products.chains import chain_of
from graphc.backends.lower.products.frame import SUMS, ZERO, Frame, parts
from graphc.backends.lower.products.sizes import NARROW
from graphc.ir.dtypes import bool_

#: Rows that are summed at once; twice as many where registers suffice, so that the lines are read
#: half as often; and sums of a vector of columns whose additions hide each other's latency.
ROWS, SUMS_AT_ONCE = 4, 8

H, W, M0, N0 = (e.var(f"p.{name}") for name in ("h", "w", "m0", "n0"))
ROW, COLUMN, K, GROUP, CHAIN, PANEL = (e.var(f"p.{x}") for x in ("m", "n", "k", "q", "c", "j"))


def held_sums(frame: Frame) -> list[Stmt]:
    """The sums of a block, `few_width` apart: vectors of columns two by two, then one if left."""
    lanes, columns = frame.sizes.lanes, frame.blocks.columns
    two = NARROW * lanes
    pairs = (W + (lanes - 1)) / two
    several = For("p.j", ZERO, pairs, tuple(_Held(frame, NARROW, PANEL * two).block()))
    one = If(pairs * two < W, tuple(_Held(frame, 1, pairs * two).block()))
    if not isinstance(columns, int) or frame.blocks.across != 1:
        return [several, one]
    left = columns - (columns + lanes - 1) // two * two
    return [*([several] if columns > lanes else []), *([one] if left > 0 else [])]


class _Held:
    """The sums of so many vectors of columns from a column of the block on."""

    def __init__(self, frame: Frame, vectors: int, start: Expr):
        self.frame, self.vectors, self.start = frame, vectors, start
        self.lanes, self.dtype = frame.sizes.lanes, frame.sum_type
        self.masks = [e.var(f"p.inside{v}", bool_, self.lanes) for v in range(vectors)]

    def block(self) -> list[Stmt]:
        """Some rows at a time, and one if it is left."""
        inside = [
            Let(str(mask.attr), e.ramp(self.start + v * self.lanes, self.lanes) < W)
            for v, mask in enumerate(self.masks)
        ]
        first, most = self._most()
        several = [first + GROUP * ROWS + i for i in range(ROWS)]
        tiles = (H - first + ROWS // 2) / ROWS
        return [
            *inside,
            *most,
            For("p.q", ZERO, tiles, tuple(self._rows(several))),
            For("p.m", first + tiles * ROWS, H, tuple(self._rows([ROW]))),
        ]

    def _most(self) -> tuple[Expr, list[Stmt]]:
        """Twice as many rows at a time, or most of as many, and the first one that is left."""
        rows, count = 2 * ROWS, self.frame.blocks.rows
        known_few = isinstance(count, int) and count < rows
        if known_few or self.vectors * (rows + 1) > self.frame.sizes.operands:
            return ZERO, []
        tiles = (H + (ROWS - 1)) / rows
        several = [GROUP * rows + i for i in range(rows)]
        return tiles * rows, [For("p.q", ZERO, tiles, tuple(self._rows(several)))]

    def _rows(self, rows: Sequence[Expr]) -> list[Stmt]:
        """The sums of these rows, chain after chain, the summands of a chain in turn to some.

        For rows beyond the last, it is read again.
        """
        frame = self.frame
        read = [e.minimum(row, H - 1) for row in rows] if len(rows) > 1 else rows
        turns = max(1, SUMS_AT_ONCE // (len(rows) * self.vectors))
        inner = frame.dims(frame.blocks.inner)
        chain = chain_of(frame.blocks.inner)
        first, last = ZERO, inner
        if chain is not None:
            first, last = CHAIN * chain, e.minimum(CHAIN * chain + chain, inner)
        zero = e.broadcast(e.const(0, self.dtype), self.lanes)
        names = [
            _name(i, v, u)
            for i in range(len(rows))
            for v in range(self.vectors)
            for u in range(turns)
        ]
        whole = (last - first) / turns
        summands = [*(first + e.var("p.s") * turns + u for u in range(turns)), K]
        decode, left = self._left(read, summands)
        steps = [s for u in range(turns) for s in self._step(left[u], summands[u], u)]
        body: list[Stmt] = [Declare(name, zero) for name in names]
        body.append(For("p.s", ZERO, whole, tuple(steps)))
        if turns > 1:
            body.append(For("p.k", first + whole * turns, last, tuple(self._step(left[-1], K, 0))))
        body += self._stores(rows, turns, chained=chain is not None)
        if chain is None:
            return [*decode, *body]
        count = e.maximum(parts(inner, chain), 1)
        return [*decode, For("p.c", ZERO, count, tuple(body))]

    def _left(
        self, rows: Sequence[Expr], summands: Sequence[Expr]
    ) -> tuple[list[Stmt], list[list[Expr]]]:
        """What finds these rows, and for each summand the left operand's elements in them."""
        frame, decode = self.frame, list[Stmt]()
        left: list[list[Expr]] = [[] for _ in summands]
        for row in rows:
            decode += frame.bind(frame.product.rows, M0 + row)
            for k, elements in zip(summands, left, strict=True):
                frame.bind(frame.product.left.inner, k)
                elements.append(frame.left())
        return decode, left

    def _step(self, left: Sequence[Expr], k: Expr, turn: int) -> list[Stmt]:
        """A summand of each sum, whose elements of the left operand these are."""
        frame = self.frame
        frame.bind(frame.product.columns, N0 + COLUMN)
        frame.bind(frame.product.right.inner, k)
        right = frame.right()
        out: list[Stmt] = []
        line: list[Expr] = []
        for v, mask in enumerate(self.masks):
            start = self.start + v * self.lanes
            name = f"p.b{v}.{turn}"
            out.append(Let(name, widened(right, "p.n", start, self.lanes, mask)))
            line.append(e.var(name, self.dtype, self.lanes))
        for i, element in enumerate(left):
            a = e.broadcast(element, self.lanes)
            for v, b in enumerate(line):
                name = _name(i, v, turn)
                total = e.var(name, self.dtype, self.lanes)
                out.append(Assign(name, frame.multiply_add(a, b, total)))
        return out

    def _stores(self, rows: Sequence[Expr], turns: int, *, chained: bool) -> list[Stmt]:
        out: list[Stmt] = []
        for i, row in enumerate(rows):
            for v in range(self.vectors):
                at = e.ramp(
                    row * self.frame.sizes.few_width + self.start + v * self.lanes, self.lanes
                )
                sums = [e.var(_name(i, v, u), self.dtype, self.lanes) for u in range(turns)]
                while len(sums) > 1:
                    sums = [a + b for a, b in zip(sums[::2], sums[1::2], strict=True)]
                total = sums[0]
                if chained:
                    before = e.load(SUMS, at, self.dtype)
                    total = total + e.select(CHAIN > 0, before, 0)
                out.append(Store(SUMS, at, total))
        return out


def _name(i: int, v: int, u: int) -> str:
    return f"p.sum{i}.{v}.{u}"
