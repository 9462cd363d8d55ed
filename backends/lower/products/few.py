"""Products of few rows: the right operand is read once, where it lies."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Accumulate, Declare, For, If, Let, Prefetch, Stmt, Store
from graphc.backends.lower.products.frame import SUMS, ZERO, Frame, parts
from graphc.backends.lower.products.held import held_sums
from graphc.backends.lower.products.sizes import HELD_ELEMENTS, HELD_ROWS, NARROW
from graphc.ir.dims import maximum, minimum
from graphc.ir.record import dataclass
from graphc.machine import TYPICAL

H, W, M0, N0 = (e.var(f"p.{name}") for name in ("h", "w", "m0", "n0"))
ROW, COLUMN, K, GROUP, TILE, PAIR = (e.var(f"p.{x}") for x in ("m", "n", "k", "q", "c", "d"))
#: Lines of the right operand that are added to the sums at once, as many as find places in the
#: first cache however far apart they lie; what is left goes so many at a time.
LINES, LAST_LINES = TYPICAL.ways, (4, 1)
#: Columns after which the next row's sums are taken, so that the lines are still in the cache.
STRETCH = 256
#: Columns that are summed at once where both operands lie along the sum, and elements of the right
#: one from which on it comes from memory.
TOGETHER, FAR_ELEMENTS = 4, 2**19
#: Bytes from which on it is in no cache, and elements between those at work and what is asked for.
NOWHERE_BYTES, AHEAD = TYPICAL.shared, 512


@dataclass(frozen=True)
class Sums:
    """Where the sums of a block are: rows `width` elements apart, from `start` on. The right
    operand's elements are asked for so many `ahead`, if any; or the next columns of `asking` lines
    while a row takes some.
    """

    buffer: str
    start: Expr
    width: Expr
    ahead: int = 0
    asking: int = 0

    def at(self, row: Expr, column: Expr) -> Expr:
        """Where an element is."""
        return self.start + row * self.width + column


def few_elements(frame: Frame) -> int:
    """Elements of the sums of a block."""
    return max(frame.sizes.few, frame.sizes.few_narrow) * frame.sizes.few_width


def few_rows(frame: Frame) -> list[Stmt]:
    """The sums of a block, row after row, `few_width` apart."""
    ahead = AHEAD if frame.sizes.cold and frame.blocks.rows == 1 else 0
    sums = Sums(SUMS, ZERO, e.const(frame.sizes.few_width, ZERO.dtype), ahead)
    if frame.product.right.along == "inner" and frame.product.left.along == "inner":
        return _sums_along_lines(frame, sums)
    lines = lines_added(frame, sums, ZERO, frame.dims(frame.blocks.inner))
    if not frame.sizes.held:
        return lines
    rows, columns = frame.blocks.rows, frame.blocks.columns
    far = maximum(frame.blocks.inner * columns - HELD_ELEMENTS, HELD_ROWS - rows)
    beyond = minimum(columns - NARROW * frame.sizes.lanes, far)
    if isinstance(beyond, int):
        return held_sums(frame) if beyond <= 0 else lines
    return [If(frame.dims(beyond) <= 0, tuple(held_sums(frame)), tuple(lines))]


def _sums_along_lines(frame: Frame, sums: Sums) -> list[Stmt]:
    """Each element as a sum along both operands' lines: some columns at a time, or one after the
    other where the right operand comes from memory, which is best read in order.
    """
    size = frame.blocks.inner * frame.blocks.columns
    if isinstance(size, int):
        far = size * frame.product.right.tensor.dtype.bytes >= NOWHERE_BYTES or frame.sizes.cold
        count = 1 if size >= FAR_ELEMENTS else TOGETHER
        asking = sums.ahead > 0 or (far and count == 1)
        return _columns_summed(frame, sums, count, asking=asking)
    each, several = (tuple(_columns_summed(frame, sums, n)) for n in (1, TOGETHER))
    return [If(frame.dims(size) < FAR_ELEMENTS, several, each)]


def _columns_summed(frame: Frame, sums: Sums, count: int, *, asking: bool = False) -> list[Stmt]:
    """The sums of so many columns at a time, of which the last may be taken several times; `asking`
    for what follows.
    """
    decode = frame.bind(frame.product.rows, M0 + ROW)
    frame.bind(frame.product.left.inner, K)
    frame.bind(frame.product.right.inner, K)
    dtype, columns = frame.sum_type, [TILE * count + i for i in range(count)]
    declared: list[Stmt] = []
    steps: list[Stmt] = [Let("p.a", frame.left())]
    stores: list[Stmt] = []
    for i, column in enumerate(columns):
        name = f"p.total{i}"
        frame.bind(frame.product.columns, N0 + e.minimum(column, W - 1))
        right = frame.right()
        steps.append(Accumulate(name, "sum", e.var("p.a", dtype) * right))
        if asking and right.op == "load" and len(right.args) == 1:
            steps.append(Prefetch(str(right.attr), right.args[0] + AHEAD))
        declared.append(Declare(name, e.const(0, dtype)))
        stores.append(Store(sums.buffer, sums.at(ROW, column), e.var(name, dtype)))
    inner, lanes = frame.dims(frame.blocks.inner), frame.sizes.lanes
    along = For("p.k", ZERO, inner, tuple(steps), "vector", lanes, TOGETHER // count)
    body = (*decode, *declared, along, *stores)
    return [For("p.c", ZERO, parts(W, count), (For("p.m", ZERO, H, body),))]


def lines_added(frame: Frame, sums: Sums, first: Expr, last: Expr) -> list[Stmt]:
    """Lines first .. last of the right operand times elements of the left are added up."""
    clear = Store(sums.buffer, sums.at(ROW, COLUMN), e.const(0, frame.sum_type))
    out: list[Stmt] = [For("p.m", ZERO, H, (frame.along_columns(ZERO, W, [clear]),))]
    for lines in (LINES, *LAST_LINES):
        groups = (last - first) / lines
        summands = [first + GROUP * lines + u for u in range(lines)]
        out.append(For("p.q", ZERO, groups, tuple(_added(frame, sums, summands))))
        first = first + groups * lines
        if isinstance(frame.blocks.inner, int) and frame.blocks.inner % lines == 0:
            break
    return out


def _added(frame: Frame, sums: Sums, summands: Sequence[Expr]) -> list[Stmt]:
    """These summands of every row: of one row at once, of several stretch by stretch."""
    if frame.blocks.rows == 1:
        return _stretch(frame, sums, summands, ZERO, W)
    begin = e.var("p.c") * STRETCH
    end = e.minimum(begin + STRETCH, W)
    stretch = _stretch(frame, sums, summands, begin, end)
    return [For("p.c", ZERO, parts(W, STRETCH), tuple(stretch))]


def _stretch(
    frame: Frame, sums: Sums, summands: Sequence[Expr], begin: Expr, end: Expr
) -> list[Stmt]:
    """These summands of every row, in some of the columns: two rows at a time and one if left, or
    one by one.
    """
    count, paired = frame.blocks.rows, frame.sizes.paired and frame.blocks.rows != 1
    two, one = [PAIR * 2, PAIR * 2 + 1], [ROW]
    out, done = list[Stmt](), ZERO
    if paired:
        rows = _rows(frame, sums, summands, two, begin, end)
        out, done = [For("p.d", ZERO, H / 2, tuple(rows))], H / 2 * 2
    if not paired or not isinstance(count, int) or count % 2:
        rows = _rows(frame, sums, summands, one, begin, end)
        out.append(For("p.m", done, H, tuple(rows)))
    return out


def _rows(
    frame: Frame,
    sums: Sums,
    summands: Sequence[Expr],
    rows: Sequence[Expr],
    begin: Expr,
    end: Expr,
) -> list[Stmt]:
    """These summands of some rows, for which each line is read once."""
    dtype = frame.sum_type
    decode: list[Stmt] = []
    for i, row in enumerate(rows):
        decode += frame.bind(frame.product.rows, M0 + row)
        for u, k in enumerate(summands):
            frame.bind(frame.product.left.inner, k)
            decode.append(Let(f"p.a{i}.{u}", frame.left()))
    frame.bind(frame.product.columns, N0 + COLUMN)
    body: list[Stmt] = []
    totals = [e.load(sums.buffer, sums.at(row, COLUMN), dtype) for row in rows]
    for u, k in enumerate(summands):
        frame.bind(frame.product.right.inner, k)
        right = frame.right()
        if sums.ahead and right.op == "load" and len(right.args) == 1:
            body.append(Prefetch(str(right.attr), right.args[0] + sums.ahead))
        if len(rows) > 1:
            body.append(Let(f"p.b{u}", right))
            right = e.var(f"p.b{u}", dtype)
        totals = [
            frame.multiply_add(e.var(f"p.a{i}.{u}", dtype), right, total)
            for i, total in enumerate(totals)
        ]
    if len(summands) == LINES:
        for row in rows:
            body += _next_columns(frame, summands[0], sums.asking, row)
    body += [
        Store(sums.buffer, sums.at(row, COLUMN), total)
        for row, total in zip(rows, totals, strict=True)
    ]
    return [*decode, frame.along_columns(begin, end, body)]


def _next_columns(frame: Frame, first: Expr, asking: int, row: Expr) -> list[Stmt]:
    """Asks for the columns of the next stretch in some of the lines from the first on: in others
    for each row.
    """
    out: list[Stmt] = []
    for i in range(asking):
        line = e.rem(row * asking + i, e.const(LINES, ROW.dtype))
        frame.bind(frame.product.right.inner, first + line)
        frame.bind(frame.product.columns, N0 + COLUMN + STRETCH)
        x = frame.right()
        if x.op == "load" and len(x.args) == 1:
            out.append(Prefetch(str(x.attr), x.args[0]))
    return out
