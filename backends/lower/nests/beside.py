"""Columns beside rows: each row of a chunk is taken into a line of accumulators, and what chunks
leave is combined. Sums of floats take in some rows at a time, so that few roundings follow each
other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, Stmt, Store
from graphc.backends.lower.nests.accumulators import LineAccumulator
from graphc.backends.lower.nests.combine import apart, identity
from graphc.backends.lower.nests.frame import CHUNK
from graphc.backends.lower.nests.loops import extent_of, linear
from graphc.ir.dims import Dim
from graphc.ir.dtypes import float32, float64
from graphc.passes.fusion.fuse import Root

if TYPE_CHECKING:
    from graphc.backends.lower.nests.nest import Lowering

#: Rows whose sum along columns is taken before it joins that of others; and from which length on of
#: rows half as many, since the loop that does so is no longer than they.
BLOCK, LONG = 16, 256


def take_in_column(low: Lowering, root: Root, value: Expr, inside: list[Stmt]) -> None:
    """Takes in a line; the chunk's line starts out neutral."""
    op: Any = root.tensor.node.op
    size = extent_of(low.nest.inner)
    blocks = op.combine == "sum" and value.dtype.is_float and _has_blocks(low)
    wide = blocks and value.dtype is float32 and low.chunks != 1
    dtype = float64 if wide else value.dtype
    best, places = low.part_lines(root, dtype, low.chunks, size, size)
    first: Dim = CHUNK * apart(size, low.chunks) if low.chunks != 1 else 0
    position = None if places is None else low.position(root.tensor)
    neutral = identity(op, value.dtype)

    def line(at: Expr) -> LineAccumulator:
        name = f"s{low.body.roots.index(root)}"
        place = None if places is None else (places, at)
        return LineAccumulator(name, op.combine, neutral, value, (best, at), place, position)

    def along(*body: Stmt) -> For:
        lanes = low.schedule.lanes(value.dtype.bits)
        return For("z", low.dims(0), low.dims(size), body, "vector", lanes, 1)

    at = low.dims(first) + e.var("z")
    if not blocks:
        low.start += map(along, line(at).start(low.dims(low.begin)))
    else:
        some = low.scratch_line(value.dtype)
        low.start.append(along(Store(best, at, identity(op, dtype)), Store(some, at, neutral)))
        total = e.load(best, at, dtype) + e.cast(e.load(some, at, value.dtype), dtype)
        low.after_block.append(along(Store(best, at, total), Store(some, at, neutral)))
        best = some
    inside += line(low.dims(first + linear(low.nest.inner))).take_in([lambda x: x])


def _block(low: Lowering) -> int:
    length = extent_of(low.nest.inner)
    return BLOCK // 2 if isinstance(length, int) and length >= LONG else BLOCK


def _has_blocks(low: Lowering) -> bool:
    """Whether a chunk has rows enough that sums of some of them are better added up apart."""
    rows = low.rows_of_chunk
    return len(low.split) == 1 and not (isinstance(rows, int) and rows <= _block(low))


def in_blocks(low: Lowering, rows: For) -> For:
    """The loop over some rows at a time, with what goes after them."""
    count, block = rows.end - rows.begin, _block(low)
    first = rows.begin + e.var("block") * block
    some = replace(rows, begin=first, end=e.minimum(first + block, rows.end))
    return For("block", low.dims(0), (count + (block - 1)) / block, (some, *low.after_block))
