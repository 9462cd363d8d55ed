"""Loops over summands whose axes do not join: line by line of the last axis."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, Let, Stmt
from graphc.backends.lower.products.axes import Axis
from graphc.backends.lower.products.frame import ZERO, Frame, parts

K, K0, KN, LINE = (e.var(f"p.{name}") for name in ("k", "k0", "kn", "l"))


class Lines:
    """The summands p.k0 .. +p.kn along some axes, whose variables are bound from now on."""

    def __init__(self, frame: Frame, axes: Sequence[Axis]):
        self.frame, self.single = frame, len(axes) <= 1
        if self.single:
            frame.bind(axes, K0 + K)
            return
        self.length = axes[-1].extent
        self.extent = e.maximum(frame.dims(self.length), 1)
        self.decode = frame.bind(axes[:-1], LINE)
        frame.bind(axes[-1:], K0 + K - LINE * self.extent)

    def _even(self) -> bool:
        """Whether every stretch of a line is whole vectors."""
        lanes, inner = self.frame.sizes.lanes, self.frame.blocks.inner
        lengths = [inner] if self.single else [inner, self.length]
        return all(isinstance(d, int) and d % lanes == 0 for d in lengths)

    def loop(self, body: Sequence[Stmt], *, vector: bool = False) -> list[Stmt]:
        """The body for each summand p.k of the block, counted from its first."""
        if self.single:
            return [self._along(ZERO, KN, body, vector)]
        start = LINE * self.extent - K0
        begin, end = e.maximum(start, 0), e.minimum(start + self.extent, KN)
        inside = self._along(begin, end, body, vector)
        return [self._lines([inside])]

    def squares(self, mask: Expr, body: Sequence[Stmt]) -> list[Stmt]:
        """The body for as many summands as lanes, from p.line on, where the mask holds."""
        n = self.frame.sizes.lanes
        begin, end = e.var("p.begin"), e.var("p.end")
        line = begin + e.var("p.q") * n
        inside = Let(str(mask.attr), e.ramp(e.var("p.line"), n) < end)
        loop = For("p.q", ZERO, parts(end - begin, n), (Let("p.line", line), inside, *body))
        if self.single:
            return [Let("p.begin", ZERO), Let("p.end", KN), loop]
        start = LINE * self.extent - K0
        ends = [
            Let("p.begin", e.maximum(start, 0)),
            Let("p.end", e.minimum(start + self.extent, KN)),
        ]
        return [self._lines([*ends, loop])]

    def _lines(self, body: Sequence[Stmt]) -> For:
        """The body for each line of the block: of no summands none, for which axes without
        elements would be divided by.
        """
        end = (K0 + KN + self.extent - 1) / self.extent
        return For("p.l", K0 / self.extent, end, (*self.decode, *body))

    def _along(self, begin: Expr, end: Expr, body: Sequence[Stmt], vector: bool) -> For:
        if not vector:
            return For("p.k", begin, end, tuple(body))
        lanes = self.frame.sizes.lanes
        return For("p.k", begin, end, tuple(body), "vector", lanes, 1, self._even())
