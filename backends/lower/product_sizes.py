"""Sizes of a product's tiles and blocks."""

from __future__ import annotations

from dataclasses import dataclass

from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.product_axes import Product, extent_of
from graphc.ir.dims import Dim, floordiv, maximum, minimum
from graphc.ir.dtypes import DType

#: Bytes of a row of a packed tile, where the sum is taken in several steps or in one.
DEPTH_BYTES = 1536
ONE_DEPTH_BYTES = 2048
#: Columns of a block, of small and of large results.
WIDTH = 128
WIDE = 256
#: Rows of 4-byte sums of a block at most, and multiply-adds of a chunk at least.
HEIGHT = 240
GRAIN = 2**18
#: Rows up to which a product is computed without packing, and the columns of its blocks.
FEW_ROWS = 8
FEW_SUMS = 4
FEW_WIDTH = 256
FEW_WIDE = 512


_Tile = tuple[int, int, int]
#: By the bits of a vector: tiles of one, two and three vectors.
_TILES: dict[int, tuple[_Tile, _Tile, _Tile]] = {
    512: ((16, 4, 1), (12, 4, 2), (8, 4, 3)),
    256: ((12, 2, 1), (6, 2, 2), (4, 2, 3)),
    128: ((8, 2, 1), (4, 2, 2), (4, 2, 2)),
}
_SCALAR: tuple[_Tile, _Tile, _Tile] = ((4, 1, 1), (4, 1, 2), (4, 1, 2))


@dataclass(frozen=True)
class Sizes:
    """`tile_rows` x (`vectors` * `lanes`) sums are held in registers, `tail_rows` at the last rows.

    A block has `height` rows, `width` columns and sums over `depth` at a time, a multiple of
    `unit`. `few`: rows up to which nothing is packed, in blocks of `few_width` columns. `fused`:
    multiply and add are one instruction. `fold`: columns kept for each line of a last axis that is
    one of several (0: there is but one axis).
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
    few_width: int
    fold: int
    fused: bool

    @property
    def panel(self) -> int:
        """Columns of a tile."""
        return self.lanes * self.vectors

    @property
    def packed_rows(self) -> int:
        """Rows of a tile of the left operand when packed row by row: whole vectors."""
        return -(-self.tile_rows // self.lanes) * self.lanes


def _depth(inner: Dim, unit: int, bytes_: int) -> int:
    """Summands at a time: all, where they are known to be few; whole units."""
    if not isinstance(inner, int):
        return max(unit, DEPTH_BYTES // bytes_ // unit * unit)
    size = (ONE_DEPTH_BYTES if inner * bytes_ <= ONE_DEPTH_BYTES else DEPTH_BYTES) // bytes_
    return _fit(max(unit, size // unit * unit), inner, max(unit, 4))


def _unit(product: Product, lanes: int, most: int) -> int:
    """Summands that are not parted: whole lines of the left operand, if they are short."""
    axes = product.left.inner
    if product.left.along != "inner" or len(axes) < 2:
        return lanes
    line = axes[-1].extent
    short = isinstance(line, int) and 0 < line <= most and line % lanes == 0
    return line if short and isinstance(line, int) else lanes


def _width(columns: Dim, panel: int) -> int:
    """Columns of a block."""
    if not isinstance(columns, int):
        return max(panel, WIDTH // panel * panel)
    wanted = WIDTH if _less(columns, 4 * WIDE) else WIDE
    return _fit(max(panel, wanted // panel * panel), columns, panel, parts=2)


def _is_one_block(product: Product, height: int, width: int) -> bool:
    """Whether a result is known to be a single block whose halves are still worth a chunk each."""
    kinds = (product.batch, product.rows, product.columns, product.inner)
    batch, rows, columns, inner = (extent_of(axes) for axes in kinds)
    if not (isinstance(rows, int) and isinstance(columns, int) and isinstance(inner, int)):
        return False
    whole = batch == 1 and rows <= height and columns <= width
    return whole and rows * columns * inner >= 2 * GRAIN


def divide_up(x: Dim, y: Dim) -> Dim:
    """x / y, rounded up."""
    return floordiv(x + y - 1, y)


def choose_sizes(product: Product, schedule: Schedule, sum_type: DType) -> Sizes:
    """Sizes that fit the registers and the caches, and what is known of the product's sizes."""
    lanes = schedule.lanes(sum_type.bits)
    rows, columns, inner = (
        extent_of(axes) for axes in (product.rows, product.columns[-1:], product.inner)
    )
    tile_rows, tail_rows, vectors = _tile(columns, lanes, schedule.vector_bits)
    if isinstance(rows, int) and rows < tile_rows:
        tile_rows = tail_rows = max(rows, 1)
    panel = lanes * vectors
    fold = 0
    if len(product.columns) > 1:
        assert isinstance(columns, int)
        fold = -(-columns // panel) * panel
    unit = _unit(product, lanes, DEPTH_BYTES // sum_type.bytes // 2)
    depth = _depth(inner, unit, sum_type.bytes)
    height = HEIGHT * 4 // sum_type.bytes // tile_rows * tile_rows
    width = max(1, WIDTH // fold) * fold if fold else _width(columns, panel)
    if _is_one_block(product, height, width):
        width = _fit(max(panel, width // 2 // panel * panel), width, panel)
    fused = sum_type.is_float and schedule.vector_bits >= 256
    few, few_width = _few(product), FEW_WIDTH if _less(columns, 4 * FEW_WIDE) else FEW_WIDE
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
        few_width,
        fold,
        fused,
    )


def _tile(columns: Dim, lanes: int, vector_bits: int) -> tuple[int, int, int]:
    """Rows of a tile and of one at the last rows, vectors side by side: what fits the registers."""
    narrow, usual, wide = _TILES.get(vector_bits, _SCALAR)
    if not isinstance(columns, int):
        return usual
    if columns <= lanes:
        return narrow
    lost = [-columns % (tile[2] * lanes) for tile in (usual, wide)]
    return wide if lost[1] < lost[0] else usual


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
    inner = max(len(product.left.inner), len(product.right.inner))
    if inner > 1 or len(product.columns) > 1:
        return 0
    if product.right.along == "free" or not product.columns:
        return FEW_ROWS
    return FEW_SUMS if product.left.along == product.right.along == "inner" else 0


@dataclass(frozen=True)
class Blocks:
    """How the result is cut: for each of `batch`, `down` x `across` blocks of `height` x `width`.

    A chunk has `per_chunk` blocks. `small` is 1 where nothing is packed, else 0.
    """

    batch: Dim
    rows: Dim
    columns: Dim
    inner: Dim
    small: Dim
    height: Dim
    width: Dim
    down: Dim
    across: Dim
    per_chunk: Dim

    @property
    def count(self) -> Dim:
        return self.batch * self.down * self.across

    @property
    def chunks(self) -> Dim:
        return divide_up(self.count, self.per_chunk)


def cut(product: Product, sizes: Sizes) -> Blocks:
    """The blocks of the result; only sizes count, never threads."""
    axes = (product.batch, product.rows, product.columns, product.inner)
    batch, rows, columns, inner = (extent_of(a) for a in axes)
    if sizes.fold:
        columns = extent_of(product.columns[:-1]) * sizes.fold
    small = maximum(0, minimum(1, sizes.few + 1 - rows)) if sizes.few else 0
    width = sizes.width + small * (sizes.few_width - sizes.width)
    down = maximum(1, divide_up(rows, sizes.height))
    height = divide_up(divide_up(rows, down), sizes.tile_rows) * sizes.tile_rows
    across = divide_up(columns, width)
    work = maximum(1, minimum(height, rows) * minimum(width, columns) * inner)
    per_chunk = maximum(1, floordiv(GRAIN, work))
    return Blocks(batch, rows, columns, inner, small, height, width, down, across, per_chunk)
