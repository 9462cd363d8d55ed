"""Products that have few columns, or may have while they run: sums along the left operand's lines
where it lies (`thin_lines.py`), or of its lines.

Values of a block, by name: `p.m0`, `p.h` its first row and its rows; `p.w` all columns; `p.k0`,
`p.kn` the first summand and the number of those that are taken at once.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Alloc, For, Let, Stmt, Store
from graphc.backends.lower.counts import divide_up
from graphc.backends.lower.products.axes import Product, extent_of
from graphc.backends.lower.products.blocks import ENOUGH, FEW_GRAIN
from graphc.backends.lower.products.few import LINES
from graphc.backends.lower.products.frame import SUMS, ZERO, Frame, parts
from graphc.backends.lower.products.sizes import FEW_ROWS, Sizes
from graphc.backends.lower.products.thin_lines import (
    MOST_COLUMNS,
    ROOM,
    TURNED,
    along_lines,
    shape_of,
    sum_at,
)
from graphc.ir.dims import Dim, floordiv, maximum, minimum

#: Rows that are too few to be taken side by side, or four at once.
HARDLY_ANY, HARDLY_ANY_ALONG = 6, 2
#: Rows of a block at least, where there are more.
LOW = 48
#: Rows and summands from which on products of known sizes are worth it.
MANY_ROWS, MANY_SUMMANDS = 64, 512

M, N, M0, H, W = (e.var(f"p.{x}") for x in ("m", "n", "m0", "h", "w"))
BLOCK, GROUP = e.var("p.block"), e.var("p.q")


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
    most = _most_columns(product, frame.sizes)
    return many and isinstance(most, int) and 1 < columns <= most


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
        less = ((sizes.few_narrow, 5), (FEW_ROWS, 3), (hardly_any, 2))
        return MOST_COLUMNS - sum(n * maximum(0, minimum(1, d + 1 - rows)) for d, n in less)
    if product.left.along == product.right.along == "inner":
        return minimum(MOST_COLUMNS, 2 * rows + 1)
    return MOST_COLUMNS


def thin_chunks(frame: Frame) -> Dim:
    """Chunks of blocks of rows; only sizes count, never threads."""
    return divide_up(_count(frame), _per_chunk(frame))


def _height(frame: Frame) -> Dim:
    """Rows of a block: fewer where there would be too few blocks for the work, but not so few that
    turning the columns for them takes long.
    """
    shape, rows = shape_of(frame.product), frame.blocks.rows
    worth = minimum(ENOUGH, floordiv(rows * frame.blocks.inner, FEW_GRAIN))
    blocks = maximum(1, minimum(worth, floordiv(rows, LOW)))
    tiles = maximum(1, divide_up(rows, blocks * shape.rows))
    return minimum(shape.height, tiles * shape.rows)


def _count(frame: Frame) -> Dim:
    return frame.blocks.batch * divide_up(frame.blocks.rows, _height(frame))


def _per_chunk(frame: Frame) -> Dim:
    work = minimum(frame.blocks.rows, _height(frame)) * frame.blocks.inner
    return maximum(1, floordiv(2 * FEW_GRAIN, maximum(1, work)))


def thin(frame: Frame, finished: Callable[[Expr], list[Stmt]]) -> tuple[Stmt, ...]:
    """The kernel's body; `finished(sum)` is what is done with an element."""
    shape = shape_of(frame.product)
    per, high = frame.dims(_per_chunk(frame)), frame.dims(_height(frame))
    down = frame.dims(divide_up(frame.blocks.rows, _height(frame)))
    first = e.var("chunk") * per
    last = e.minimum(first + per, frame.dims(_count(frame)))
    place: list[Stmt] = [
        Let("p.m0", e.rem(BLOCK, down) * high),
        Let("p.h", e.minimum(frame.dims(frame.blocks.rows) - M0, high)),
        Let("p.w", frame.dims(frame.blocks.columns)),
        *frame.bind(frame.product.batch, BLOCK / down),
    ]
    along = frame.product.left.along == "inner"
    sums = along_lines(frame) if along else _lines_added(frame)
    body = (*place, *_cleared(frame), *sums, _finish(frame, finished))
    scratch = [Alloc(SUMS, frame.sum_type, ROOM * shape.stride)]
    if along:
        scratch.append(Alloc(TURNED, frame.sum_type, MOST_COLUMNS * shape.line))
    return (*scratch, For("p.block", first, last, body))


def _cleared(frame: Frame) -> list[Stmt]:
    zero, rows = e.const(0, frame.sum_type), shape_of(frame.product).rows
    height, store = parts(H, rows) * rows, Store(SUMS, sum_at(frame, M), zero)
    return [For("p.n", ZERO, W, (For("p.m", ZERO, height, (store,), "vector", frame.sizes.lanes),))]


def _finish(frame: Frame, finished: Callable[[Expr], list[Stmt]]) -> For:
    frame.bind(frame.product.rows, M0 + M)
    frame.bind(frame.product.columns, N)
    body = finished(e.load(SUMS, sum_at(frame, M), frame.sum_type))
    return For("p.m", ZERO, H, (For("p.n", ZERO, W, tuple(body)),))


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
    total = e.load(SUMS, sum_at(frame, M), frame.sum_type)
    frame.bind(frame.product.rows, M0 + M)
    frame.bind(frame.product.columns, N)
    factors: list[Stmt] = []
    for u, k in enumerate(summands):
        frame.bind(frame.product.left.inner, k)
        frame.bind(frame.product.right.inner, k)
        factors.append(Let(f"p.b{u}", frame.right()))
        factor = e.var(f"p.b{u}", frame.sum_type)
        total = frame.multiply_add(frame.left(), factor, total)
    line = For("p.m", ZERO, H, (Store(SUMS, sum_at(frame, M), total),), "vector", frame.sizes.lanes)
    return For("p.n", ZERO, W, (*factors, line))
