"""Sizes of a product's tiles and blocks."""

from __future__ import annotations

from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.products.axes import Product, extent_of
from graphc.backends.lower.products.left_place import ANYWHERE, WIDTH, in_place, is_low, laid_out
from graphc.backends.lower.products.register_tiles import RegisterTile, panel_tile, register_tile
from graphc.backends.lower.products.words import Words, lines_of
from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType
from graphc.ir.node import Node
from graphc.ir.record import dataclass
from graphc.machine import FLOAT, TYPICAL
from graphc.passes.fusion.inplace import PARTIAL

#: Bytes of the summands of a column that are packed at once, by the bits of a vector, in a block
#: of WIDTH columns of float32 (doubles have half the columns and as many summands), and rows of a
#: block at most: the packed right operand fills a part of the second cache, the rows pass by it.
DEPTH_BYTES = {512: TYPICAL.panel_bytes // WIDTH}
LESS_DEPTH_BYTES = TYPICAL.panel_bytes // WIDTH // 2
HEIGHT = -(-TYPICAL.panel_bytes // WIDTH // 4 // 24) * 24  # 24 rows are whole tiles
#: Where rows are packed too, once for each block: half the summands. The height holds as well for
#: sizes that are not known, so that there are enough blocks.
PACKED_WIDTH = 256
PACKED_HEIGHT = -(-TYPICAL.panel_bytes // PACKED_WIDTH // 4 // 6) * 6
#: Columns of a block, whatever a schedule asks for.
WIDEST = 512
#: Rows up to which a product is computed without packing, and where a sum has so many terms that
#: packed ones are read again soon; and the columns of its blocks.
FEW_ROWS, FEW_LONG, LONG = 8, 5, 384
FEW_SUMS = 4
#: The same where registers have room for the factors of two rows, and registers that do.
FEW_PAIRED, ROOMY = 24, 20
#: Where registers hold the sums of some columns after the other: elements of a right operand that
#: stays in the caches meanwhile, columns of a block then, and rows from which on that is so.
HELD_ELEMENTS, HELD_WIDTH, HELD_ROWS = 2**21, 64, 2
#: Vectors of columns that are few, and the same rows where they are: their sums stay in registers.
NARROW = 2
NARROW_ROWS = 64
#: The same where half a vector has room for them, as packed ones go.
HALF_ROWS = 24
FEW_WIDTH = 256
FEW_WIDE = 512
#: Last rows of a tile of no more than ANYWHERE.
LOW_TAIL = 2


@dataclass(frozen=True)
class Sizes:
    """`tile_rows` x (`vectors` * `lanes`) sums are held in registers, `tail_rows` at the last rows.

    A block has `height` rows, `width` columns and sums over `depth` at a time, a multiple of
    `unit`. `few`: rows up to which nothing is packed, in blocks of `few_width` columns. `fused`:
    multiply and add are one instruction. `fold`: columns kept for each line of a last axis that is
    one of several (0: there is but one axis). `few_narrow`: as `few`, where the columns are no more
    than NARROW vectors. `held`: sums of few rows may stay in registers; `paired`: registers have
    room for the factors of two rows. `in_place`: the left
    operand is read where it lies; `laid_out`: in tiles, which are packed before. `operands`:
    registers for sums and what is multiplied.
    """

    lanes: int
    tile_rows: int
    tail_rows: int
    vectors: int
    depth: int
    unit: int
    width: int
    height: int
    few: int
    few_narrow: int
    held: bool
    paired: bool
    few_width: int
    fold: int
    fused: bool
    in_place: bool
    laid_out: bool
    cold: bool
    operands: int

    @property
    def panel(self) -> int:
        """Columns of a tile."""
        return self.lanes * self.vectors


def _depth_bytes(vector_bits: int) -> int:
    return DEPTH_BYTES.get(vector_bits, LESS_DEPTH_BYTES)


def _depth(inner: Dim, unit: int, most: int) -> int:
    """Summands at a time: all, where they are known to be not many more; whole units."""
    size = max(unit, most // unit * unit)
    if not isinstance(inner, int):
        return size
    if inner <= most + most // 4:
        size = max(unit, -(-inner // unit) * unit)
    return _fit(size, inner, max(unit, 4))


def _unit(product: Product, lanes: int, most: int) -> int:
    """Summands that are not parted: whole lines of the left operand, if they are short."""
    axes = product.left.inner
    if product.left.along != "inner" or len(axes) < 2:
        return lanes
    line = axes[-1].extent
    short = isinstance(line, int) and 0 < line <= most and line % lanes == 0
    return line if short and isinstance(line, int) else lanes


def choose_sizes(
    product: Product, schedule: Schedule, sum_type: DType, words: Words | None = None
) -> Sizes:
    """Sizes that fit the registers and the caches, and what is known of the product's sizes."""
    lanes = schedule.lanes(sum_type.bits)
    as_they_lie = schedule.in_place and words is None
    tile_rows, tail_rows, vectors = _tile(product, schedule, sum_type, as_they_lie)
    panel, fold = lanes * vectors, 0
    columns = extent_of(product.columns[-1:])
    if len(product.columns) > 1:
        assert isinstance(columns, int)
        fold = -(-columns // panel) * panel
    rows, inner = extent_of(product.rows), extent_of(product.inner)
    tiled = as_they_lie and laid_out(product, rows, columns, inner)
    once = tiled or (as_they_lie and in_place(product, tile_rows, panel, sum_type))
    width, high = _width_and_height(product, schedule, sum_type, fold or panel, once)
    most = _depth_bytes(schedule.vector_bits) // (FLOAT if once else 2 * sum_type.bytes)
    most = min(schedule.depth, _fitting(width)) or most
    unit = _unit(product, lanes, most // 2)
    few, few_narrow, few_width = _few_rows(product, schedule, sum_type)
    return Sizes(
        lanes=lanes,
        tile_rows=tile_rows,
        tail_rows=tail_rows,
        vectors=vectors,
        depth=_depth(lines_of(inner, words), unit, most),
        unit=unit,
        width=width,
        height=max(1, high // tile_rows) * tile_rows,
        few=few,
        few_narrow=few_narrow,
        held=_is_held(product, sum_type, lanes),
        paired=_is_paired(schedule),
        few_width=few_width,
        fold=fold,
        fused=sum_type.is_float and schedule.fused,
        in_place=once,
        laid_out=tiled,
        cold=schedule.cold and _stays(product.right.tensor.node),
        operands=schedule.machine.operands,
    )


def _tile(product: Product, schedule: Schedule, sum_type: DType, as_they_lie: bool) -> RegisterTile:
    """Rows, last rows and vectors of a tile: no more rows than there are, or than may be read
    `as_they_lie`.
    """
    lanes, columns = schedule.lanes(sum_type.bits), extent_of(product.columns[-1:])
    tile_rows, tail_rows, vectors = (
        panel_tile(lanes, schedule)
        if product.packed
        else register_tile(columns, lanes, schedule, folded=len(product.columns) > 1)
    )
    if as_they_lie and is_low(product, tile_rows, lanes * vectors, sum_type):
        tile_rows, tail_rows = ANYWHERE, LOW_TAIL
    rows = extent_of(product.rows)
    if isinstance(rows, int) and rows < tile_rows:
        tile_rows = tail_rows = max(rows, 1)
    elif isinstance(rows, int):
        tail_rows = rows % tile_rows or tail_rows
    return tile_rows, tail_rows, vectors


def _width_and_height(
    product: Product, schedule: Schedule, sum_type: DType, step: int, once: bool
) -> tuple[int, int]:
    """Columns of a block, in whole steps, and about its rows; `once`: not packed for each block."""
    strip = WIDTH * FLOAT // max(FLOAT, sum_type.bytes)
    high, wide = (HEIGHT, strip) if once else (PACKED_HEIGHT, PACKED_WIDTH)
    if product.packed and extent_of(product.rows) == 1:
        wide = step  # the matrix takes the time: narrow blocks share it out evenly
    wide = min(schedule.width or wide, WIDEST)
    width = max(1, wide // step) * step
    return width, min(schedule.height or high, _fitting(width))


def _few_rows(product: Product, schedule: Schedule, sum_type: DType) -> tuple[int, int, int]:
    """Rows up to which nothing is packed, the same where columns are few, and columns of blocks
    then.
    """
    lanes, columns = schedule.lanes(sum_type.bits), extent_of(product.columns[-1:])
    held = _is_held(product, sum_type, lanes)
    few, width = _few(product, schedule), FEW_WIDTH if _less(columns, 4 * FEW_WIDE) else FEW_WIDE
    narrow = NARROW_ROWS if held else few
    if isinstance(columns, int) and columns <= NARROW * lanes:
        width = NARROW * lanes
        halves = 2 * columns <= lanes and lanes * sum_type.bits >= TYPICAL.vector_bits
        narrow = min(narrow, HALF_ROWS) if halves else narrow
    elif isinstance(columns, int):
        narrow = few
    if schedule.few is not None:
        few, narrow = min(few, schedule.few), min(narrow, schedule.few)
    return few, narrow, width


def _is_held(product: Product, sum_type: DType, lanes: int) -> bool:
    """Whether sums of few rows may stay in registers."""
    free = _reads_lines(product) and bool(product.columns) and product.right.along == "free"
    return free and lanes > 1 and sum_type.is_float and len(product.rows) <= 1


def _is_paired(schedule: Schedule) -> bool:
    """Whether registers have room for the factors of two rows."""
    return schedule.machine.operands >= ROOMY


def _stays(node: Node) -> bool:
    """Whether a value lies in memory from call to call: a constant, or a variable of which a part
    may have been replaced.
    """
    while node.op.name in PARTIAL:
        node = node.inputs[0].node
    return node.op.name in ("constant", "variable")


def _fitting(width: int) -> int:
    """Lines of so many columns that scratch memory has room for."""
    return TYPICAL.second // FLOAT // width


def lines_packed(sizes: Sizes) -> int:
    """Lines of a packed panel: whole squares of lanes, as they are transposed."""
    return -(-sizes.depth // sizes.lanes) * sizes.lanes


def _fit(size: int, needed: int, step: int, parts: int = 1) -> int:
    """`size`, or what `needed` split evenly into a multiple of `parts` takes, in whole steps."""
    count = max(1, -(-needed // size))
    if count > 1:
        count = -(-count // parts) * parts
    return min(size, max(1, -(-needed // (count * step))) * step)


def _less(x: Dim, limit: int) -> bool:
    """Whether a dimension is below the limit as far as is known."""
    return not isinstance(x, int) or x < limit


def _reads_lines(product: Product) -> bool:
    """Whether the right operand may be read where it lies."""
    inner = max(len(product.left.inner), len(product.right.inner))
    return not product.packed and inner <= 1 and len(product.columns) <= 1


def _few(product: Product, schedule: Schedule) -> int:
    if not _reads_lines(product):
        return 0
    if product.columns and product.right.along == "free" and _is_paired(schedule):
        return FEW_PAIRED
    if product.right.along == "free" or not product.columns:
        terms = extent_of(product.inner)
        return FEW_LONG if isinstance(terms, int) and terms >= LONG else FEW_ROWS
    return FEW_SUMS if product.left.along == product.right.along == "inner" else 0
