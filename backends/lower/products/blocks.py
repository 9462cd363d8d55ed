"""How the result of a product is cut into blocks, and these are shared out among chunks."""

from __future__ import annotations

from graphc.backends.lower.counts import divide_up, even
from graphc.backends.lower.products.axes import Product, extent_of
from graphc.backends.lower.products.left_place import LEAST_HEIGHT
from graphc.backends.lower.products.sizes import (
    FEW_LONG,
    HELD_ELEMENTS,
    HELD_ROWS,
    HELD_WIDTH,
    LONG,
    NARROW,
    Sizes,
)
from graphc.ir.dims import Dim, maximum, minimum, mod
from graphc.ir.record import dataclass
from graphc.machine import FLOAT, TYPICAL

#: Multiply-adds of a chunk at least.
GRAIN = TYPICAL.chunk_multiply_adds
#: The same where every element of the right operand is read but for few rows, and columns at least.
FEW_GRAIN = 2 * TYPICAL.chunk_elements  # which only come from memory
LEAST_WIDTH = 128
#: Multiply-adds in the time in which a result goes to memory.
RESULT = GRAIN // FEW_GRAIN
#: Blocks at least, where there is enough work for as many.
ENOUGH = 8
#: Elements at most of a right operand of which some columns are read as quickly where they lie, but
#: for lines of a multiple of so many, of which few find places in the first cache.
NEAR, COLLIDING = 2 * TYPICAL.second // FLOAT, TYPICAL.colliding // FLOAT // 4
#: What is taken for the length of a sum that is not known.
SUMMANDS = 256
#: What is taken for the number of rows that are few, where that is not known.
SOME = 2


@dataclass(frozen=True)
class Blocks:
    """How the result is cut: for each of `batch`, `down` x `across` blocks of about equal size.

    The rows are `tiles` of a tile's rows, the columns `panels` of `panel` columns; a block has
    whole ones. Each of `chunks` has about as many blocks. `small` is 1 where nothing is packed,
    else 0.
    """

    batch: Dim
    rows: Dim
    columns: Dim
    inner: Dim
    small: Dim
    tiles: Dim
    panels: Dim
    panel: int
    down: Dim
    across: Dim
    chunks: Dim

    @property
    def count(self) -> Dim:
        return self.batch * self.down * self.across


def few_or_many(product: Product, sizes: Sizes) -> Dim:
    """1 where the rows are few, else 0."""
    if not sizes.few:
        return 0
    columns = extent_of(product.columns)
    narrow = maximum(0, minimum(1, NARROW * sizes.lanes + 1 - columns))
    inner = extent_of(product.inner)
    long = maximum(0, minimum(1, inner + 1 - LONG))
    if sizes.held:  # registers hold long sums as well as short ones
        beyond = maximum(0, minimum(1, inner * columns - NEAR))
        long = long * maximum(beyond, 1 - minimum(1, mod(columns, COLLIDING)))
    wide = sizes.few - long * max(0, sizes.few - FEW_LONG) * (not sizes.paired)
    few = maximum(wide, narrow * sizes.few_narrow)
    return maximum(0, minimum(1, few + 1 - extent_of(product.rows)))


def _far(product: Product, sizes: Sizes) -> Dim:
    """0 where registers hold the sums of few rows and the right operand stays near, else 1."""
    size = extent_of(product.inner) * extent_of(product.columns)
    beyond = maximum(size - HELD_ELEMENTS, HELD_ROWS - extent_of(product.rows))
    return maximum(0, minimum(1, beyond)) if sizes.held else 1


def cut(product: Product, sizes: Sizes, small: Dim | None = None) -> Blocks:
    """The blocks of the result; only sizes count, never threads. `small` is known where there are
    kernels for few rows and for many.
    """
    axes = (product.batch, product.rows, product.columns, product.inner)
    batch, rows, columns, inner = (extent_of(a) for a in axes)
    if sizes.fold:
        columns = extent_of(product.columns[:-1]) * sizes.fold
    small = few_or_many(product, sizes) if small is None else small
    panel = sizes.fold or sizes.panel
    tiles, panels = divide_up(rows, sizes.tile_rows), divide_up(columns, panel)
    wide: Dim = sizes.width // panel
    beside = batch * divide_up(panels, wide)
    most, held = (max(1, n // panel) for n in (sizes.few_width, HELD_WIDTH))
    few_wide = min(held, most) + _far(product, sizes) * max(0, most - held)
    known = all(isinstance(d, int) for d in (batch, rows, columns, inner))
    grain = _grain(product, rows, small)
    wide += small * (few_wide - wide)
    across = maximum(1, divide_up(panels, wide))
    each = inner + RESULT
    work = batch * rows * columns * each
    down = _down(sizes, tiles, beside, divide_up(work, GRAIN))
    if small == 0 and all(isinstance(d, int) for d in (batch, rows, columns)):
        assert isinstance(grain, int), "known rows have a known grain"
        summands = each if isinstance(each, int) else SUMMANDS
        across, down = _shares(sizes, grain, panel, *map(_length, (batch, rows, columns, summands)))
    if known and small:
        least = LEAST_WIDTH if _far(product, sizes) else HELD_WIDTH
        lengths = map(_length, (batch, rows, columns, inner))
        across = _few_shares(sizes, panel, least, *lengths)
    count = batch * down * across
    chunks = minimum(count, even(maximum(1, divide_up(work, grain))))
    return Blocks(batch, rows, columns, inner, small, tiles, panels, panel, down, across, chunks)


def _down(sizes: Sizes, tiles: Dim, beside: Dim, worth: Dim) -> Dim:
    """Blocks of so many tiles, of which as many others are beside each other: where they would be
    too few for work that is `worth` some chunks, more, an even number, but none low.
    """
    least, wanted = max(1, LEAST_HEIGHT // sizes.tile_rows), minimum(ENOUGH, worth)
    enough = minimum(divide_up(tiles, least), divide_up(wanted, maximum(1, beside)))
    return maximum(maximum(1, divide_up(tiles, sizes.height // sizes.tile_rows)), even(enough))


def _length(d: Dim) -> int:
    assert isinstance(d, int), "only known lengths are shared out"
    return d


def _few_shares(
    sizes: Sizes, panel: int, least: int, batch: int, rows: int, columns: int, inner: int
) -> int:
    """Blocks across a result of few rows: an even number, of so many columns at `least`, where that
    is worth it.
    """
    panels = -(-columns // panel)
    across = max(1, -(-panels // max(1, sizes.few_width // panel)))
    wanted = -(-rows * columns * inner // FEW_GRAIN)
    across = max(across, min(columns // least, wanted))
    return max(1, min(panels, across + (across > 1 and across % 2)))


def _grain(product: Product, rows: Dim, small: Dim) -> Dim:
    """Multiply-adds of a chunk at least: fewer where they wait for the right operand's elements."""
    some = rows if product.packed or isinstance(rows, int) else SOME
    few = minimum(GRAIN, maximum(1, some) * FEW_GRAIN)
    return few if product.packed else GRAIN - small * (GRAIN - few)


def _shares(
    sizes: Sizes, grain: int, panel: int, batch: int, rows: int, columns: int, inner: int
) -> tuple[int, int]:
    """Blocks across and down a result of known size: enough of them, an even number across."""
    tiles, panels = -(-rows // sizes.tile_rows), -(-columns // panel)
    across = max(1, -(-panels // (sizes.width // panel)))
    down = max(1, -(-tiles // (sizes.height // sizes.tile_rows)))
    wanted = max(1, min(-(-ENOUGH // max(1, batch)), rows * columns * inner // max(1, grain)))
    narrowest = panels if sizes.in_place else -(-panels // 2)
    across = max(across, min(narrowest, across * -(-wanted // (down * across))))
    if across > 1:
        across = min(panels, across + across % 2)
    least = max(1, LEAST_HEIGHT // sizes.tile_rows)
    return across, max(down, min(-(-tiles // least), -(-wanted // across)))
