"""Products of few rows with a large right operand: every chunk reads lines that lie together and
sums its part of the summands; a second kernel adds the parts up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, Let, Stmt
from graphc.backends.lower.counts import divide_up
from graphc.backends.lower.products.axes import Product, extent_of
from graphc.backends.lower.products.few import COLUMN, LINES, ROW, Sums, lines_added
from graphc.backends.lower.products.frame import ZERO, Frame
from graphc.backends.lower.products.sizes import HELD_ELEMENTS, Sizes
from graphc.ir.dims import Dim, floordiv, maximum, minimum
from graphc.ir.record import dataclass
from graphc.machine import TYPICAL

#: The sums of all parts.
PARTIAL = "t0"
#: Bytes of the right operand from which on its lines are read in order, and of a chunk's share.
LARGE = SHARE = 2**18
#: Bytes from which on they come from memory, and elements that are asked for ahead then: of more
#: rows than these each would ask, unless two ask together.
FAR, AHEAD, ASKING = TYPICAL.shared, 512, 4
#: Bytes from which on lines come from the shared cache: several rows ask for them in turn.
OUTSIDE = 2 * TYPICAL.second
#: Rows that are summed in parts where registers could hold the sums, one by one and two at a time.
FEW_PARTED, FEW_PAIRS = 2, 6
#: Columns whose sums stay in the first cache.
WIDEST = 4096
#: Parts at most, and summands of a part at least, whole groups of so many.
MOST_PARTS, LEAST_SUMMANDS, UNIT = 8, 64, 16
#: Columns at least where they are not known: registers hold the sums of fewer.
LEAST_COLUMNS = 128
#: Bytes of a right operand of any size from which on it is read in parts.
LARGE_ENOUGH = 2**20

CHUNK, PART, BLOCK = (e.var(name) for name in ("chunk", "p.part", "p.block"))
N0, W = e.var("p.n0"), e.var("p.w")


@dataclass(frozen=True)
class Parted:
    """A chunk sums one of `parts` of `inner` summands for one of `across` blocks of `width` columns
    of no more than `rows` rows. `far`: what comes from memory is asked for, by each row; `asking`:
    lines for which each row asks. `large` is 1 where all that is worth it, else 0.
    """

    rows: Dim
    columns: Dim
    inner: Dim
    parts: int
    across: Dim
    width: Dim
    far: bool
    asking: int = 0
    large: Dim = 1

    @property
    def chunks(self) -> Dim:
        """Chunks of the sums."""
        return self.parts * self.across

    @property
    def elements(self) -> Dim:
        """Elements of the sums of all parts."""
        return self.parts * self.rows * self.columns


def parted(product: Product, sizes: Sizes) -> Parted | None:
    """How to sum in parts, where the right operand lies line by line and is large, or may be."""
    axes = (product.batch, product.rows, product.columns, product.inner)
    batch, rows, columns, inner = (extent_of(a) for a in axes)
    lies = product.right.along == "free" and bool(product.columns) and sizes.lanes > 1
    if not sizes.few or not lies or batch != 1 or (product.turned and rows != 1):
        return None
    if isinstance(rows, int) and not 0 < rows <= sizes.few:
        return None
    itemsize = product.right.tensor.dtype.bytes
    if not isinstance(columns, int) or not isinstance(inner, int):
        return _maybe_parted(rows, columns, inner, itemsize, sizes)
    if not isinstance(rows, int) and sizes.few_narrow > sizes.few:
        return None
    size, few = columns * inner * itemsize, _few_parted(sizes)
    held = sizes.held and columns * inner <= HELD_ELEMENTS
    if size < LARGE or (held and isinstance(rows, int) and rows > few):
        return None
    large = maximum(0, minimum(1, few + 1 - rows)) if held else 1
    across = _even(-(-columns // WIDEST))
    width = -(-columns // (across * sizes.lanes)) * sizes.lanes
    most = max(1, min(MOST_PARTS, inner // LEAST_SUMMANDS))
    parts = min(most, max(2, _even(size // (SHARE * across))))
    far = size >= FAR and _asks(rows, sizes)
    several = isinstance(rows, int) and rows > 1 and not far and size >= OUTSIDE
    asking = -(-LINES // rows) if several else 0
    few_rows = minimum(rows, sizes.few)
    return Parted(few_rows, columns, inner, parts, across, width, far, asking, large)


def _maybe_parted(
    rows: Dim, columns: Dim, inner: Dim, itemsize: int, sizes: Sizes
) -> Parted | None:
    """The same for a right operand whose size is not known: as many parts as there may be."""
    least = MOST_PARTS * LEAST_SUMMANDS, LEAST_COLUMNS
    short = (isinstance(d, int) and d < n for d, n in zip((inner, columns), least, strict=True))
    if any(short):
        return None
    large: Dim = 1
    if sizes.held:
        most = _few_parted(sizes) + maximum(0, minimum(sizes.few, columns * inner - HELD_ELEMENTS))
        large = maximum(0, minimum(1, most + 1 - rows))
    for d, n in (
        (inner, least[0]),
        (columns, least[1]),
        (columns * inner * itemsize, LARGE_ENOUGH),
    ):
        large = large * maximum(0, minimum(1, d - n + 1))
    count = maximum(1, divide_up(columns, WIDEST))
    across = minimum(2 * floordiv(count + 1, 2), maximum(1, 2 * (count - 1)))
    width = divide_up(columns, across * sizes.lanes) * sizes.lanes
    far = _asks(rows, sizes)  # it may come from memory
    few_rows = minimum(rows, sizes.few)
    return Parted(few_rows, columns, inner, MOST_PARTS, across, width, far, large=large)


def _few_parted(sizes: Sizes) -> int:
    return FEW_PAIRS if sizes.paired else FEW_PARTED


def _asks(rows: Dim, sizes: Sizes) -> bool:
    """Whether rows ask for what follows."""
    return sizes.paired or not isinstance(rows, int) or rows <= ASKING


def _even(count: int) -> int:
    """So many, or one more, so that two threads share them; one stays one."""
    return max(1, count + (count > 1 and count % 2))


def parted_sums(frame: Frame, plan: Parted) -> tuple[Stmt, ...]:
    """The sums of a chunk."""
    first, last = (_cut(frame, plan, PART + i) for i in (0, 1))
    place: list[Stmt] = [
        Let("p.part", CHUNK / frame.dims(plan.across)),
        Let("p.block", e.rem(CHUNK, frame.dims(plan.across))),
        *_columns(frame, plan),
        Let("p.m0", ZERO),
        Let("p.h", frame.dims(frame.blocks.rows)),
        Let("p.first", first),
        Let("p.last", last),
    ]
    sums = _sums(frame, plan, PART)
    return (*place, *lines_added(frame, sums, e.var("p.first"), e.var("p.last")))


def _cut(frame: Frame, plan: Parted, part: Expr) -> Expr:
    """The first summand of a part."""
    at = part * frame.dims(floordiv(plan.inner, UNIT)) / plan.parts * UNIT
    if isinstance(plan.inner, int) and plan.inner % UNIT == 0:
        return at
    return e.select(part < plan.parts, at, frame.dims(plan.inner))


def _columns(frame: Frame, plan: Parted) -> list[Stmt]:
    columns, width = frame.dims(plan.columns), frame.dims(plan.width)
    return [Let("p.n0", BLOCK * width), Let("p.w", e.minimum(columns - N0, width))]


def _sums(frame: Frame, plan: Parted, part: Expr) -> Sums:
    """Where the sums of a part lie, for the columns from p.n0 on."""
    width = frame.dims(plan.columns)
    start = part * (frame.dims(plan.rows) * width) + N0
    return Sums(PARTIAL, start, width, AHEAD if plan.far else 0, plan.asking)


def parted_results(
    frame: Frame, plan: Parted, finished: Callable[[Expr], list[Stmt]]
) -> tuple[Stmt, ...]:
    """Every result of a block of columns: `finished(sum)` is what is done with it."""
    decode = frame.bind(frame.product.rows, ROW)
    frame.bind(frame.product.columns, COLUMN)
    rows = frame.dims(frame.blocks.rows)
    parts = [
        e.load(
            PARTIAL,
            _sums(frame, plan, e.const(part, ZERO.dtype)).at(ROW, COLUMN - N0),
            frame.sum_type,
        )
        for part in range(plan.parts)
    ]
    body = finished(reduce(add, parts))
    line = frame.along_columns(N0, N0 + W, body)
    return (Let("p.block", CHUNK), *_columns(frame, plan), For("p.m", ZERO, rows, (*decode, line)))
