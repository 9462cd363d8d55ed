"""Columns beside rows: each row of a chunk is taken into a line of accumulators, and what chunks
leave is combined. Sums of floats take in some rows at a time, so that few roundings follow each
other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, Stmt, Store
from graphc.backends.lower.nests.accumulators import LineAccumulator, pairwise
from graphc.backends.lower.nests.combine import apart, identity, joined_dtype
from graphc.backends.lower.nests.frame import CHUNK, NestFrame
from graphc.backends.lower.nests.loops import extent_of, linear
from graphc.ir.dims import Dim, index
from graphc.ir.dtypes import float32, float64
from graphc.passes.fusion.body import Root

#: Rows that a line sums up, and how many such lines join the others' sum at once; and the same for
#: rows of so many elements, beside which what joins costs little.
SHORT_ROWS, LONG_ROWS, LONG = (16, 1), (3, 3), 256
PART = index("part")


def take_in_column(low: NestFrame, root: Root, value: Expr, inside: list[Stmt]) -> None:
    """Takes in a line; the chunk's line starts out neutral."""
    op: Any = root.tensor.node.op
    value = e.cast(value, joined_dtype(root.tensor, value.dtype))
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
        (_, count), step = _block(low), apart(size, 2)
        some, first = low.scratch(value.dtype, count * step)
        each = [low.dims(first + k * step) + e.var("z") for k in range(count)]
        empty = [Store(some, z, neutral) for z in each]
        low.start.append(along(Store(best, at, identity(op, dtype)), *empty))
        sums = [e.cast(e.load(some, z, value.dtype), dtype) for z in each]
        total = e.load(best, at, dtype) + pairwise("sum", sums)
        low.after_block.append(along(Store(best, at, total), *empty))
        low.dims.bind(PART, e.var("part"))
        best, first = some, first + (PART * step if count > 1 else 0)
    inside += line(low.dims(first + linear(low.nest.inner))).take_in([lambda x: x])


def _block(low: NestFrame) -> tuple[int, int]:
    """How many rows a line sums up, and how many lines there are."""
    length = extent_of(low.nest.inner)
    return LONG_ROWS if isinstance(length, int) and length >= LONG else SHORT_ROWS


def _has_blocks(low: NestFrame) -> bool:
    """Whether a chunk has rows enough that sums of some of them are better added up apart."""
    rows, (some, lines) = low.rows_of_chunk, _block(low)
    return len(low.split) == 1 and not (isinstance(rows, int) and rows <= some * lines)


def in_blocks(low: NestFrame, rows: For) -> For:
    """The loop over some rows at a time, line by line, with what goes after them."""
    count, (some, lines) = rows.end - rows.begin, _block(low)
    block = some * lines
    first = rows.begin + e.var("block") * block
    if lines > 1:
        first = first + e.var("part") * some
    inside: Stmt = replace(rows, begin=first, end=e.minimum(first + some, rows.end))
    if lines > 1:
        inside = For("part", low.dims(0), low.dims(lines), (inside,))
    return For("block", low.dims(0), (count + (block - 1)) / block, (inside, *low.after_block))
