"""Products that may have few columns while they run: sums along the left operand's lines where it
lies, column by column.

Values of a block, by name: `p.m0`, `p.h` its first row and its rows; `p.w` all columns; `p.k0`,
`p.kn` the first summand and the number of those that are taken at once.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Alloc, Assign, Declare, For, If, Let, Stmt, Store
from graphc.backends.loops.widen import widened
from graphc.backends.lower.products.axes import Product, extent_of
from graphc.backends.lower.products.blocks import FEW_GRAIN
from graphc.backends.lower.products.few import LINES
from graphc.backends.lower.products.frame import SUMS, ZERO, Frame, parts
from graphc.backends.lower.products.sizes import Sizes, divide_up
from graphc.ir.dims import Dim, floordiv, maximum, minimum
from graphc.ir.dtypes import bool_
from graphc.ir.record import dataclass

#: The columns at most, the right operand's part turned to lie along the sum.
MOST_COLUMNS, TURNED = 8, "p.turned"
#: Rows that are too few to be taken side by side, or four at once.
HARDLY_ANY, HARDLY_ANY_ALONG = 6, 2
#: Rows and summands from which on products of known sizes are worth it.
MANY_ROWS, MANY_SUMMANDS = 256, 512

M, N, K, M0, K0, KN, H, W = (e.var(f"p.{x}") for x in ("m", "n", "k", "m0", "k0", "kn", "h", "w"))
BLOCK, GROUP, TILE, VECTOR, PANEL = (e.var(f"p.{x}") for x in ("block", "q", "t", "v", "j"))


@dataclass(frozen=True)
class _Shape:
    """A block has `height` rows and sums over `depth` summands at a time; `rows` x `columns` of its
    sums are in registers.
    """

    height: int
    depth: int
    rows: int
    columns: int

    @property
    def line(self) -> int:
        """Elements from line to line of what is turned: they must not collide."""
        return self.depth + 16

    @property
    def stride(self) -> int:
        """Elements from column to column of the sums: rows beyond the last of a tile too."""
        return self.height + self.rows


def _shape(product: Product) -> _Shape:
    """Of known columns some are taken at once, and the block is large: turning takes its time."""
    columns = extent_of(product.columns)
    if not isinstance(columns, int):
        return _Shape(256, 512, 4, 1)
    return _Shape(512, 2048, 6, -(-columns // -(-columns // 4)))


def known_thin(frame: Frame) -> bool:
    """Whether so few columns are known that sums along lines, if these are long, are quicker than
    packing the left operand.
    """
    product = frame.product
    rows, columns, inner = (extent_of(a) for a in (product.rows, product.columns, product.inner))
    if not (isinstance(rows, int) and isinstance(columns, int) and isinstance(inner, int)):
        return False
    axes = (product.columns, product.rows, product.left.inner, product.right.inner)
    if product.left.along != "inner" or frame.words is not None or any(len(a) != 1 for a in axes):
        return False
    many = frame.sizes.lanes > 1 and rows >= MANY_ROWS and inner >= MANY_SUMMANDS
    return many and 1 < columns <= MOST_COLUMNS


def is_thin(product: Product, sizes: Sizes) -> Dim:
    """1 where there are few columns, else 0; a literal 0 where this is not asked while running."""
    columns = extent_of(product.columns)
    axes = (product.columns, product.rows, product.left.inner, product.right.inner)
    if isinstance(columns, int) or sizes.fold or product.packed or product.turned:
        return 0
    if sizes.lanes == 1 or product.left.along == "neither" or any(len(a) != 1 for a in axes):
        return 0
    most = _most_columns(product, sizes)
    if isinstance(most, int) and most < 1:
        return 0
    few = maximum(0, minimum(1, most + 1 - columns))
    if product.left.along == "free":
        return few
    # The lanes of a sum meet at last: the more sums, the longer they have to be.
    long = extent_of(product.inner) + 3 - 2 * columns * columns
    return few * maximum(0, minimum(1, long))


def _most_columns(product: Product, sizes: Sizes) -> Dim:
    """Columns that are few: fewer where rows are few too, and lines of the right operand in place
    are summed sooner.
    """
    rows = extent_of(product.rows)
    if sizes.few_narrow > sizes.few:
        hardly_any = HARDLY_ANY_ALONG if product.left.along == "inner" else HARDLY_ANY
        less = ((sizes.few_narrow, 3), (sizes.few, 3), (hardly_any, 2))
        return MOST_COLUMNS - sum(n * maximum(0, minimum(1, d + 1 - rows)) for d, n in less)
    if product.left.along == product.right.along == "inner":
        return minimum(MOST_COLUMNS, 2 * rows + 1)
    return MOST_COLUMNS


def thin_chunks(frame: Frame) -> Dim:
    """Chunks of blocks of rows; only sizes count, never threads."""
    return divide_up(_count(frame), _per_chunk(frame))


def _count(frame: Frame) -> Dim:
    return frame.blocks.batch * divide_up(frame.blocks.rows, _shape(frame.product).height)


def _per_chunk(frame: Frame) -> Dim:
    work = minimum(frame.blocks.rows, _shape(frame.product).height) * frame.blocks.inner
    return maximum(1, floordiv(2 * FEW_GRAIN, maximum(1, work)))


def thin(frame: Frame, finished: Callable[[Expr], list[Stmt]]) -> tuple[Stmt, ...]:
    """The kernel's body; `finished(sum)` is what is done with an element."""
    shape = _shape(frame.product)
    per, down = (
        frame.dims(_per_chunk(frame)),
        frame.dims(divide_up(frame.blocks.rows, shape.height)),
    )
    first = e.var("chunk") * per
    last = e.minimum(first + per, frame.dims(_count(frame)))
    place: list[Stmt] = [
        Let("p.m0", e.rem(BLOCK, down) * shape.height),
        Let("p.h", e.minimum(frame.dims(frame.blocks.rows) - M0, shape.height)),
        Let("p.w", frame.dims(frame.blocks.columns)),
        *frame.bind(frame.product.batch, BLOCK / down),
    ]
    along = frame.product.left.along == "inner"
    sums = _along_lines(frame) if along else _lines_added(frame)
    body = (*place, *_cleared(frame), *sums, _finish(frame, finished))
    scratch = [Alloc(SUMS, frame.sum_type, MOST_COLUMNS * shape.stride)]
    if along:
        scratch.append(Alloc(TURNED, frame.sum_type, MOST_COLUMNS * shape.line))
    return (*scratch, For("p.block", first, last, body))


def _at(frame: Frame, row: Expr, column: Expr = N) -> Expr:
    """Where the sum of a row and a column is."""
    return column * _shape(frame.product).stride + row


def _cleared(frame: Frame) -> list[Stmt]:
    zero, rows = Store(SUMS, _at(frame, M), e.const(0, frame.sum_type)), _shape(frame.product).rows
    height = parts(H, rows) * rows
    return [For("p.n", ZERO, W, (For("p.m", ZERO, height, (zero,), "vector", frame.sizes.lanes),))]


def _finish(frame: Frame, finished: Callable[[Expr], list[Stmt]]) -> For:
    frame.bind(frame.product.rows, M0 + M)
    frame.bind(frame.product.columns, N)
    body = finished(e.load(SUMS, _at(frame, M), frame.sum_type))
    return For("p.m", ZERO, H, (For("p.n", ZERO, W, tuple(body)),))


# --- rows that lie along the sum ------------------------------------------------------------------


def _along_lines(frame: Frame) -> list[Stmt]:
    """Some rows at a time, times some columns, which are turned to lie as they do."""
    inner, shape = frame.dims(frame.blocks.inner), _shape(frame.product)
    columns = For("p.j", ZERO, parts(W, shape.columns), tuple(_tile(frame, shape)))
    depths: list[Stmt] = [
        Let("p.k0", e.var("p.d") * shape.depth),
        Let("p.kn", e.minimum(inner - K0, shape.depth)),
        _turned(frame, shape.line),
        For("p.t", ZERO, parts(H, shape.rows), (columns,)),
    ]
    return [For("p.d", ZERO, parts(inner, shape.depth), tuple(depths))]


def _turned(frame: Frame, stride: int) -> For:
    frame.bind(frame.product.columns, N)
    frame.bind(frame.product.right.inner, K0 + K)
    store = Store(TURNED, N * stride + K, frame.right())
    if frame.product.right.along == "inner":
        line = For("p.k", ZERO, KN, (store,), "vector", frame.sizes.lanes)
        return For("p.n", ZERO, W, (line,))
    return For("p.k", ZERO, KN, (For("p.n", ZERO, W, (store,)),))


def _tile(frame: Frame, shape: _Shape) -> list[Stmt]:
    """Sums of some rows with some columns; those beyond the last are sums of its own once more."""
    lanes, dtype = frame.sizes.lanes, frame.sum_type
    sums = [(i, c) for i in range(shape.rows) for c in range(shape.columns)]
    columns = [PANEL * shape.columns + c for c in range(shape.columns)]
    read = columns if shape.columns == 1 else [e.minimum(c, W - 1) for c in columns]
    zero = e.broadcast(e.const(0, dtype), lanes)
    whole = KN / lanes
    inside = e.var("p.inside", bool_, lanes)
    rest = [
        Let("p.inside", e.ramp(whole * lanes, lanes) < KN),
        *_step(frame, shape, read, whole * lanes, inside),
    ]
    out: list[Stmt] = [Declare(_sum(i, c), zero) for i, c in sums]
    steps = _step(frame, shape, read, VECTOR * lanes, None)
    out.append(For("p.v", ZERO, whole, tuple(steps)))
    inner = frame.blocks.inner
    if not isinstance(inner, int) or inner % lanes:
        out.append(If(whole * lanes < KN, tuple(rest)))
    for i, c in sums:
        at = _at(frame, TILE * shape.rows + i, columns[c])
        total = e.across("sum", e.var(_sum(i, c), dtype, lanes))
        out.append(Store(SUMS, at, e.load(SUMS, at, dtype) + total))
    return out


def _step(
    frame: Frame, shape: _Shape, columns: list[Expr], start: Expr, mask: Expr | None
) -> list[Stmt]:
    """A vector of summands of every row and column of a tile."""
    lanes, dtype = frame.sizes.lanes, frame.sum_type
    out: list[Stmt] = []
    for c, column in enumerate(columns):
        at = e.ramp(column * shape.line + start, lanes)
        out.append(Let(f"p.b{c}", e.load(TURNED, at, dtype, mask)))
    for i in range(shape.rows):
        row = e.minimum(TILE * shape.rows + i, H - 1)
        frame.bind(frame.product.rows, M0 + row)
        frame.bind(frame.product.left.inner, K0 + K)
        out.append(Let(f"p.a{i}", widened(frame.left(), "p.k", start, lanes, mask)))
        left = e.var(f"p.a{i}", dtype, lanes)
        for c in range(shape.columns):
            total, right = (e.var(x, dtype, lanes) for x in (_sum(i, c), f"p.b{c}"))
            out.append(Assign(_sum(i, c), frame.multiply_add(left, right, total)))
    return out


def _sum(i: int, c: int) -> str:
    return f"p.sum{i}.{c}"


# --- rows that lie side by side -------------------------------------------------------------------


def _lines_added(frame: Frame) -> list[Stmt]:
    """Lines of the left operand times elements of the right are added up, several at a time."""
    inner = frame.dims(frame.blocks.inner)
    out: list[Stmt] = []
    first: Expr = ZERO
    for lines in (LINES, 1):
        groups = (inner - first) / lines
        summands = [first + GROUP * lines + u for u in range(lines)]
        out.append(For("p.q", ZERO, groups, (_added(frame, summands),)))
        first = first + groups * lines
    return out


def _added(frame: Frame, summands: list[Expr]) -> For:
    total = e.load(SUMS, _at(frame, M), frame.sum_type)
    frame.bind(frame.product.rows, M0 + M)
    frame.bind(frame.product.columns, N)
    factors: list[Stmt] = []
    for u, k in enumerate(summands):
        frame.bind(frame.product.left.inner, k)
        frame.bind(frame.product.right.inner, k)
        factors.append(Let(f"p.b{u}", frame.right()))
        factor = e.var(f"p.b{u}", frame.sum_type)
        total = frame.multiply_add(frame.left(), factor, total)
    line = For("p.m", ZERO, H, (Store(SUMS, _at(frame, M), total),), "vector", frame.sizes.lanes)
    return For("p.n", ZERO, W, (*factors, line))
