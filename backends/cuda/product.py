"""Products on a GPU: a block sums a tile of the result from tiles of both operands."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt

from graphc.backends.cuda.device import BLOCK, THREAD, DeviceSchedule
from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Alloc, Assign, Declare, For, If, Let, LoopKernel, Stmt, Store
from graphc.backends.lower.counts import divide_up
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.products.axes import Axis, Operand, extent_of
from graphc.backends.lower.products.frame import LEFT, RIGHT, SUMS, ZERO, parts
from graphc.backends.lower.products.lowering import ProductLowering
from graphc.ir.dims import Dim
from graphc.ir.node import Node
from graphc.passes.fusion.body import Body

DEPTH = 16
"""Summands of a tile."""

M0, N0, K0, K, E, LINE, COLUMN = (
    e.var(f"p.{name}") for name in ("m0", "n0", "k0", "k", "e", "line", "column")
)


def lower_product(body: Body, schedule: Schedule, fail: Callable[[Node, str], int]) -> list[Call]:
    """The kernel of a product: a chunk is a tile of the result, a thread has `micro` x `micro` ."""
    assert isinstance(schedule, DeviceSchedule), "a product is tiled for a GPU's threads"
    lowering = _Tiles(body, schedule, fail)
    statements = lowering.statements()
    dims, chunks = lowering.dims, lowering.chunks
    count = dims(chunks)
    kernel = LoopKernel("dot", tuple(lowering.params), tuple(sorted(dims.sizes)), count, statements)
    return [Call(kernel, tuple(lowering.arguments), chunks)]


class _Tiles(ProductLowering):
    """A thread sums rows `line` * micro + i and columns `column` + j * side of the tile."""

    def __init__(self, body: Body, schedule: DeviceSchedule, fail: Callable[[Node, str], int]):
        super().__init__(body, schedule, fail)
        self.threads, self.micro = schedule.threads, schedule.micro
        self.side = isqrt(self.threads)
        self.tile = self.side * self.micro
        self.batch, self.rows, self.columns, self.inner = (
            extent_of(axes)
            for axes in (
                self.frame.product.batch,
                self.frame.product.rows,
                self.frame.product.columns,
                self.frame.product.inner,
            )
        )
        self.down, self.across = divide_up(self.rows, self.tile), divide_up(self.columns, self.tile)

    @property
    def chunks(self) -> Dim:
        return self.batch * self.down * self.across

    def statements(self) -> tuple[Stmt, ...]:
        return (
            Alloc(LEFT, self.frame.sum_type, DEPTH * self._stride, shared=True),
            Alloc(RIGHT, self.frame.sum_type, DEPTH * self._stride, shared=True),
            Alloc(SUMS, self.frame.sum_type, self.micro**2),
            *self._place(),
            *self._clear(),
            self._sum(),
            *self._keep(),
            self._finish_tile(),
        )

    @property
    def _stride(self) -> int:
        """Elements from a summand to the next: one more than rows, so that banks differ."""
        return self.tile + 1

    def _place(self) -> list[Stmt]:
        across, down = self.dims(self.across), self.dims(self.down)
        strip = e.var("p.strip")
        return [
            Let("p.strip", BLOCK / across),
            Let("p.n0", e.rem(BLOCK, across) * self.tile),
            Let("p.m0", e.rem(strip, down) * self.tile),
            Let("p.line", THREAD / self.side * self.micro),
            Let("p.column", e.rem(THREAD, e.const(self.side, THREAD.dtype))),
            *self.frame.bind(self.frame.product.batch, strip / down),
        ]

    def _cells(self) -> list[tuple[int, int, Expr]]:
        """The thread's sums: number of the row, of the column, register."""
        r = range(self.micro)
        return [(i, j, e.var(f"p.sum{i}.{j}", self.frame.sum_type)) for i in r for j in r]

    def _clear(self) -> list[Stmt]:
        zero = e.const(0, self.frame.sum_type)
        return [Declare(cell.attr, zero) for _, _, cell in self._cells()]

    def _sum(self) -> For:
        """Tile after tile of the summands."""
        frame, product = self.frame, self.frame.product
        depths = parts(self.dims(self.inner), DEPTH)
        start = Let("p.k0", e.var("p.d") * DEPTH)
        left = self._load(LEFT, product.left, product.rows, M0, frame.left)
        right = self._load(RIGHT, product.right, product.columns, N0, frame.right)
        step = For("p.k", ZERO, e.const(DEPTH, K.dtype), tuple(self._step()))
        return For("p.d", ZERO, depths, (start, left, right, step))

    def _load(
        self,
        buffer: str,
        operand: Operand,
        axes: tuple[Axis, ...],
        first: Expr,
        element: Callable[[], Expr],
    ) -> For:
        """A tile of an operand, zeros around it; neighbouring threads read neighbours."""
        size = DEPTH if operand.along == "inner" else self.tile
        fast, slow = e.rem(E, e.const(size, E.dtype)), E / size
        at, k = (slow, fast) if operand.along == "inner" else (fast, slow)
        place, summand = e.var("p.at"), e.var("p.summand")
        decode = self.frame.bind(axes, first + place)
        decode += self.frame.bind(operand.inner, K0 + summand)
        inside = first + place < self.dims(extent_of(axes))
        inside = inside & (K0 + summand < self.dims(self.inner))
        value = e.var("p.value", self.frame.sum_type)
        body: tuple[Stmt, ...] = (
            Let("p.at", at),
            Let("p.summand", k),
            Declare("p.value", e.const(0, self.frame.sum_type)),
            If(inside, (*decode, Assign("p.value", element()))),
            Store(buffer, summand * self._stride + place, value),
        )
        count = e.const(DEPTH * self.tile, E.dtype)
        return For("p.e", ZERO, count, body, "thread", self.threads)

    def _step(self) -> list[Stmt]:
        """Adds one product to each of the thread's sums."""
        dtype, line = self.frame.sum_type, K * self._stride
        out: list[Stmt] = []
        for i in range(self.micro):
            out.append(Let(f"p.a{i}", e.load(LEFT, line + LINE + i, dtype)))
            out.append(Let(f"p.b{i}", e.load(RIGHT, line + COLUMN + i * self.side, dtype)))
        for i, j, cell in self._cells():
            a, b = e.var(f"p.a{i}", dtype), e.var(f"p.b{j}", dtype)
            out.append(Assign(cell.attr, e.fma(a, b, cell) if dtype.is_float else cell + a * b))
        return out

    def _keep(self) -> list[Stmt]:
        return [
            Store(SUMS, e.const(i * self.micro + j, E.dtype), cell) for i, j, cell in self._cells()
        ]

    def _finish_tile(self) -> For:
        """The maps over the thread's elements, then every store."""
        frame, number = self.frame, e.var("p.cell")
        m, n = e.var("p.m"), e.var("p.n")
        decode = [*frame.bind(frame.product.rows, m), *frame.bind(frame.product.columns, n)]
        result = self.body.node.types[0].dtype
        dot = Let("p.dot", e.cast(e.load(SUMS, number, frame.sum_type), result))
        body: tuple[Stmt, ...] = (
            Let("p.cell", E / self.threads),
            Let("p.m", M0 + LINE + number / self.micro),
            Let("p.n", N0 + COLUMN + e.rem(number, e.const(self.micro, E.dtype)) * self.side),
            If(
                (m < self.dims(self.rows)) & (n < self.dims(self.columns)),
                (*decode, dot, *self.maps(e.var("p.dot", result))),
            ),
        )
        return For("p.e", ZERO, e.const(self.tile**2, E.dtype), body, "thread", self.threads)
