"""Lowers convolutions with packed kernels: what the taps see at a block of positions is laid out,
some taps at a time, and multiplied with panel after panel of the kernels where they lie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Alloc, For, If, Let, Stmt, Store
from graphc.backends.lower.convolutions.blocks import FEWEST_CHUNKS, Block, chunk_of
from graphc.backends.lower.convolutions.rows import lower_by_rows
from graphc.backends.lower.convolutions.terms import terms_of
from graphc.backends.lower.convolutions.winograd_product import product
from graphc.backends.lower.convolutions.winograd_sizes import (
    GAP,
    KEPT_BYTES,
    MOST_WORK,
    registers,
)
from graphc.backends.lower.convolutions.winograd_tiles import ZERO, K, T, along, every
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.nests.loops import steps_as_one
from graphc.backends.lower.products.chains import chain_of
from graphc.backends.lower.products.epilogue import Epilogue
from graphc.ir.dim_values import product as size_of
from graphc.ir.dims import index
from graphc.ir.dtypes import DType, bool_
from graphc.ir.node import Node
from graphc.machine import FLOAT
from graphc.ops.convolutions.packed import sees_each_once
from graphc.passes.fusion.body import Body

SEEN, SUMS = "w.seen", "w.sums"
FIRST, COUNT, PANEL, GROUP, LINE, DEPTH = (
    e.var(f"w.{name}") for name in ("first", "count", "panel", "group", "q", "d")
)
#: Positions of a block, and panels whose sums are kept while their summands come bit by bit.
MOST_POSITIONS = 64
MOST_PANELS = 16
#: Positions at which images are computed at once, so that what they share is read once.
TOGETHER = 4


def lower_packed(body: Body, schedule: Schedule, fail: Callable[[Node, str], int]) -> list[Call]:
    """The kernel of a convolution with packed kernels."""
    return lower_by_rows(body, schedule, fail) or [_Packed(body, schedule, fail).one_call()]


class _Packed(Epilogue):
    """A chunk is a block of positions and a group of panels of the result's channels.

    The sums of `kept` panels are in memory before what follows them is computed; of none, where
    that is done in registers.

    Summands come in `lines` of `line` neighbours: the channels under a tap or, if channels come
    first, a row of taps in a channel. `per` lines are laid out at a time, each in `room` elements.
    A sum takes `steps`, at `most` so many at a time.
    """

    def __init__(self, body: Body, schedule: Schedule, fail: Callable[[Node, str], int]):
        super().__init__(body, fail)
        self.reader.fused = schedule.fused
        node = body.node
        self.attrs = node.attrs
        self.x, self.u = node.inputs
        self.terms = terms_of(node, schedule)
        panels, steps, width = self.u.shape[:3]
        channels = self.x.shape[1 if self.attrs["channels_first"] else 3]
        assert isinstance(panels, int) and isinstance(steps, int) and isinstance(width, int)
        assert isinstance(channels, int), "kernels are for so many channels"
        self.panels, self.steps, self.width = panels, steps, width
        taps = self.attrs["taps"]
        self.first = self.attrs["channels_first"]
        self.line, self.lines = channels, taps[0] * taps[1]
        if self.first:
            self.line, self.lines = taps[1], channels * taps[0]
        self.room = self.terms.room(self.line)
        self.positions = size_of(node.types[0].shape[:3])
        self.computed = self.x not in self.names and sees_each_once(node)
        self.block = Block(self.positions, self._most(schedule), panels)
        if self.computed:
            self.block = Block(self.positions, MOST_POSITIONS, 1, FEWEST_CHUNKS)
        fitting = KEPT_BYTES // (self.block.widest * self.room * self.terms.seen_type.bytes)
        self.depths = -(-self.lines // max(1, fitting))
        self.per = -(-self.lines // self.depths)
        if self.depths > 1:
            fewest = -(-panels // MOST_PANELS)
            least = next(g for g in range(fewest, panels + 1) if panels % g == 0)
            self.block = replace(self.block, least=least)
        self.lanes = schedule.lanes(32)
        self.registers = registers(schedule, self.block.widest, width, self.block.named)
        rows = self.registers.rows
        tiles = -(-self.block.widest // TOGETHER) * TOGETHER
        self.rows = max(-(-self.block.widest // rows) * rows, tiles)
        self.as_one = steps_as_one(body)
        self.most = self.per * self.room // self.terms.group
        in_chains = self.sums_type.is_float and chain_of(self.most) is not None
        self.kept = 1 if in_chains or self.work > MOST_WORK else 0
        if self.depths > 1:
            groups = self.block.groups
            self.kept = panels // (groups if isinstance(groups, int) else self.block.least)
        gap = GAP * FLOAT // self.terms.seen_type.bytes
        self.apart = self.per * self.room + gap, self.rows * width + GAP

    @property
    def sums_type(self) -> DType:
        """The dtype of the sums."""
        return self.terms.sum_type

    def _most(self, schedule: Schedule) -> int:
        """Positions of a block."""
        return min(schedule.positions, 4 * MOST_POSITIONS) or MOST_POSITIONS

    def one_call(self) -> Call:
        """The kernel."""
        chunk = chunk_of(self.block, self.dims)
        panels = self.dims(self.panels) if self.computed else chunk.panels
        start: list[Stmt] = [
            *chunk.first,
            Let("w.first", e.rem(e.var("chunk"), chunk.count) * chunk.tiles),
            Let("w.count", e.minimum(chunk.tiles, chunk.total - FIRST)),
            Let("w.group", e.var("chunk") / chunk.count * panels),
        ]
        whole = [self._results()] if self.kept and self.depths == 1 else []
        later = [] if self.depths == 1 else [For("w.panel", ZERO, panels, (self._results(),))]
        depth: list[Stmt] = [
            Let("w.l0", DEPTH * self.per),
            Let(
                "w.ln",
                e.minimum(e.const(self.per, T.dtype), e.const(self.lines, T.dtype) - e.var("w.l0")),
            ),
            self._laid_out(),
            For("w.panel", ZERO, panels, (*self._products(), *whole)),
        ]
        statements: tuple[Stmt, ...] = (
            Alloc(SEEN, self.terms.seen_type, self.rows * self.apart[0]),
            *([Alloc(SUMS, self.sums_type, self.kept * self.apart[1])] if self.kept else []),
            *start,
            *self._cleared(self.kept),
            For("w.d", ZERO, e.const(self.depths, T.dtype), tuple(depth)),
            *later,
        )
        return self.call("convolution", statements, self.block.chunks)

    def _sum(self, position: Expr, column: Expr) -> Expr:
        """Where a sum of panel w.panel is kept."""
        at = position * self.width + column
        return PANEL * self.apart[1] + at if self.depths > 1 else at

    def _cleared(self, panels: int) -> list[Stmt]:
        if self.depths == 1:
            return []
        elements = panels * self.apart[1]
        lanes = self.registers.lanes
        zero = Store(SUMS, K, e.const(0, self.sums_type))
        return [along("w.k", e.const(elements, T.dtype), elements % lanes == 0, lanes, [zero])]

    # --- what the taps see ------------------------------------------------------------------------

    def _place(self, at: Expr, name: str = "") -> list[Stmt]:
        """Where a position lies: w.n, w.y and w.x of that name."""
        _, down, across = (self.dims(d) for d in self.body.node.types[0].shape[:3])
        return [
            Let(f"w.at{name}", at),
            Let(f"w.row{name}", e.var(f"w.at{name}") / across),
            Let(f"w.n{name}", e.var(f"w.row{name}") / down),
            Let(f"w.y{name}", e.rem(e.var(f"w.row{name}"), down)),
            Let(f"w.x{name}", e.rem(e.var(f"w.at{name}"), across)),
        ]

    def _laid_out(self) -> For:
        """Lays out lines w.l0 .. +w.ln for every position of the block."""
        if self.computed:
            return self._taken_in()
        taps = self.attrs["taps"]
        wide = e.const(taps[0] if self.first else taps[1], T.dtype)
        number = e.var("w.l0") + LINE
        halves = [Let("w.a", e.rem(number, wide)), Let("w.c", number / wide)]
        if not self.first:
            halves = [Let("w.a", number / wide), Let("w.b", e.rem(number, wide))]
        value = self.terms.seen(self._seen())
        store = Store(SEEN, T * self.apart[0] + LINE * self.room + K, value)
        line = self._along_channels([store])
        lines = For("w.q", ZERO, e.var("w.ln"), (*halves, line))
        return For("w.t", ZERO, COUNT, (*self._place(FIRST + T), lines))

    def _taken_in(self) -> For:
        """Computes what is laid out, at some positions at once."""
        last = self.dims(self.positions) - 1
        place: list[Stmt] = []
        for i in range(TOGETHER):
            at = e.minimum(FIRST + e.var("w.s") * TOGETHER + i, last)
            place += self._place(at, f"{i}")
        with self.reader.presuming(K.attr) as conditions:
            within = self._computed()
        for condition in conditions:
            place.append(Let(f"w.c{len(place)}", condition))
        holds = [e.var(s.name, bool_) for s in place[-len(conditions) :] if isinstance(s, Let)]
        lines: list[Stmt] = [within]
        if conditions:
            lines = [If(every(holds), (within,), (self._computed(),))]
        groups = (COUNT + (TOGETHER - 1)) / TOGETHER
        return For("w.s", ZERO, groups, (*place, *lines))

    def _computed(self) -> For:
        """The values at positions w.y0, w.x0 ... of every channel."""
        reader, out = self.reader, list[Stmt]()
        reader.forget()
        self.dims.bind(index("w.c"), K)
        for i in range(TOGETHER):
            for name in "nyx":
                self.dims.bind(index(f"w.{name}{i}"), e.var(f"w.{name}{i}"))
            at = (*(index(f"w.{name}{i}") for name in "nyx"), index("w.c"))
            out.append(Let(f"w.v{i}", reader.at(self.x, at)))
        for i in range(TOGETHER):
            row = (e.var("w.s") * TOGETHER + i) * self.apart[0]
            value = self.terms.seen(e.var(f"w.v{i}", self.x.dtype))
            out.append(Store(SEEN, row + K, value))
        return self._along_channels(out)

    def _along_channels(self, body: list[Stmt]) -> For:
        return along(
            "w.k", e.const(self.line, T.dtype), self.line % self.lanes == 0, self.lanes, body
        )

    def _seen(self) -> Expr:
        """Element w.k of line (w.a, w.b), or (w.c, w.a) if channels come first."""
        reader = self.reader
        reader.forget()
        last = K if self.first else e.var("w.b")
        inside: list[Expr] = []
        places = {"n": e.var("w.n"), "c": e.var("w.c") if self.first else K}
        sizes = self.x.shape[2:] if self.first else self.x.shape[1:3]
        for k, (name, tap) in enumerate((("y", e.var("w.a")), ("x", last))):
            at = e.var(f"w.{name}") * self.attrs["strides"][k] + tap
            places[name] = at - self.dims(self.attrs["before"][k])
            inside += [places[name] >= ZERO, places[name] < self.dims(sizes[k])]
        for name, value in places.items():
            self.dims.bind(index(f"w.{name}"), value)
        at_ = tuple(index(f"w.{name}") for name in ("ncyx" if self.first else "nyxc"))
        zero = e.const(0, self.x.dtype)
        return reader.choose(every(inside), lambda: reader.at(self.x, at_), lambda: zero)

    # --- sums -------------------------------------------------------------------------------------

    def _products(self) -> list[Stmt]:
        words, group = self.room // self.terms.group, self.terms.group
        start = (GROUP + PANEL) * self.steps + e.var("w.l0") * words
        return product(
            self.registers,
            COUNT,
            self.width,
            e.var("w.ln") * words,
            (SEEN, lambda t, k: t * self.apart[0] + k * group),
            (self.names[self.u], lambda k, column: (start + k) * self.width + column),
            (SUMS, self._sum) if self.kept else self._finish,
            added=self.depths > 1,
            most=self.most if self.sums_type.is_float else 0,
            terms=self.terms,
        )

    def _results(self) -> For:
        """The maps over the sums of a panel."""
        channel = (GROUP + PANEL) * self.width + K
        place = self._bound(FIRST + T, channel)
        dot = e.load(SUMS, self._sum(T, K), self.sums_type)
        maps = [Let("w.dot", dot), *self.maps(e.var("w.dot", self.sums_type))]
        lanes = self.registers.lanes
        even = self.width % lanes == 0
        line = along("w.k", e.const(self.width, T.dtype), even, lanes, maps)
        return For("w.t", ZERO, COUNT, (*place, line))

    def _finish(self, t: Expr, column: Expr, total: Expr) -> list[Stmt]:
        """The maps over a sum in registers."""
        place = self._bound(FIRST + t, (GROUP + PANEL) * self.width + column)
        return [*place, Let("w.dot", total), *self.maps(e.var("w.dot", self.sums_type))]

    def _bound(self, at: Expr, channel: Expr) -> list[Stmt]:
        """Binds the domain's variables at a position."""
        shape = self.body.node.types[0].shape
        if not self.as_one:
            self.bind(shape, (e.var("w.n"), e.var("w.y"), e.var("w.x"), channel))
            return self._place(at)
        last = max((k for k, d in enumerate(shape[:3]) if d != 1), default=0)
        self.bind(shape, (*(at if k == last else ZERO for k in range(3)), channel))
        return []
