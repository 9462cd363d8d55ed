"""Lowers convolutions of images of few channels with packed kernels: the lines that some rows of
results see are laid out between zeros, and multiplied where they lie.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Alloc, For, Let, Stmt, Store
from graphc.backends.lower.convolutions.terms import terms_of
from graphc.backends.lower.convolutions.winograd_product import product
from graphc.backends.lower.convolutions.winograd_sizes import (
    GAP,
    KEPT_BYTES,
    MOST_WORK,
    registers,
)
from graphc.backends.lower.convolutions.winograd_tiles import ZERO, K, T, along, every
from graphc.backends.lower.counts import divide_up
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.products.epilogue import Epilogue
from graphc.ir.dims import Dim, index
from graphc.ir.node import Node
from graphc.passes.fusion.body import Body

SEEN, SUMS = "w.seen", "w.sums"
N, FIRST, LINE, CHANNEL, TAP, AT, PANEL, BLOCK, LEFT = (
    e.var(f"w.{name}") for name in ("n", "first", "line", "c", "a", "b", "panel", "block", "left")
)
#: Positions of a chunk, in whole rows; tiles of a part of a row whose length is not known.
POSITIONS = 256
TILES = 8


def lower_by_rows(
    body: Body, schedule: Schedule, fail: Callable[[Node, str], int]
) -> list[Call] | None:
    """The kernel of a convolution whose images have their channels first; None where a row is too
    long.
    """
    if not body.node.attrs["channels_first"] or body.node.types[0].shape[2] == 0:
        return None
    lowering = _ByRows(body, schedule, fail)
    kept = lowering.lines * lowering.long * lowering.terms.seen_type.bytes
    return [lowering.one_call()] if kept <= KEPT_BYTES else None


class _ByRows(Epilogue):
    """A chunk is `rows` rows of a sample's results, or parts of at most `most` positions of them
    where the length of a row is not known.

    Of each channel `high` lines of the image are laid out, `long` elements each. The sums are
    `kept` in memory where what follows them is too long to be written out for each register.
    """

    def __init__(self, body: Body, schedule: Schedule, fail: Callable[[Node, str], int]):
        super().__init__(body, fail)
        node = body.node
        self.attrs, self.across = node.attrs, node.types[0].shape[2]
        self.x, self.u = node.inputs
        self.terms = terms_of(node, schedule)
        panels, _, width = self.u.shape[:3]
        channels = self.x.shape[1]
        assert isinstance(panels, int) and isinstance(width, int) and isinstance(channels, int)
        self.panels, self.width, self.channels = panels, width, channels
        self.lanes = schedule.lanes(32)
        self.most = self._most(schedule)
        named = not isinstance(self.across, int)
        self.registers = registers(schedule, self.most, width, named)
        self.tiled = -(-self.most // self.registers.rows) * self.registers.rows
        self.rows = max(1, POSITIONS // self.most)
        (down, right), (high, wide) = self.attrs["strides"], self.attrs["taps"]
        self.high = (self.rows - 1) * down + high
        self.words = self.terms.room(wide) // self.terms.group
        self.long = (self.tiled - 1) * right + self.terms.room(wide)
        self.lines = channels * self.high
        self.kept = self.work > MOST_WORK

    def _most(self, schedule: Schedule) -> int:
        """Positions of a part of a row."""
        if isinstance(self.across, int):
            return self.across
        return TILES * registers(schedule, POSITIONS, self.width).rows

    def one_call(self) -> Call:
        """The kernel."""
        samples, down = self.body.node.types[0].shape[:2]
        blocks = divide_up(down, self.rows)
        rows = e.minimum(e.const(self.rows, T.dtype), self.dims(down) - FIRST)
        panels = e.const(self.panels, T.dtype)
        later = [self._results()] if self.kept else []
        each = For("w.panel", ZERO, panels, (*self._products(), *later))
        scratch = (
            [Alloc(SUMS, self.terms.sum_type, self.tiled * self.width + GAP)] if self.kept else []
        )
        parts = 1 if isinstance(self.across, int) else divide_up(self.across, self.most)
        statements: tuple[Stmt, ...] = (
            Alloc(SEEN, self.terms.seen_type, self.lines * self.long),
            *scratch,
            *self._part(parts),
            Let("w.n", BLOCK / self.dims(blocks)),
            Let("w.first", e.rem(BLOCK, self.dims(blocks)) * self.rows),
            self._laid_out(),
            For("w.line", ZERO, rows, (each,)),
        )
        return self.call("convolution", statements, samples * blocks * parts)

    def _part(self, parts: Dim) -> list[Stmt]:
        """Which part of a row there is, in which block of them."""
        if isinstance(self.across, int):
            return [Let("w.block", e.var("chunk"))]
        count, across = self.dims(parts), self.dims(self.across)
        size = e.var("w.size")
        return [
            Let("w.block", e.var("chunk") / count),
            Let("w.size", (across + (count - 1)) / count),
            Let("w.left", e.rem(e.var("chunk"), count) * size),
            Let("w.span", e.minimum(size, across - LEFT)),
        ]

    @property
    def span(self) -> Expr:
        """Positions of the part."""
        across = self.across
        return e.const(across, T.dtype) if isinstance(across, int) else e.var("w.span")

    def _across(self, at: Expr) -> Expr:
        """The place in a row of a place in the part."""
        return at if isinstance(self.across, int) else LEFT + at

    def _laid_out(self) -> For:
        """Lays out what the taps see."""
        reader, sizes = self.reader, self.x.shape[2:]
        reader.forget()
        down, right = self.attrs["strides"]
        column = K if isinstance(self.across, int) else LEFT * right + K
        starts = (FIRST * down + TAP, column)
        inside: list[Expr] = []
        for name, start, before, size in zip(
            "yx", starts, self.attrs["before"], sizes, strict=True
        ):
            at = start - self.dims(before)
            inside += [at >= ZERO, at < self.dims(size)]
            self.dims.bind(index(f"w.{name}"), at)
        self.dims.bind(index("w.n"), N)
        self.dims.bind(index("w.c"), CHANNEL)
        place = tuple(index(f"w.{name}") for name in "ncyx")
        zero = e.const(0, self.x.dtype)
        value = reader.choose(every(inside), lambda: reader.at(self.x, place), lambda: zero)
        store = Store(SEEN, (CHANNEL * self.high + TAP) * self.long + K, self.terms.seen(value))
        length, even = e.const(self.long, T.dtype), self.long % self.lanes == 0
        if not isinstance(self.across, int):
            length, even = (self.span - 1) * right + self.attrs["taps"][1], False
        line = along("w.k", length, even, self.lanes, [store])
        lines = For("w.a", ZERO, e.const(self.high, T.dtype), (line,))
        return For("w.c", ZERO, e.const(self.channels, T.dtype), (lines,))

    def _products(self) -> list[Stmt]:
        """The sums of a panel for a row of results."""
        (down, right), high, words = self.attrs["strides"], self.attrs["taps"][0], self.words
        each = self.channels * high * words

        def steps(step: tuple[Stmt, ...]) -> Stmt:
            number = (CHANNEL * high + TAP) * words + AT
            row = CHANNEL * self.high + LINE * down + TAP
            start = Let("w.seen.at", row * self.long + AT * self.terms.group)
            loop = For("w.b", ZERO, e.const(words, T.dtype), (Let("w.k", number), start, *step))
            loop = For("w.a", ZERO, e.const(high, T.dtype), (loop,))
            return For("w.c", ZERO, e.const(self.channels, T.dtype), (loop,))

        return product(
            self.registers,
            self.span,
            self.width,
            steps,
            (SEEN, lambda t, k: e.var("w.seen.at") + t * right),
            (
                self.names[self.u],
                lambda k, column: (PANEL * each + k) * self.width + column,
            ),
            (SUMS, self._sum) if self.kept else self._finish,
            terms=self.terms,
        )

    def _sum(self, t: Expr, column: Expr) -> Expr:
        """Where a sum of the panel is kept."""
        return t * self.width + column

    def _results(self) -> For:
        """The maps over the sums of a panel."""
        maps = self._finish(T, K, e.load(SUMS, self._sum(T, K), self.terms.sum_type))
        lanes = self.registers.lanes
        line = along("w.k", e.const(self.width, T.dtype), True, lanes, maps)
        return For("w.t", ZERO, self.span, (line,))

    def _finish(self, t: Expr, column: Expr, total: Expr) -> list[Stmt]:
        """The maps over a sum."""
        where = (N, FIRST + LINE, self._across(t), PANEL * self.width + column)
        self.bind(self.body.node.types[0].shape, where)
        return [Let("w.dot", total), *self.maps(e.var("w.dot", total.dtype))]
