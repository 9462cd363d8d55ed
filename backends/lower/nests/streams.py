"""What a nest moves otherwise than by plain loads and stores: results too large for the cache are
stored past it, and rows to come are asked for while one is at work.
"""

from __future__ import annotations

from collections.abc import Iterable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Fence, If, Stmt
from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.nests.loops import Nest, extent_of, work_of
from graphc.backends.lower.reader import DimWriter, offset_of
from graphc.ir.dim_values import substitute
from graphc.ir.dims import Dim, maximum, minimum
from graphc.ir.dtypes import bool_
from graphc.ir.node import Tensor
from graphc.machine import TYPICAL
from graphc.passes.fusion.access import domain_index, full_index
from graphc.passes.fusion.body import Body, Root

#: Iterations below which a loop neither begins where memory's lines do nor asks for others.
SHORT = 256
#: Bytes that a core's own cache holds, at least: what is smaller need not be asked for.
NEAR_BYTES = TYPICAL.second
#: Operations per element from which a map waits for its arithmetic, and would for streamed stores.
BUSY = TYPICAL.busy
#: Bytes of a line of memory, and how many rows on the end of one is asked for.
LINE, ROWS_AHEAD = 64, 2
#: Elements between what is asked for and what is at work: some rows, within these bounds.
LEAST_AHEAD, MOST_AHEAD = TYPICAL.ahead


def when_streamed(
    root: Root, body: Body, nest: Nest, schedule: Schedule, dims: DimWriter
) -> Expr | None:
    """The condition under which a map's stores bypass the cache, None for never. Not in short
    loops, nor in those that sum up: a streaming loop begins where memory's lines do, and the
    lanes of a sum must not depend on that. Nor where memory is idle while the processor computes.
    What follows other loops over the row comes in bursts, which a cache that is nearly full delays.
    """
    if nest.across or not nest.inner or not schedule.vector_bits:
        return None
    size = root.tensor.type.bytes
    sums = any(r.role in ("row", "total") for r in body.roots if r.level == root.level)
    if sums or _is_short(nest) or work_of(root.tensor, body) >= BUSY:
        return None
    least = schedule.stream_bytes * 3 // 4 if root.level else schedule.stream_bytes
    if isinstance(size, int):
        return e.const(True, bool_) if size >= least else None
    return dims(size) >= least


def fence(conditions: Iterable[Expr]) -> list[Stmt]:
    """What ends a chunk with streamed stores under these conditions."""
    conditions = list(conditions)
    if not conditions:
        return []
    if any(x.op == "const" for x in conditions):
        return [Fence()]
    first, *others = conditions
    for other in others:
        first = first | other
    return [If(first, (Fence(),))]


def rows_ahead(
    level: int, body: Body, nest: Nest, schedule: Schedule, rows: int
) -> list[tuple[Tensor, Dim]]:
    """What a loop over the row had better ask for: elements of operands some rows on, by position.

    The first loop over a row waits for memory, the others find the row in the cache and leave
    memory idle, unless they ask for a later row; each asks for some of the operands.
    """
    ndim = len(body.domain)
    levels = sorted({root.level for root in body.roots if root.role != "rowmap"})
    trailing = body.row_axes == tuple(range(ndim - len(body.row_axes), ndim))
    if nest.across or not nest.outer or not trailing or not schedule.vector_bits:
        return []
    if level not in levels[1:] or _is_short(nest):
        return []
    operands = [x for x in body.inputs if is_large(x) and _is_read_in_order(x, body)]
    ahead = minimum(maximum(rows * extent_of(nest.inner), LEAST_AHEAD), MOST_AHEAD)
    turn, turns = levels.index(level) - 1, len(levels) - 1
    return [
        (x, offset_of(x.shape, full_index(x.shape, nest.loop_index)) + ahead)
        for x in operands[turn::turns]
    ]


def end_ahead(x: Tensor, body: Body, nest: Nest) -> Dim | None:
    """The position of the element behind a later row of a map's result; None if rows fill lines of
    memory, or do not follow each other. Two rows share the line there, so it is not stored past
    the cache, and every row would wait for it.
    """
    inner = [axis for loop in nest.inner for axis in loop.axes]
    trailing = inner == list(range(len(body.domain) - len(inner), len(body.domain)))
    if not nest.outer or nest.turning or not trailing or x.shape != body.domain:
        return None
    extent = extent_of(nest.inner)
    if isinstance(extent, int) and extent * x.dtype.bytes % LINE == 0:
        return None
    within = {loop.name for loop in nest.inner}
    whole = offset_of(x.shape, full_index(x.shape, nest.loop_index))
    first = substitute(whole, lambda a: 0 if a.name in within else None)
    return first + ROWS_AHEAD * extent


def _is_short(nest: Nest) -> bool:
    extent = nest.inner[-1].extent
    return isinstance(extent, int) and extent < SHORT


def is_large(x: Tensor) -> bool:
    """Whether x may be more than a core's own cache holds."""
    return not isinstance(x.type.bytes, int) or x.type.bytes >= NEAR_BYTES


def _is_read_in_order(x: Tensor, body: Body) -> bool:
    """Whether each point of the domain reads an element of its own, in order."""
    ndim = len(body.domain)
    if sum(d != 1 for d in x.shape) != ndim:
        return False
    own = full_index(x.shape, domain_index(ndim))
    return any(a.tensor is x and a.index == own for root in body.roots for a in root.accesses)
