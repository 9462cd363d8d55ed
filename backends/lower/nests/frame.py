"""What all kernels of nests start from: parameters, chunks, and what chunks leave to combine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Alloc, Let, Param, Stmt, Store
from graphc.backends.lower.counts import even
from graphc.backends.lower.kernel import Buffer, Call, Schedule, Temporary
from graphc.backends.lower.nests.combine import apart, combine_partials
from graphc.backends.lower.nests.loops import Loop, extent_of, plan_nest, work_of, work_of_all
from graphc.backends.lower.nests.phases import turns_of
from graphc.backends.lower.reader import DimWriter, ExprReader
from graphc.ir.dims import Dim, floordiv, index, maximum, minimum
from graphc.ir.dtypes import DType, int64
from graphc.ir.node import Node, Tensor
from graphc.machine import TYPICAL
from graphc.passes.fusion.access import full_index
from graphc.passes.fusion.body import Body, Root

if TYPE_CHECKING:
    from graphc.backends.lower.nests.wide import WideRows

CHUNK, SHARE = index("chunk"), index("share")
#: Elements of the vectors in flight.
GROUP = TYPICAL.vector_bits // 32 * TYPICAL.in_flight
#: Elements that take as long as what a row's reductions cost however short it is, and as a short
#: row of a map that reads and stores at least so many elements for each of its own. It is the same
#: for all of these: kernels in turn then run on several threads from the same number of rows on.
ROW, MAP_ROW, SEVERAL = GROUP, 3 * GROUP // 2, 5
#: Bytes that a chunk may keep on the stack.
STACK = TYPICAL.second // 8
#: Operations in the time of a chunk; of rows, few of which multiply and add, and which are gone
#: through several times.
CHUNK_FLOPS, ROW_FLOPS = 2 * TYPICAL.chunk_multiply_adds, TYPICAL.chunk_multiply_adds


class NestFrame:
    """The kernel of one body, before its loops."""

    def __init__(self, body: Body, schedule: Schedule, fail: Callable[[Node, str], int]):
        self.body, self.schedule = body, schedule
        self.nest = plan_nest(body, schedule.across)
        self.index = self.nest.loop_index
        self.rows = tuple(v for k, v in enumerate(self.index) if k not in body.row_axes)
        self.inner = tuple(v for k, v in enumerate(self.index) if k in body.row_axes)
        self.dims = DimWriter()
        self.params: list[Param] = []
        self.arguments: list[Buffer] = []
        self.names: dict[Tensor, str] = {}
        for x in body.inputs:
            self._param("a", x, x.dtype, False)
        for x in body.outputs:
            self._param("o", x, x.dtype, True)
        readable = set(body.inputs)
        self.reader = ExprReader(
            lambda x: self.names[x] if x in readable else None, self.dims, fail, schedule.fused
        )
        self.wide: WideRows | None = None
        self.later: list[Call] = []
        self.tail: list[Stmt] = []  # after the innermost loop
        self.finish: list[Stmt] = []
        self.streams: dict[Expr, None] = {}
        self.memory: list[Alloc] = []
        self.stack = STACK
        self.start: list[Stmt] = []
        self.after_block: list[Stmt] = []
        self.rows_of_chunk: Dim = 1
        self.rows_ahead = 2
        self._chunks()
        self.turns = (
            1 if self.flat and not self.nest.turning else turns_of(body, self.nest, schedule)
        )

    def _param(self, prefix: str, buffer: Buffer, dtype: DType, writes: bool) -> str:
        name = f"{prefix}{sum(p.name[0] == prefix for p in self.params)}"
        self.params.append(Param(name, dtype, writes))
        self.arguments.append(buffer)
        if isinstance(buffer, Tensor):
            self.names[buffer] = name
        return name

    def scratch(self, dtype: DType, elements: Dim) -> tuple[str, Dim]:
        """Memory for so many elements of each chunk, and where in it the chunk's begin: on the
        stack, which stays in a core's cache from chunk to chunk, if they are known to be few.
        """
        if isinstance(elements, int) and self.schedule.vector_bits and not self.nest.across:
            size = elements * dtype.bytes
            if size <= self.stack:
                self.stack -= size
                self.memory.append(Alloc(f"scratch{len(self.memory)}", dtype, elements))
                return self.memory[-1].buffer, 0
        step = apart(elements, self.chunks)
        name = self._param("t", Temporary(dtype, self.chunks * step), dtype, True)
        return name, CHUNK * step if self.chunks != 1 else 0

    # --- chunks -----------------------------------------------------------------------------------

    def _chunks(self) -> None:
        """Which loops are split into chunks, and into how many; only sizes count, never threads."""
        nest = self.nest
        roles = {root.role for root in self.body.roots}
        split: tuple[Loop, ...] = (
            nest.outer[:-1] if nest.across and len(nest.outer) > 1 else nest.outer
        )
        self.flat = not nest.outer and "row" not in roles and len(nest.inner) == 1
        if self.flat:
            split = nest.inner
        self.split = split
        total = extent_of(split)
        rest = extent_of([loop for loop in nest.outer + nest.inner if loop not in split])
        per = maximum(1, floordiv(self._grain(), maximum(rest, self._least_row())))
        if roles & {"column", "total"}:
            per = maximum(
                per, floordiv(total + (self.schedule.most_chunks - 1), self.schedule.most_chunks)
            )
        if not split:
            self.chunks: Dim = 1
            return
        self._share_out(total, per, GROUP if self.flat else 1)

    def _grain(self) -> int:
        """Elements of a chunk at least: of maps and rows that take longer to compute than to move,
        fewer.
        """
        roots, grain = self.body.roots, self.schedule.grain
        roles = {root.role for root in roots}
        if roles & {"column", "total"}:
            return grain
        if roles != {"map"}:
            return min(grain, max(1, ROW_FLOPS // max(1, work_of_all(self.body))))
        work = sum(work_of(root.tensor, self.body) for root in roots)
        return min(grain, max(1, CHUNK_FLOPS // max(1, work)))

    def _least_row(self) -> int:
        """Elements that take as long as a row does however short it is."""
        roots = self.body.roots
        if self.nest.across or self.flat or not self.nest.inner:
            return 1
        if any(root.role == "row" for root in roots):
            return ROW
        places = {access for root in roots for access in root.accesses}
        return MAP_ROW if len(places) + len(self.body.outputs) >= SEVERAL else 1

    def _share_out(self, total: Dim, per: Dim, multiple: int = 1) -> None:
        """Makes chunks of `per` iterations at most, or some more that make a `multiple`: equally
        many, but for the last one.
        """
        chunks = floordiv(total + (per - 1), per)
        self.chunks = even(chunks) if self.schedule.even else chunks
        share = floordiv(total + (self.chunks - 1), maximum(1, self.chunks))
        share = self.rows_of_chunk = floordiv(share + (multiple - 1), multiple) * multiple
        self.dims.bind(CHUNK, e.var("chunk"))
        if not isinstance(share, int):
            self.start.append(Let("share", self.dims(share)))
            self.dims.bind(SHARE, e.var("share"))
            share = SHARE
        self.begin = CHUNK * share
        self.end = minimum(self.begin + share, total)

    def position(self, x: Tensor) -> Expr:
        (axis,) = x.node.attrs["axes"]
        return self.dims(full_index(x.node.inputs[0].shape, self.index)[axis])

    def _total_result(self, x: Tensor, op: Any, name: str, dtype: DType, result: Expr) -> None:
        if self.chunks == 1:
            self.finish.append(Store(self.names[x], self.dims(0), e.cast(result, x.dtype)))
            return
        chunk = e.var("chunk")
        partial = Temporary(dtype, self.chunks)
        self.finish.append(Store(self._param("p", partial, dtype, True), chunk, e.var(name, dtype)))
        places = None
        if op.combine.startswith("arg"):
            places = Temporary(int64, self.chunks)
            self.finish.append(Store(self._param("p", places, int64, True), chunk, result))
        self.later.append(
            combine_partials(op, partial, places, self.chunks, 1, 1, x, self.schedule)
        )

    def part_lines(
        self, root: Root, dtype: DType, parts: Dim, size: Dim, length: Dim
    ) -> tuple[str, str | None]:
        """The buffers of the lines of values, and of places for argmin and argmax, that parts of a
        reduction leave in the first of so many places; unless one of them is the result, a kernel
        more will combine them.
        """
        x, step = root.tensor, apart(length, parts)
        op: Any = x.node.op
        arg = op.combine.startswith("arg")
        own = parts == 1 and length == size and x.dtype is (int64 if arg else dtype)

        def kept(dtype: DType, own: bool) -> tuple[str, Temporary | None]:
            if own:
                return self.names[x], None
            memory = Temporary(dtype, parts * step)
            return self._param("p", memory, dtype, True), memory

        best, partial = kept(dtype, own and not arg)
        spots, places = kept(int64, own) if arg else (None, None)
        if partial is not None and not own:
            later = combine_partials(op, partial, places, parts, size, step, x, self.schedule)
            self.later.append(later)
        return best, spots
