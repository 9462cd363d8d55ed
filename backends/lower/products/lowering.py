"""The parts of a product's kernel: its parameters, its blocks, and the maps over finished sums."""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Alloc, For, Let, Param, Stmt
from graphc.backends.lower.kernel import Buffer, Schedule
from graphc.backends.lower.nests.combine import accumulator_dtype
from graphc.backends.lower.products.ahead import Places
from graphc.backends.lower.products.axes import product_of
from graphc.backends.lower.products.blocks import cut
from graphc.backends.lower.products.deep import Deep
from graphc.backends.lower.products.direct_plan import DirectPlan, plan_direct
from graphc.backends.lower.products.epilogue import Epilogue
from graphc.backends.lower.products.few import few_elements
from graphc.backends.lower.products.frame import LEFT, RIGHT, SUMS, Frame
from graphc.backends.lower.products.pack import left_elements, right_elements
from graphc.backends.lower.products.pack_words import STARTS
from graphc.backends.lower.products.parted import PARTIAL
from graphc.backends.lower.products.sizes import choose_sizes
from graphc.backends.lower.products.tile import block, sums_elements
from graphc.backends.lower.products.words import plan_words
from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType, int32, uint32
from graphc.ir.node import Node
from graphc.passes.fusion.body import Body

M, N, M0, N0, R, W = (e.var(f"p.{name}") for name in ("m", "n", "m0", "n0", "r", "w"))


def _sum_type(dtype: DType) -> DType:
    """The dtype in which elements are packed and summed: no narrower than 32 bits."""
    if dtype.is_integer and dtype.bits < 32:
        return int32 if dtype.kind == "i" else uint32
    return accumulator_dtype(dtype, "sum")


class ProductLowering(Epilogue):
    """What every way to lower a product needs: parameters, readers, the maps over the result."""

    def __init__(
        self,
        body: Body,
        schedule: Schedule,
        fail: Callable[[Node, str], int],
        small: int | None = None,
        plan: Deep | None = None,
        *,
        turns: bool = True,
    ):
        super().__init__(body, fail)
        sum_type = _sum_type(body.node.types[0].dtype)
        product = product_of(body, schedule.lanes(sum_type.bits), turns=turns)
        if plan is not None:
            product = plan.product(product)
        words = plan_words(product, self.reader, sum_type, schedule) if plan is None else None
        sizes = choose_sizes(product, schedule, sum_type, words)
        blocks = cut(product, sizes, small)
        if plan is not None:
            blocks = plan.blocks(blocks)
        self.frame = Frame(product, sizes, blocks, sum_type, self.reader, words)

    def take(self, buffer: Buffer, *, writes: bool) -> None:
        """One more buffer; a kernel that writes it writes no results."""
        if writes:
            kept = [
                (p, b) for p, b in zip(self.params, self.arguments, strict=True) if not p.writes
            ]
            self.params, self.arguments = [p for p, _ in kept], [b for _, b in kept]
        self.params.append(Param(PARTIAL, self.frame.sum_type, writes))
        self.arguments.append(buffer)

    def finished(self, total: Expr) -> list[Stmt]:
        """The maps over an element with this sum."""
        dtype = self.body.node.types[0].dtype
        return [Let("p.dot", e.cast(total, dtype)), *self.maps(e.var("p.dot", dtype))]

    @property
    def loop_index(self) -> tuple[Dim, ...]:
        """The index of every axis of the body's domain."""
        return self.frame.product.loop_index

    def direct(self, schedule: Schedule) -> DirectPlan | None:
        """How to compute the product without packing, where that is better."""
        frame = self.frame
        if frame.words is not None and frame.few is not True:
            return None
        return plan_direct(frame.product, frame.reader, frame.sum_type, schedule)

    def statements(self) -> tuple[Stmt, ...]:
        """The whole kernel's body."""
        return self.finished_by(self._finish, self.places)

    def finished_by(
        self, finish: Callable[[Expr], list[Stmt]], places: Callable[[], Places]
    ) -> tuple[Stmt, ...]:
        """The same, where `finish(line)` is what is done with the sums of a tile, and `places` are
        the results that this stores at the bound variables.
        """
        blocks = self.frame.blocks
        count, chunks = self.dims(blocks.count), self.dims(blocks.chunks)
        first, last = ((e.var("chunk") + i) * count / chunks for i in (0, 1))
        place = self._place()
        tiles = block(self.frame, finish, places)
        loop = For("p.block", first, last, (*place, *tiles))
        return (*self._scratch(), loop)

    def _scratch(self) -> list[Stmt]:
        frame = self.frame
        sums = 0 if frame.blocks.small == 0 else few_elements(frame)
        packed: list[Stmt] = []
        if frame.blocks.small != 1:
            sums = max(sums, sums_elements(frame))
            if left_elements(frame):
                packed.append(Alloc(LEFT, frame.packed_type, left_elements(frame)))
            if right_elements(frame):
                packed.append(Alloc(RIGHT, frame.packed_type, right_elements(frame)))
            if frame.words is not None and frame.words.offset:
                packed.append(Alloc(STARTS, frame.sum_type, frame.sizes.width))
        return [Alloc(SUMS, frame.sum_type, sums), *packed]

    def _place(self) -> list[Stmt]:
        """Where the block lies: its batch index, rows and columns."""
        blocks, tile_rows = self.frame.blocks, self.frame.sizes.tile_rows
        down, across, rows, columns, tiles, panels = (
            self.dims(d)
            for d in (
                blocks.down,
                blocks.across,
                blocks.rows,
                blocks.columns,
                blocks.tiles,
                blocks.panels,
            )
        )
        strip, line = e.rem(e.var("p.strip"), down), e.rem(e.var("p.block"), across)
        place: list[Stmt] = [
            Let("p.strip", e.var("p.block") / across),
            Let("p.n0", line * panels / across * blocks.panel),
            Let("p.w", e.minimum((line + 1) * panels / across * blocks.panel, columns) - N0),
            Let("p.m0", strip * tiles / down * tile_rows),
            Let("p.h", e.minimum((strip + 1) * tiles / down * tile_rows, rows) - M0),
        ]
        return place + self.frame.bind(self.frame.product.batch, e.var("p.strip") / down)

    def _finish(self, line: Expr) -> list[Stmt]:
        """Rows p.r .. +p.rows of the block: the maps over the product, then every store."""
        frame, sizes = self.frame, self.frame.sizes
        first, last = R, R + e.var("p.rows")
        width = frame.choose(e.const(sizes.few_width, R.dtype), e.const(sizes.width, R.dtype))
        decode = frame.bind(frame.product.rows, M0 + M)
        if sizes.fold:
            return [
                For("p.m", first, last, (*decode, self._finish_folded((M - first + line) * width)))
            ]
        frame.bind(frame.product.columns, N)
        result = self.body.node.types[0].dtype
        at = (M - first + line) * width + (N - N0)
        element: list[Stmt] = [Let("p.dot", e.cast(e.load(SUMS, at, frame.sum_type), result))]
        element += self.maps(e.var("p.dot", result))
        if frame.product.turned:
            assert not decode, "the rows of a turned product are one axis"
            along = For("p.m", first, last, tuple(element), "vector", frame.sizes.lanes, 1)
            return [For("p.n", N0, N0 + W, (along,))]
        return [For("p.m", first, last, (*decode, frame.along_columns(N0, N0 + W, element)))]

    def _finish_folded(self, sums: Expr) -> Stmt:
        """A row of the block, line by line of the last column axis."""
        frame, fold = self.frame, self.frame.sizes.fold
        columns, line = frame.product.columns, e.var("p.q")
        decode = frame.bind(columns[:-1], line)
        frame.bind(columns[-1:], N)
        result = self.body.node.types[0].dtype
        sum_ = e.load(SUMS, sums + (line * fold - N0) + N, frame.sum_type)
        element = [Let("p.dot", e.cast(sum_, result)), *self.maps(e.var("p.dot", result))]
        along = frame.along_columns(e.const(0, N.dtype), frame.dims(columns[-1].extent), element)
        return For("p.q", N0 / fold, (N0 + W) / fold, (*decode, along))
