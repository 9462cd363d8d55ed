"""Which results a nest stores past the cache: those too large to stay there."""

from __future__ import annotations

from collections.abc import Iterable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Fence, If, Stmt
from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.loops import Nest
from graphc.backends.lower.reader import DimWriter
from graphc.ir.dtypes import bool_
from graphc.passes.fusion import Body, Root

#: Iterations below which a loop does not begin where memory's lines do.
SHORT = 256


def when_streamed(
    root: Root, body: Body, nest: Nest, schedule: Schedule, dims: DimWriter
) -> Expr | None:
    """The condition under which a map's stores bypass the cache, None for never. Not in short
    loops, nor in those that sum up: a streaming loop begins where memory's lines do, and the
    lanes of a sum must not depend on that.
    """
    if nest.across or not nest.inner or not schedule.vector_bits:
        return None
    extent, size = nest.inner[-1].extent, root.tensor.type.bytes
    sums = any(r.role in ("row", "total") for r in body.roots if r.level == root.level)
    if sums or (isinstance(extent, int) and extent < SHORT):
        return None
    if isinstance(size, int):
        return e.const(True, bool_) if size >= schedule.stream_bytes else None
    return dims(size) >= schedule.stream_bytes


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
