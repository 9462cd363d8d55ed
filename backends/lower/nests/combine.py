"""Combinations: neutral elements, accumulator types, and the kernels that combine the partial
results of chunks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Accumulate, Declare, For, LoopKernel, Param, Stmt, Store
from graphc.backends.lower.kernel import Buffer, Call, Schedule, Temporary
from graphc.backends.lower.nests.loops import Nest
from graphc.backends.lower.reader import DimWriter
from graphc.ir.dims import Dim, floordiv, index, minimum
from graphc.ir.dtypes import DType, float32, float64, int64
from graphc.ir.node import Tensor
from graphc.passes.fusion.body import Root

#: Parts of a sum that are added up before they join the others.
TOGETHER = 8
#: Elements of a row from which on the few operations more of float64 do not count.
LONG_ROW = 512
#: Numbers in a line of memory.
LINE = 16
#: Vectors of results that are combined side by side: each waits for lines of other threads' caches.
ABREAST = 4


def apart(size: Dim, chunks: Dim) -> Dim:
    """Elements from what one chunk keeps to what the next one does: whole lines of memory, so that
    no two threads write to one.
    """
    return size if chunks == 1 else floordiv(size + (LINE - 1), LINE) * LINE


def accumulator_dtype(dtype: DType, combine: str) -> DType:
    """16-bit floats are accumulated as float32."""
    return float32 if dtype.is_float and dtype.bits == 16 else dtype


def joined_dtype(x: Tensor, dtype: DType) -> DType:
    """In which dtype what is accumulated in another joins, for a result that is wider."""
    return float64 if x.dtype is float64 else dtype


def total_dtype(root: Root, dtype: DType, nest: Nest, schedule: Schedule) -> DType:
    """In which dtype the lanes of an accumulator of this one come together."""
    op: Any = root.tensor.node.op
    if op.combine != "sum" or dtype is not float32 or root.tensor.dtype is float64:
        return joined_dtype(root.tensor, dtype)
    if not schedule.vector_bits or nest.across:
        return dtype
    if root.role == "total" or (not nest.outer and len(nest.inner) == 1):
        return float64
    extent = nest.inner[-1].extent if nest.inner else 0
    return float64 if isinstance(extent, int) and extent >= LONG_ROW else dtype


def identity(op: Any, dtype: DType) -> Expr:
    """The neutral element of a reduction."""
    return e.const(op.identity(dtype), dtype)


def combined(combine: str, a: Expr, b: Expr) -> Expr:
    """One step of a combination: `a` is what there is already, `b` is new.

    An extreme asks its first operand whether it is NaN, and b need not wait for the last step.
    """
    if combine in ("and", "or"):
        return a & b if combine == "and" else a | b
    return {
        "sum": lambda: a + b,
        "prod": lambda: a * b,
        "min": lambda: e.minimum(b, a),
        "max": lambda: e.maximum(b, a),
        "largest number": lambda: e.select(b > a, b, a),
    }[combine]()


def beats(combine: str, value: Expr, best: Expr, position: Expr, best_position: Expr) -> Expr:
    """Whether a value takes the place of the best so far in argmin/argmax: NaN first, then the
    extreme, then the earlier.
    """
    earlier = position < best_position
    better = value > best if combine == "argmax" else value < best
    same = e.equal(value, best)
    if value.dtype.is_float:
        nan, best_nan = e.not_equal(value, value), e.not_equal(best, best)
        better = (better & ~best_nan) | (nan & ~best_nan)
        same = same | (nan & best_nan)
    return better | (same & earlier)


def succeeds(combine: str, later: Expr, best: Expr) -> Expr:
    """Whether a later value takes the place of the best one before it in argmin/argmax."""
    if not later.dtype.is_float:
        return later > best if combine == "argmax" else later < best
    worse = later <= best if combine == "argmax" else later >= best
    return ~worse & e.equal(best, best)


def combine_partials(
    op: Any,
    partial: Temporary,
    places: Temporary | None,
    chunks: Dim,
    size: Dim,
    step: Dim,
    out: Tensor,
    schedule: Schedule,
) -> Call:
    """The kernel that combines `chunks` lines of `size` partial results, `step` elements from each
    other, in order, into `out`.
    """
    wide = dtype_of_parts(op.combine, partial.dtype)
    dims = DimWriter()
    arguments: list[Buffer] = [partial, out, *([places] if places else [])]
    params = [Param("a0", partial.dtype), Param("o0", out.dtype, True)] + (
        [Param("a1", int64)] if places else []
    )
    c, j = index("c"), index("j")
    dims.bind(c, e.var("c"))
    dims.bind(j, e.var("j"))
    source = dims(c * step + j)
    position = e.load("a1", source, int64) if places else None
    value = e.cast(e.load("a0", source, partial.dtype), wide)
    taken = Accumulate("s", op.combine, value, position)
    result = e.var("s.at", int64) if places else e.var("s", wide)
    line: list[Stmt] = [Declare("s", identity(op, wide))]
    line += [Declare("s.at", e.const(0, int64))] if places else []
    some = op.combine == "sum" and out.dtype is float64 and not _at_most(chunks, TOGETHER)
    parts_in_order = For("c", dims(0), dims(chunks), (taken,))
    line += [
        _in_groups(taken, dims(chunks), identity(op, wide)) if some else parts_in_order,
        Store("o0", dims(j), e.cast(result, out.dtype)),
    ]
    begin, end, parts = _split(dims, size, chunks, schedule)
    lanes = _lanes(schedule.lanes(wide.bits), size, places is not None)
    loop = For("j", begin, end, tuple(line), "vector" if lanes else "serial", lanes, 1)
    kernel = LoopKernel(f"combine_{op.name}", tuple(params), (), dims(parts), (loop,))
    return Call(
        LoopKernel(
            kernel.name, kernel.buffers, tuple(sorted(dims.sizes)), kernel.chunks, kernel.body
        ),
        tuple(arguments),
        parts,
    )


def _lanes(lanes: int, size: Dim, places: bool) -> int:
    """The lanes of a vector over `size` results, of which there may be several side by side."""
    if size == 1:
        return 0
    few = lanes == 1 or (isinstance(size, int) and size < ABREAST * lanes)
    return lanes if places or few else ABREAST * lanes


def dtype_of_parts(combine: str, dtype: DType) -> DType:
    """Sums of float32 are added up as float64, so that they are rounded but once."""
    return float64 if combine == "sum" and dtype is float32 else dtype


def _at_most(d: Dim, bound: int) -> bool:
    return isinstance(d, int) and d <= bound


def _in_groups(step: Accumulate, chunks: Expr, zero: Expr) -> For:
    """Sums of a few parts each are summed up, so that fewer roundings follow each other."""
    first = e.var("group") * TOGETHER
    group = (
        Declare("t", zero),
        For("c", first, e.minimum(first + TOGETHER, chunks), (replace(step, name="t"),)),
        Accumulate("s", "sum", e.var("t", zero.dtype)),
    )
    groups = (chunks + (TOGETHER - 1)) / TOGETHER
    return For("group", e.const(0, int64), groups, group)


def _split(dims: DimWriter, size: Dim, lines: Dim, schedule: Schedule) -> tuple[Expr, Expr, Dim]:
    """Begin and end of the chunk's part of `size` elements of each line, and how many parts."""
    per = max(1, schedule.grain // (max(lines, 16) if isinstance(lines, int) else 16))
    per = -(-per // LINE) * LINE
    if isinstance(size, int) and size <= per:
        return dims(0), dims(size), 1
    chunk = index("chunk")
    dims.bind(chunk, e.var("chunk"))
    return dims(chunk * per), dims(minimum(chunk * per + per, size)), floordiv(size + per - 1, per)
