"""Lowers the gradient of Winograd's convolutions for their kernels: tiles of images and of
cotangents are transformed, multiplied and summed at each point, and the sums transformed to taps.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Accumulate, Alloc, Declare, For, Let, Stmt, Store
from graphc.backends.lower.convolutions.winograd_product import product
from graphc.backends.lower.convolutions.winograd_sizes import GAP, Image, most_tiles, registers
from graphc.backends.lower.convolutions.winograd_tiles import (
    ZERO,
    K,
    N,
    Patch,
    T,
    X,
    Y,
    along,
    element,
    every,
    placed,
)  # fmt: skip
from graphc.backends.lower.convolutions.winograd_transform import Transform, scratch, turned
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.products.epilogue import Epilogue
from graphc.ir.dims import Dim, floordiv, index, maximum
from graphc.ir.dtypes import float32
from graphc.ir.node import Node
from graphc.ops.convolutions.packed import panel_of
from graphc.ops.convolutions.winograd_matrices import TAPS, transforms
from graphc.passes.fusion.body import Body

IMAGES, COTANGENTS, SUMS, RESULTS = "w.images", "w.cotangents", "w.sums", "w.results"
#: Channels of images that a chunk sums over positions, at most.
MOST_CHANNELS = 64
FIRST, COUNT, POINT, ROW = (e.var(f"w.{name}") for name in ("first", "count", "p", "c"))
PART, PANEL, RUN, FROM, TO = (e.var(f"w.{name}") for name in ("part", "panel", "run", "from", "to"))


def lower_kernels(body: Body, schedule: Schedule, fail: Callable[[Node, str], int]) -> list[Call]:
    """The kernels of the sums, one for each way to go, of which one has chunks."""
    ways = body.node.attrs["ways"]
    return [_Kernels(body, schedule, fail, *way).one_call() for way in ways]


class _Kernels(Epilogue):
    """A chunk is a run of samples, a part of the images' channels and a panel of those of the
    cotangents.
    """

    def __init__(
        self,
        body: Body,
        schedule: Schedule,
        fail: Callable[[Node, str], int],
        results: int,
        taken: Dim,
    ):
        super().__init__(body, fail)
        node = body.node
        self.x, self.y = node.inputs
        self.transforms, self.taken = transforms(results), taken
        self.points = self.transforms.reach**2
        channels, panels = self.x.shape[3], self.y.shape[3]
        assert isinstance(channels, int) and isinstance(panels, int)
        self.width = panel_of(panels)
        self.panels = panels // self.width
        self.channels = next(c for c in range(MOST_CHANNELS, 0, -1) if channels % c == 0)
        self.parts = channels // self.channels
        extent = (self.y.shape[1], self.y.shape[2])
        self.runs = node.attrs["parts"]
        self.image = Image(self.transforms, self.x.shape[0], extent)
        tiles = floordiv(self.image.samples * self.image.each, maximum(self.runs, 1))
        both = self.channels + self.width
        self.tiles = most_tiles(self.image, tiles, both, schedule.positions)
        self.registers = registers(schedule, self.channels, self.width)
        matrices, r = self.transforms, self.registers
        self.of_images = Transform(matrices.of_images, self.channels, r)
        self.of_cotangents = Transform(turned(matrices.back), self.width, r)
        self.back = Transform(turned(matrices.of_kernels), self.width, r)
        rows = r.rows
        self.rows = -(-self.channels // rows) * rows
        self.apart = self.rows * self.width + GAP

    def one_call(self) -> Call:
        """The kernel."""
        chunk = e.var("chunk")
        of_image = self.tiles * self.channels + GAP
        of_result = self.tiles * self.width + GAP
        self.strides = of_image, of_result
        tiles = (TO - FROM) * self.dims(self.image.each)
        block: list[Stmt] = [
            Let("w.first", e.var("w.block") * self.tiles),
            Let("w.count", e.minimum(e.const(self.tiles, T.dtype), tiles - FIRST)),
            self._transformed(IMAGES),
            self._transformed(COTANGENTS),
            self._products(),
        ]
        blocks = (tiles + (self.tiles - 1)) / self.tiles
        zero = Store(SUMS, K, e.const(0, float32))
        elements = self.points * self.apart
        lanes = self.registers.lanes
        statements: tuple[Stmt, ...] = (
            Alloc(IMAGES, float32, self.points * of_image + self.rows),
            Alloc(COTANGENTS, float32, self.points * of_result),
            Alloc(SUMS, float32, elements),
            Alloc(RESULTS, float32, TAPS**2 * self.width),
            *scratch(self.of_images, self.of_cotangents, self.back),
            Let("w.panel", e.rem(chunk, e.const(self.panels, T.dtype))),
            Let("w.part", e.rem(chunk / self.panels, e.const(self.parts, T.dtype))),
            *self._samples(chunk / (self.panels * self.parts)),
            along("w.k", e.const(elements, T.dtype), elements % lanes == 0, lanes, [zero]),
            For("w.block", ZERO, blocks, tuple(block)),
            self._taps(),
        )
        chunks = self.runs * self.parts * self.panels
        return self.call("winograd_kernels", statements, chunks * self.taken)

    def _samples(self, run: Expr) -> list[Stmt]:
        """Which samples a run has."""
        begin, end = RUN, RUN + 1
        if self.runs != self.image.samples:
            samples, runs = self.dims(self.image.samples), self.dims(self.runs)
            begin, end = begin * samples / runs, end * samples / runs
        return [Let("w.run", run), Let("w.from", begin), Let("w.to", end)]

    def _transformed(self, buffer: str) -> For:
        """Transforms a block of tiles of the images, or of the cotangents."""
        images = buffer == IMAGES
        x, size = (self.x, self.transforms.reach) if images else (self.y, self.transforms.results)
        transform = self.of_images if images else self.of_cotangents
        count = transform.channels
        before = self.body.node.attrs["before"] if images else (0, 0)
        stride = self.strides[0 if images else 1]

        def store(p: Expr, value: Expr) -> Store:
            return Store(buffer, T * count + K + p * stride, value)

        each = transform.of_patch(Patch(self, x, before, size), store)
        number = FROM * self.dims(self.image.each) + FIRST + T
        first = Let("w.c0", (PART if images else PANEL) * count)
        return For("w.t", ZERO, COUNT, (first, *placed(self, self.image, number), *each))

    def _products(self) -> For:
        """Adds the products of a block at every point."""
        of_image, of_result = self.strides
        body = product(
            self.registers,
            e.const(self.channels, T.dtype),
            self.width,
            COUNT,
            (IMAGES, lambda c, t: POINT * of_image + t * self.channels + c),
            (COTANGENTS, lambda t, column: POINT * of_result + t * self.width + column),
            (SUMS, lambda c, column: POINT * self.apart + c * self.width + column),
            added=True,
        )
        return For("w.p", ZERO, e.const(self.points, T.dtype), tuple(body))

    # --- results ----------------------------------------------------------------------------------

    def _taps(self) -> For:
        """The taps of every channel of the part, and the maps over them."""
        reach, width = self.transforms.reach, self.width

        def read(i: int) -> Expr:
            return element(SUMS, ROW * width + K + (e.var("w.s") + i * reach) * self.apart)

        def store(p: Expr, value: Expr) -> Store:
            return Store(RESULTS, K + p * width, value)

        body = [*self.back.checked(read, store, [self._as_defined()]), self._written()]
        return For("w.c", ZERO, e.const(self.channels, T.dtype), tuple(body))

    def _as_defined(self) -> For:
        """The taps of a channel as sums over positions."""
        height, width = (self.dims(d) for d in self.image.extent)
        term = Accumulate("w.total", "sum", self._seen() * self._cotangent())
        positions = For("w.y", ZERO, height, (For("w.x", ZERO, width, (term,)),))
        samples = For("w.n", FROM, TO, (positions,))
        at = (e.var("w.a") * TAPS + e.var("w.b")) * self.width + K
        sums: list[Stmt] = [
            Declare("w.total", e.const(0, float32)),
            samples,
            Store(RESULTS, at, e.var("w.total", float32)),
        ]
        return self._each_tap([self.back.along(sums)])

    def _each_tap(self, body: list[Stmt]) -> For:
        three = e.const(TAPS, T.dtype)
        return For("w.a", ZERO, three, (For("w.b", ZERO, three, tuple(body)),))

    def _seen(self) -> Expr:
        """What tap (w.a, w.b) sees at position (w.y, w.x)."""
        before, reader = self.body.node.attrs["before"], self.reader
        reader.forget()
        place = [index(f"w.{name}") for name in ("n", "ay", "ax", "c")]
        starts = (Y + e.var("w.a"), X + e.var("w.b"))
        positions = [s - self.dims(a) for s, a in zip(starts, before, strict=True)]
        ends = [self.dims(d) for d in self.x.shape[1:3]]
        inside = [p >= ZERO for p in positions]
        inside += [p < end for p, end in zip(positions, ends, strict=True)]
        values = (N, *positions, PART * self.channels + ROW)
        for variable, value in zip(place, values, strict=True):
            self.dims.bind(variable, value)
        zero = e.const(0, float32)
        at = tuple(place)
        return reader.choose(every(inside), lambda: reader.at(self.x, at), lambda: zero)

    def _cotangent(self) -> Expr:
        variables = [index(f"w.{name}") for name in ("n", "y", "x", "o")]
        values = (N, Y, X, PANEL * self.width + K)
        for variable, value in zip(variables, values, strict=True):
            self.dims.bind(variable, value)
        return self.reader.at(self.y, tuple(variables))

    def _written(self) -> For:
        """The maps over the taps of a channel."""
        a, b = e.var("w.a"), e.var("w.b")
        channel, result = PART * self.channels + ROW, PANEL * self.width + K
        self.bind(self.body.node.types[0].shape, (RUN, a, b, channel, result))
        dot = element(RESULTS, (a * TAPS + b) * self.width + K)
        return self._each_tap(
            [self.back.along([Let("w.dot", dot), *self.maps(e.var("w.dot", float32))])]
        )
