"""Sizes of a product's tiles and blocks."""

from __future__ import annotations

from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.products.axes import Product, extent_of
from graphc.backends.lower.products.words import Words, lines_of
from graphc.ir.dims import Dim, floordiv
from graphc.ir.dtypes import DType
from graphc.ir.node import Node
from graphc.ir.record import dataclass
from graphc.machine import FLOAT, TYPICAL
from graphc.ops.linear.packed import PANEL

#: Columns of a block and bytes of the summands of a column that are packed at once, by the bits of
#: a vector, for float32 (doubles have half the columns and as many summands), and rows of a block
#: at most: the packed right operand fills a part of the second cache, and the rows pass by it.
WIDTH = 64
DEPTH_BYTES = {512: TYPICAL.panel_bytes // WIDTH}
LESS_DEPTH_BYTES = TYPICAL.panel_bytes // WIDTH // 2
HEIGHT = -(-TYPICAL.panel_bytes // WIDTH // 4 // 24) * 24  # 24 rows are whole tiles
#: Where rows are packed too, once for each block: half the summands. The height holds as well for
#: sizes that are not known, so that there are enough blocks.
PACKED_WIDTH = 256
PACKED_HEIGHT = -(-TYPICAL.panel_bytes // PACKED_WIDTH // 4 // 6) * 6
#: Columns of a block, whatever a schedule asks for.
WIDEST = 512
#: Rows of a block at least where it is cut only to have enough blocks for the threads.
LEAST_HEIGHT = 96
#: Columns, and elements of a left operand, from which on its rows are packed once for all blocks.
LAID_OUT_COLUMNS, LAID_OUT = 512, 2**18
#: Rows up to which a product is computed without packing, and where a sum has so many terms that
#: packed ones are read again soon; and the columns of its blocks.
FEW_ROWS, FEW_LONG, LONG = 8, 5, 384
FEW_SUMS = 4
#: Vectors of columns that are few, and the same rows where they are: their sums stay in registers.
NARROW = 2
NARROW_ROWS = 64
FEW_WIDTH = 256
FEW_WIDE = 512


_Tile = tuple[int, int, int]
#: By the bits of a vector and the number of its registers: tiles of one, two ... vectors. Where
#: multiply and add are two instructions, a register holds the product between them.
_TILES: dict[tuple[int, int], tuple[_Tile, ...]] = {
    (512, 32): ((16, 4, 1), (12, 4, 2), (8, 2, 3), (6, 2, 4)),
    (256, 16): ((12, 2, 1), (6, 2, 2), (4, 2, 3)),
    (128, 32): ((16, 4, 1), (12, 4, 2), (8, 2, 3), (6, 2, 4)),
    (128, 16): ((8, 2, 1), (6, 2, 2)),
    (128, 15): ((8, 2, 1), (4, 2, 2)),
}
_SCALAR: tuple[_Tile, ...] = ((4, 1, 1), (4, 1, 2))
#: Lines so many bytes apart fight for the same places in the cache; every second as many, half.
COLLIDING = TYPICAL.colliding
#: Rows that may lie any distance apart: as many lines find places in the cache.
ANYWHERE = TYPICAL.anywhere
#: Last rows of a tile of no more than those.
LOW_TAIL = 2
#: Panels for which it is not worth while to pack the left operand.
MOST_PANELS = 4


@dataclass(frozen=True)
class Sizes:
    """`tile_rows` x (`vectors` * `lanes`) sums are held in registers, `tail_rows` at the last rows.

    A block has `height` rows, `width` columns and sums over `depth` at a time, a multiple of
    `unit`. `few`: rows up to which nothing is packed, in blocks of `few_width` columns. `fused`:
    multiply and add are one instruction. `fold`: columns kept for each line of a last axis that is
    one of several (0: there is but one axis). `few_narrow`: as `few`, where the columns are no more
    than NARROW vectors. `held`: sums of few rows may stay in registers. `in_place`: the left
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


def divide_up(x: Dim, y: Dim) -> Dim:
    """x / y, rounded up."""
    return floordiv(x + y - 1, y)


def choose_sizes(
    product: Product, schedule: Schedule, sum_type: DType, words: Words | None = None
) -> Sizes:
    """Sizes that fit the registers and the caches, and what is known of the product's sizes."""
    lanes = schedule.lanes(sum_type.bits)
    rows, columns, inner = (
        extent_of(axes) for axes in (product.rows, product.columns[-1:], product.inner)
    )
    folded = len(product.columns) > 1
    tile_rows, tail_rows, vectors = (
        _panel_tile(lanes, schedule) if product.packed else _tile(columns, lanes, schedule, folded)
    )
    panel = lanes * vectors
    if schedule.in_place and words is None and _is_low(product, tile_rows, panel, sum_type):
        tile_rows, tail_rows = ANYWHERE, LOW_TAIL
    if isinstance(rows, int) and rows < tile_rows:
        tile_rows = tail_rows = max(rows, 1)
    elif isinstance(rows, int):
        tail_rows = rows % tile_rows or tail_rows
    fold = 0
    if folded:
        assert isinstance(columns, int)
        fold = -(-columns // panel) * panel
    laid_out = in_place = schedule.in_place and words is None
    laid_out = laid_out and not folded and _laid_out(product, rows, columns, inner)
    in_place = in_place and not laid_out and _in_place(product, tile_rows, panel, sum_type)
    inner = lines_of(inner, words)
    once = in_place or laid_out
    strip = WIDTH * FLOAT // max(FLOAT, sum_type.bytes)
    high, wide = (HEIGHT, strip) if once else (PACKED_HEIGHT, PACKED_WIDTH)
    if product.packed and rows == 1:
        wide = panel  # the matrix takes the time: narrow blocks share it out evenly
    wide = min(schedule.width or wide, WIDEST)
    width = max(1, wide // (fold or panel)) * (fold or panel)
    high = min(schedule.height or high, _fitting(width))
    most = _depth_bytes(schedule.vector_bits) // (FLOAT if once else 2 * sum_type.bytes)
    most = min(schedule.depth, _fitting(width)) or most
    unit = _unit(product, lanes, most // 2)
    depth = _depth(inner, unit, most)
    height = max(1, high // tile_rows) * tile_rows
    fused = sum_type.is_float and schedule.fused
    few, few_width = _few(product), FEW_WIDTH if _less(columns, 4 * FEW_WIDE) else FEW_WIDE
    held = bool(few and product.columns) and product.right.along == "free"
    held = held and lanes > 1 and sum_type.is_float and len(product.rows) <= 1
    few_narrow = NARROW_ROWS if held else few
    if isinstance(columns, int):
        narrow = columns <= NARROW * lanes
        few_narrow, few_width = (few_narrow, NARROW * lanes) if narrow else (few, few_width)
    if schedule.few is not None:
        few, few_narrow = min(few, schedule.few), min(few_narrow, schedule.few)
    return Sizes(
        lanes,
        tile_rows,
        tail_rows,
        vectors,
        depth,
        unit,
        width,
        height,
        few,
        few_narrow,
        held,
        few_width,
        fold,
        fused,
        in_place or laid_out,
        laid_out,
        schedule.cold and _stays(product.right.tensor.node),
        schedule.machine.operands,
    )


def _stays(node: Node) -> bool:
    """Whether a value lies in memory from call to call: a constant, or a variable of which a block
    may have been replaced.
    """
    while node.op.name == "block_write":
        node = node.inputs[0].node
    return node.op.name in ("constant", "variable")


def _fitting(width: int) -> int:
    """Lines of so many columns that scratch memory has room for."""
    return TYPICAL.second // FLOAT // width


def _in_place(product: Product, tile_rows: int, panel: int, sum_type: DType) -> bool:
    """Whether the left operand is read where it lies: from lines that do not collide, few times."""
    left = product.left
    if left.along == "neither" or left.step is None:
        return False
    if left.tensor.dtype is not sum_type or not left.stored:
        return False
    if len(left.inner) != 1 or len(product.rows) != 1:
        return False
    if left.along == "inner" and tile_rows <= ANYWHERE:
        return True
    if not isinstance(left.step, int) or MOST_PANELS * panel < WIDTH:
        return False
    period = COLLIDING if left.along == "inner" else COLLIDING // 2
    return left.step * sum_type.bytes % period != 0


def _is_low(product: Product, tile_rows: int, panel: int, sum_type: DType) -> bool:
    """Whether a tile has few rows because the lines of more of them would collide where they lie:
    few vectors of the widest registers keep their units as busy.
    """
    if tile_rows <= ANYWHERE or panel * sum_type.bits < TYPICAL.vector_bits:
        return False
    high = _in_place(product, tile_rows, panel, sum_type)
    return not high and _in_place(product, ANYWHERE, panel, sum_type)


def _laid_out(product: Product, rows: Dim, columns: Dim, inner: Dim) -> bool:
    """Whether rows that lie side by side are packed once, before: unless they are known to be few,
    or to be read for few columns.
    """
    if product.left.along != "free" or len(product.left.inner) != 1 or len(product.rows) != 1:
        return False
    if product.batch or product.turned or product.packed:
        return False
    least = ((rows, LEAST_HEIGHT), (columns, LAID_OUT_COLUMNS), (rows * inner, LAID_OUT))
    return not any(isinstance(d, int) and d < limit for d, limit in least)


def lines_packed(sizes: Sizes) -> int:
    """Lines of a packed panel: whole squares of lanes, as they are transposed."""
    return -(-sizes.depth // sizes.lanes) * sizes.lanes


def _tile(columns: Dim, lanes: int, schedule: Schedule, folded: bool) -> _Tile:
    """Rows of a tile and of one at the last rows, vectors side by side: what fits the registers.

    Where every line of columns is on its own (`folded`), what loses fewest lanes.
    """
    tiles = _tiles(schedule)
    if schedule.tile_vectors:
        return tiles[min(schedule.tile_vectors, len(tiles)) - 1]
    if not isinstance(columns, int):
        return tiles[-1]
    for tile in tiles:
        if columns <= tile[2] * lanes:
            return tile
    if not folded and len(tiles) == 4:
        return tiles[-1]
    return min(reversed(tiles[1:]), key=lambda tile: -columns % (tile[2] * lanes))


def _tiles(schedule: Schedule) -> tuple[_Tile, ...]:
    machine = schedule.machine
    return _TILES.get((machine.vector_bits, machine.registers), _SCALAR)


def _panel_tile(lanes: int, schedule: Schedule) -> _Tile:
    """The widest tile that panels packed before hold a whole number of."""
    return next(tile for tile in reversed(_tiles(schedule)) if PANEL % (tile[2] * lanes) == 0)


def _fit(size: int, needed: int, step: int, parts: int = 1) -> int:
    """`size`, or what `needed` split evenly into a multiple of `parts` takes, in whole steps."""
    count = max(1, -(-needed // size))
    if count > 1:
        count = -(-count // parts) * parts
    return min(size, max(1, -(-needed // (count * step))) * step)


def _less(x: Dim, limit: int) -> bool:
    """Whether a dimension is below the limit as far as is known."""
    return not isinstance(x, int) or x < limit


def _few(product: Product) -> int:
    if product.packed:
        return 0
    inner = max(len(product.left.inner), len(product.right.inner))
    if inner > 1 or len(product.columns) > 1:
        return 0
    if product.right.along == "free" or not product.columns:
        terms = extent_of(product.inner)
        return FEW_LONG if isinstance(terms, int) and terms >= LONG else FEW_ROWS
    return FEW_SUMS if product.left.along == product.right.along == "inner" else 0
