"""Lowers Winograd's convolutions: a block of tiles is transformed, multiplied with the kernels at
each point, transformed back and handed to the maps, before the next one.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Accumulate, Alloc, Declare, For, Let, Stmt, Store
from graphc.backends.lower.convolutions.blocks import chunk_of
from graphc.backends.lower.convolutions.winograd_product import product
from graphc.backends.lower.convolutions.winograd_sizes import GAP, Image, choose_block, registers
from graphc.backends.lower.convolutions.winograd_tiles import (
    ZERO,
    Patch,
    T,
    X,
    Y,
    element,
    every,
    placed,
)  # fmt: skip
from graphc.backends.lower.convolutions.winograd_transform import Transform, scratch
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.products.epilogue import Epilogue
from graphc.ir.dims import Dim, index
from graphc.ir.dtypes import float32
from graphc.ir.node import Node
from graphc.ops.convolutions.winograd_matrices import TAPS, transforms
from graphc.passes.fusion.body import Body

#: The products at a point, and the images transformed.
SUMS, IMAGES, RESULTS = "w.sums", "w.images", "w.results"
FIRST, COUNT, PANEL, POINT, CHANNEL, LINE, PLACE = (
    e.var(f"w.{name}") for name in ("first", "count", "panel", "p", "k", "i", "j")
)


def lower_winograd(body: Body, schedule: Schedule, fail: Callable[[Node, str], int]) -> list[Call]:
    """The kernels of a convolution, one for each way to go, of which one has chunks."""
    ways = range(len(body.node.attrs["ways"]))
    return [_Convolution(body, schedule, fail, way).one_call() for way in ways]


class _Convolution(Epilogue):
    """A chunk is a block of tiles and a group of panels of the result's channels."""

    def __init__(self, body: Body, schedule: Schedule, fail: Callable[[Node, str], int], way: int):
        super().__init__(body, fail)
        node = body.node
        self.x, *kernels, self.w = node.inputs
        self.u = kernels[way]
        results, self.taken = node.attrs["ways"][way]
        self.transforms = transforms(results)
        self.points = self.transforms.reach**2
        self.image = Image(self.transforms, node.types[0].shape[0], node.attrs["extent"])
        panels, _, channels, width = self.u.shape
        assert isinstance(panels, int) and isinstance(channels, int) and isinstance(width, int)
        self.panels, self.channels, self.width = panels, channels, width
        self.block = choose_block(self.image, channels, panels, schedule.positions)
        self.registers = registers(schedule, self.block.widest, width, self.block.named)
        rows = self.registers.rows
        self.rows = -(-self.block.widest // rows) * rows
        self.of_images = Transform(self.transforms.of_images, channels, self.registers)
        self.back = Transform(self.transforms.back, width, self.registers)
        self.apart = self.rows * channels + GAP, self.rows * width + GAP

    def one_call(self) -> Call:
        """The kernel."""
        size = self.transforms.results
        chunk = chunk_of(self.block, self.dims)
        first = [
            *chunk.first,
            Let("w.block", e.rem(e.var("chunk"), chunk.count)),
            Let("w.first", e.var("w.block") * chunk.tiles),
            Let("w.count", e.minimum(chunk.tiles, chunk.total - FIRST)),
        ]
        group = e.var("chunk") / chunk.count * chunk.panels
        panel = [self._products(), self._results()]
        statements: tuple[Stmt, ...] = (
            Alloc(IMAGES, float32, self.points * self.apart[0]),
            Alloc(SUMS, float32, self.points * self.apart[1]),
            Alloc(RESULTS, float32, size**2 * self.width),
            *scratch(self.of_images, self.back),
            *first,
            self._images(),
            For("w.panel", group, group + chunk.panels, tuple(panel)),
        )
        return self.call("winograd", statements, self.block.chunks * self.taken)

    def _images(self) -> For:
        """Transforms the block's tiles."""
        reach = self.transforms.reach
        patch = Patch(self, self.x, self.body.node.attrs["before"], reach)

        def store(p: Expr, value: Expr) -> Store:
            return Store(IMAGES, T * self.channels + CHANNEL + p * self.apart[0], value)

        each = self.of_images.of_patch(patch, store)
        place = [Let("w.c0", ZERO), *placed(self, self.image, FIRST + T)]
        return For("w.t", ZERO, COUNT, (*place, *each))

    def _products(self) -> For:
        """Multiplies with the kernels of a panel, point after point."""
        channels, width = self.channels, self.width
        start = (PANEL * self.points + POINT) * (channels * width)
        body = product(
            self.registers,
            COUNT,
            width,
            e.const(channels, T.dtype),
            (IMAGES, lambda t, k: POINT * self.apart[0] + t * channels + k),
            (self.names[self.u], lambda k, column: start + k * width + column),
            (SUMS, lambda t, column: POINT * self.apart[1] + t * width + column),
            most=channels,
        )
        return For("w.p", ZERO, e.const(self.points, T.dtype), tuple(body))

    # --- results ----------------------------------------------------------------------------------

    def _results(self) -> For:
        """Transforms the products of a panel back and writes the results."""
        reach, width = self.transforms.reach, self.width

        def read(i: int) -> Expr:
            point = e.var("w.s") + i * reach
            return element(SUMS, T * width + CHANNEL + point * self.apart[1])

        def store(p: Expr, value: Expr) -> Store:
            return Store(RESULTS, CHANNEL + p * width, value)

        body = [
            *placed(self, self.image, FIRST + T),
            *self.back.checked(read, store, self._as_defined()),
            *self._written(),
        ]
        return For("w.t", ZERO, COUNT, tuple(body))

    def _as_defined(self) -> list[Stmt]:
        """The results of a tile as sums over taps and channels."""
        size = self.transforms.results
        value = self._seen() * self._weight()
        term = Accumulate("w.total", "sum", value)
        channels = For("w.q", ZERO, e.const(self.channels, T.dtype), (term,))
        three, side = e.const(TAPS, T.dtype), e.const(size, T.dtype)
        taps = For("w.a", ZERO, three, (For("w.b", ZERO, three, (channels,)),))
        at = (LINE * size + PLACE) * self.width + CHANNEL
        sums: list[Stmt] = [
            Declare("w.total", e.const(0, float32)),
            taps,
            Store(RESULTS, at, e.var("w.total", float32)),
        ]
        return [For("w.i", ZERO, side, (For("w.j", ZERO, side, (self.back.along(sums),)),))]

    def _seen(self) -> Expr:
        """What tap (w.a, w.b) sees in channel w.q at position (w.i, w.j) of the tile."""
        before, reader, axes = self.body.node.attrs["before"], self.reader, ("y", "x")
        starts = (Y + LINE + e.var("w.a"), X + PLACE + e.var("w.b"))
        reader.forget()
        place: list[Dim] = []
        inside: list[Expr] = []
        for name, start, a, d in zip(axes, starts, before, self.x.shape[1:3], strict=True):
            position = start - self.dims(a)
            inside += [position >= ZERO, position < self.dims(d)]
            self.dims.bind(index(f"w.{name}"), position)
            place.append(index(f"w.{name}"))
        self.dims.bind(index("w.n"), e.var("w.n"))
        self.dims.bind(index("w.c"), e.var("w.q"))
        at = (index("w.n"), *place, index("w.c"))
        zero = e.const(0, float32)
        return reader.choose(every(inside), lambda: reader.at(self.x, at), lambda: zero)

    def _weight(self) -> Expr:
        """The kernels' element at tap (w.a, w.b), from channel w.q to the panel's."""
        taps = [e.var("w.a"), e.var("w.b")]
        if self.body.node.attrs["turned"]:
            taps = [e.const(TAPS - 1, tap.dtype) - tap for tap in taps]
        variables = [index(f"w.{name}") for name in ("a", "b", "c", "o")]
        values = [*taps, e.var("w.q"), PANEL * self.width + CHANNEL]
        for variable, value in zip(variables, values, strict=True):
            self.dims.bind(variable, value)
        return self.reader.at(self.w, tuple(variables))

    def _written(self) -> list[Stmt]:
        """The maps over the results of a tile that are within the image."""
        size, extent = self.transforms.results, self.image.extent
        high, wide = (
            e.minimum(e.const(size, T.dtype), self.dims(d) - start)
            for d, start in zip(extent, (Y, X), strict=True)
        )
        shape = self.body.node.types[0].shape
        values = (e.var("w.n"), Y + LINE, X + PLACE, PANEL * self.width + CHANNEL)
        self.bind(shape, values)
        dot = element(RESULTS, (LINE * size + PLACE) * self.width + CHANNEL)
        maps = [Let("w.dot", dot), *self.maps(e.var("w.dot", float32))]
        return [For("w.i", ZERO, high, (For("w.j", ZERO, wide, (self.back.along(maps),)),))]
