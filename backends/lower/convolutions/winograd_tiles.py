"""Tiles of images: where they lie, and their transforms.

Values by name: `w.n`, `w.y`, `w.x` the sample and the first position of a tile; `w.t` its number in
the block; `w.c0` + `w.k` a channel.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, Let, Stmt
from graphc.backends.lower.convolutions.winograd_sizes import Image
from graphc.backends.lower.products.epilogue import Epilogue
from graphc.ir.dims import Dim, index
from graphc.ir.dtypes import bool_, float32, int64
from graphc.ir.node import Tensor

N, Y, X, K, T = (e.var(f"w.{name}") for name in ("n", "y", "x", "k", "t"))
ZERO = e.const(0, int64)


def along(variable: str, extent: Expr, even: bool, lanes: int, body: list[Stmt]) -> For:
    """The body for each channel, vector by vector."""
    return For(variable, ZERO, extent, tuple(body), "vector", lanes, 1, even)


def placed(epilogue: Epilogue, image: Image, number: Expr) -> list[Stmt]:
    """Which tile of which sample has this number, sample by sample."""
    across, down = epilogue.dims(image.across), epilogue.dims(image.down)
    size = image.transforms.results
    return [
        Let("w.tile", number),
        Let("w.line", e.var("w.tile") / across),
        Let("w.n", e.var("w.line") / down),
        Let("w.y", e.rem(e.var("w.line"), down) * size),
        Let("w.x", e.rem(e.var("w.tile"), across) * size),
    ]


class Patch:
    """A square of `size` x `size` elements of images x (N, H, W, C), from (w.y - before, w.x -
    before) on, zero outside.
    """

    def __init__(self, epilogue: Epilogue, x: Tensor, before: tuple[Dim, Dim], size: int):
        self.epilogue, self.x, self.before, self.size = epilogue, x, before, size

    def inside(self) -> Expr:
        """Whether all of it is within the image."""
        last = self.size - 1
        return every([*self._bounds(0, Y, Y + last), *self._bounds(1, X, X + last)])

    def rows(self) -> list[Let]:
        """Which rows are within the image."""
        return [Let(f"w.in{i}", every(self._bounds(0, Y + i, Y + i))) for i in range(self.size)]

    def column(self) -> list[Stmt]:
        """Whether column w.s is within the image."""
        x = X + e.var("w.s")
        return [Let("w.in", every(self._bounds(1, x, x)))]

    def _bounds(self, axis: int, first: Expr, last: Expr) -> list[Expr]:
        before = self.epilogue.dims(self.before[axis])
        return [first - before >= ZERO, last - before < self.epilogue.dims(self.x.shape[1 + axis])]

    def reader(self, *, masked: bool) -> Callable[[int], Expr]:
        """What gives the element of a row in column w.s and channel w.c0 + w.k."""
        dims, reader = self.epilogue.dims, self.epilogue.reader
        reader.forget()
        n, y, x, c = (index(f"w.{name}") for name in ("n", "y", "x", "c"))
        values = (N, Y, X + e.var("w.s"), e.var("w.c0") + K)
        for atom, value in zip((n, y, x, c), values, strict=True):
            dims.bind(atom, value)
        zero = e.const(0, self.x.dtype)

        def read(i: int) -> Expr:
            at = (n, y + i - self.before[0], x - self.before[1], c)
            if not masked:
                return reader.at(self.x, at)
            there = e.var(f"w.in{i}", bool_) & e.var("w.in", bool_)
            return reader.choose(there, lambda: reader.at(self.x, at), lambda: zero)

        return read


def every(conditions: list[Expr]) -> Expr:
    """Whether all of them hold."""
    found = conditions[0]
    for c in conditions[1:]:
        found = found & c
    return found


def element(buffer: str, at: Expr) -> Expr:
    """A number of scratch memory."""
    return e.load(buffer, at, float32)
