"""Where a product reads the rows of its left operand: where they lie, laid out, or packed."""

from __future__ import annotations

from graphc.backends.lower.products.axes import Product
from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType
from graphc.machine import TYPICAL

#: Columns of a block where the rows pass by it, for float32.
WIDTH = 64
#: Rows of a block at least where it is cut only to have enough blocks for the threads.
LEAST_HEIGHT = 96
#: Columns, and elements of a left operand, from which on its rows are packed once for all blocks.
LAID_OUT_COLUMNS, LAID_OUT = 512, 2**18
#: Lines so many bytes apart fight for the same places in the cache; every second as many, half.
COLLIDING = TYPICAL.colliding
#: Rows that may lie any distance apart: as many lines find places in the cache.
ANYWHERE = TYPICAL.anywhere
#: Panels for which it is not worth while to pack the left operand.
MOST_PANELS = 4


def in_place(product: Product, tile_rows: int, panel: int, sum_type: DType) -> bool:
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


def is_low(product: Product, tile_rows: int, panel: int, sum_type: DType) -> bool:
    """Whether a tile has few rows because the lines of more of them would collide where they lie:
    few vectors of the widest registers keep their units as busy.
    """
    if tile_rows <= ANYWHERE or panel * sum_type.bits < TYPICAL.vector_bits:
        return False
    high = in_place(product, tile_rows, panel, sum_type)
    return not high and in_place(product, ANYWHERE, panel, sum_type)


def laid_out(product: Product, rows: Dim, columns: Dim, inner: Dim) -> bool:
    """Whether rows that lie side by side are packed once, before: unless they are known to be few,
    or to be read for few columns.
    """
    if product.left.along != "free" or len(product.left.inner) != 1 or len(product.rows) != 1:
        return False
    if len(product.columns) > 1 or product.batch or product.turned or product.packed:
        return False
    least = ((rows, LEAST_HEIGHT), (columns, LAID_OUT_COLUMNS), (rows * inner, LAID_OUT))
    return not any(isinstance(d, int) and d < limit for d, limit in least)
