"""Tiles of images: where they lie, and their transforms.

Values by name: `w.n`, `w.y`, `w.x` the sample and the first position of a tile; `w.t` its number in
the block; `w.c0` + `w.k` a channel.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, If, Let, Stmt, Store
from graphc.backends.lower.epilogue import Epilogue
from graphc.backends.lower.winograd_sizes import Image, Registers
from graphc.ir.dims import Dim, index
from graphc.ir.dtypes import bool_, float32, int64
from graphc.ir.node import Tensor
from graphc.ops.winograd_matrices import Matrix, on_both_axes

N, Y, X, K, T = (e.var(f"w.{name}") for name in ("n", "y", "x", "k", "t"))
ZERO = e.const(0, int64)

Square = list[list[Expr]]


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

    def _place(self, i: int, j: int) -> tuple[Dim, ...]:
        dims = self.epilogue.dims
        names = [index(f"w.{name}") for name in ("n", "y", "x", "c")]
        for atom, value in zip(names, (N, Y, X, e.var("w.c0") + K), strict=True):
            dims.bind(atom, value)
        n, y, x, c = names
        return (n, y + i - self.before[0], x + j - self.before[1], c)

    def inside(self) -> Expr:
        """Whether all of it is within the image."""
        conditions = [c for axis in (0, 1) for c in self._bounds(axis, 0, self.size - 1)]
        return every(conditions)

    def _bounds(self, axis: int, first: int, last: int) -> list[Expr]:
        start = (Y, X)[axis] - self.epilogue.dims(self.before[axis])
        end = self.epilogue.dims(self.x.shape[1 + axis])
        return [start + first >= ZERO, start + last < end]

    def read(self, masked: bool) -> tuple[list[Stmt], Square]:
        """What comes before the loop over channels, and the elements."""
        reader, span = self.epilogue.reader, range(self.size)
        if not masked:
            return [], [[reader.at(self.x, self._place(i, j)) for j in span] for i in span]
        lets = [
            Let(f"w.in{axis}.{k}", every(self._bounds(axis, k, k))) for axis in (0, 1) for k in span
        ]
        zero = e.const(0, self.x.dtype)

        def element(i: int, j: int) -> Expr:
            there = e.var(f"w.in0.{i}", bool_) & e.var(f"w.in1.{j}", bool_)
            at = self._place(i, j)
            return reader.choose(there, lambda: reader.at(self.x, at), lambda: zero)

        return [*lets], [[element(i, j) for j in span] for i in span]

    def each(self, body: Callable[[Square], list[Stmt]], count: Dim, r: Registers) -> If:
        """The body for `count` channels from w.c0 on; `w.k` counts them."""
        branches: list[tuple[Stmt, ...]] = []
        even = isinstance(count, int) and count % r.lanes == 0
        for masked in (False, True):
            self.epilogue.reader.forget()
            before, square = self.read(masked)
            loop = along("w.k", self.epilogue.dims(count), even, r.lanes, body(square))
            branches.append((*before, loop))
        return If(self.inside(), *branches)


def every(conditions: list[Expr]) -> Expr:
    """Whether all of them hold."""
    found = conditions[0]
    for c in conditions[1:]:
        found = found & c
    return found


def fused(r: Registers) -> Callable[[Expr, Expr, Expr], Expr]:
    """a * b + c, rounded once where the machine does so."""
    return e.fma if r.fused else lambda a, b, c: a * b + c


def transformed(
    matrix: Matrix, square: Square, store: Callable[[int, Expr], Store], r: Registers
) -> list[Stmt]:
    """The square's transform, every element of which `store` puts away under its number."""
    results = on_both_axes(matrix, square, fused(r))
    return [store(p, value) for p, value in enumerate(chain.from_iterable(results))]


def element(buffer: str, at: Expr) -> Expr:
    """A number of scratch memory."""
    return e.load(buffer, at, float32)
