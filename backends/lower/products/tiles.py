"""Left operands whose rows lie side by side, laid out in tiles: of each summand the rows of a tile,
so that a tile takes no more of the first cache than it has elements. It is read for every panel.

A group of tiles is packed when a block comes to it; or all of them before, once for all blocks.
"""

from __future__ import annotations

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, If, Let, Prefetch, Stmt, Store
from graphc.backends.loops.widen import widened
from graphc.backends.lower.counts import divide_up
from graphc.backends.lower.products.ahead import DISTANCE, row_ahead
from graphc.backends.lower.products.blocks import ENOUGH, FEW_GRAIN
from graphc.backends.lower.products.frame import ZERO, Frame, parts, ramp
from graphc.backends.lower.products.lines import Lines
from graphc.backends.lower.products.parted import PARTIAL
from graphc.backends.lower.products.sizes import Sizes, lines_packed
from graphc.ir.dims import Dim, floordiv, maximum, minimum

#: Rows that are packed side by side at once, or all where they are known to be few.
GROUP = 48
ALL = 96
#: Summands, and groups at most, that are packed one after the other where all tiles are: of so many
#: lines what is next to them is asked for while they are at work.
LINES, MOST_GROUPS = DISTANCE, 16
K, K0, M, M0, R, TILE = (e.var(f"p.{name}") for name in ("k", "k0", "m", "m0", "r", "t"))
GROUPS, TILE_OF_GROUP = e.var("p.q"), e.var("p.u")


def by_tiles(frame: Frame) -> bool:
    """Whether packed rows lie tile by tile."""
    return frame.words is None and frame.product.left.along == "free"


def group(frame: Frame) -> int:
    """Tiles packed at once: of rows side by side, one tile is less than a line of the cache."""
    if frame.product.left.along != "free":
        return 1
    rows, tile_rows = frame.blocks.rows, frame.sizes.tile_rows
    if isinstance(rows, int) and 0 < rows <= ALL:
        return -(-rows // tile_rows)
    return max(1, GROUP // tile_rows)


def tile_stride(sizes: Sizes) -> int:
    """Elements from tile to tile: the last vector stored may reach behind a tile's last row."""
    return sizes.tile_rows * lines_packed(sizes) + sizes.lanes


def pack_tiles(frame: Frame, buffer: str, start: Expr, stride: Expr | int) -> list[Stmt]:
    """Packs summands p.k0 .. +p.kn of the group of tiles from row p.r of the block on: all side
    by side, or tile by tile with masks where a vector may end behind the operand's rows.
    """

    def stored(tile: Expr | int, row: int, lanes: int, *, masked: bool) -> Stmt:
        first = R + (tile * sizes.tile_rows + row)
        mask = ramp(first, lanes) < e.var("p.h") if masked else None
        vector = widened(value, "p.m", M0 + first, lanes, mask)
        at = start + stride * tile + K * sizes.tile_rows + row
        return Store(buffer, ramp(at, lanes), vector)

    sizes, rows, tiles = frame.sizes, frame.blocks.rows, group(frame)
    lines = Lines(frame, frame.product.left.inner)
    decode = frame.bind(frame.product.rows, M)
    assert len(frame.product.rows) == 1 and not decode, "such rows are one axis"
    value, vectors = frame.left(), _vectors(sizes)
    reach = (tiles - 1) * sizes.tile_rows + max(sum(v) for v in vectors)
    beyond = isinstance(rows, int) and reach > rows
    ahead = [row_ahead(frame, row) for row in range(0, tiles * sizes.tile_rows, sizes.lanes)]
    stores = [stored(tile, *v, masked=beyond) for tile in range(tiles) for v in vectors]
    together = lines.loop([*(s for asked in ahead for s in asked), *stores])
    alone = isinstance(rows, int) and rows <= tiles * sizes.tile_rows and frame.blocks.down == 1
    if alone or beyond:
        return together
    last = lines.loop([stored(TILE_OF_GROUP, *v, masked=True) for v in vectors])
    one_by_one = For("p.u", ZERO, e.const(tiles, TILE_OF_GROUP.dtype), tuple(last))
    return [If(M0 + R + reach <= frame.dims(rows), tuple(together), (one_by_one,))]


def _vectors(sizes: Sizes) -> list[tuple[int, int]]:
    """For each vector of a tile's rows the first of these and its lanes: those behind the tile's
    last row lie where the next summand will.
    """
    return [
        (row, min(sizes.lanes, max(2, 1 << (sizes.tile_rows - row - 1).bit_length())))
        for row in range(0, sizes.tile_rows, sizes.lanes)
    ]


# --- all tiles before -----------------------------------------------------------------------------


def laid_out_elements(frame: Frame) -> Dim:
    """Elements of all tiles."""
    return _groups(frame) * group(frame) * _whole_stride(frame)


def lay_out(frame: Frame) -> tuple[tuple[Stmt, ...], Dim]:
    """The body of the kernel that packs all tiles, and its chunks: each some groups, of which it
    takes a few summands after the other, as rows beyond them lie beside them.
    """
    rows = group(frame) * frame.sizes.tile_rows
    lines, groups, inner = e.const(LINES, K.dtype), _groups(frame), frame.dims(frame.blocks.inner)
    each = maximum(1, floordiv(FEW_GRAIN, maximum(1, rows * frame.blocks.inner)))
    each = maximum(each, minimum(MOST_GROUPS, divide_up(groups, ENOUGH)))
    first = e.var("chunk") * frame.dims(each)
    last = e.minimum(first + frame.dims(each), frame.dims(groups))
    stride = frame.dims(_whole_stride(frame))
    place: list[Stmt] = [
        Let("p.m0", ZERO),
        Let("p.r", GROUPS * rows),
        Let("p.h", frame.dims(frame.blocks.rows)),
    ]
    start = GROUPS * group(frame) * stride + K0 * frame.sizes.tile_rows
    packed = For("p.q", first, last, (*place, *pack_tiles(frame, PARTIAL, start, stride)))
    some: list[Stmt] = [
        Let("p.k0", e.var("p.d") * lines),
        Let("p.kn", e.minimum(lines, inner - K0)),
    ]
    return (For("p.d", ZERO, parts(inner, LINES), (*some, packed)),), divide_up(groups, each)


def laid_out_element(frame: Frame, row: Expr) -> Expr:
    """The element of a row of tile p.t of the block."""
    return e.load(PARTIAL, _laid_out_at(frame, TILE) + row, frame.sum_type)


def tile_ahead(frame: Frame) -> list[Stmt]:
    """Asks for the tile behind tile p.t of the block, a summand of it with each of this one's."""
    return [Prefetch(PARTIAL, _laid_out_at(frame, TILE + 1))] if frame.sizes.laid_out else []


def _laid_out_at(frame: Frame, tile: Expr) -> Expr:
    """Where summand p.k of a tile of the block begins."""
    at = (M0 / frame.sizes.tile_rows + tile) * frame.dims(_whole_stride(frame))
    return at + (K0 + K) * frame.sizes.tile_rows


def _groups(frame: Frame) -> Dim:
    return divide_up(frame.blocks.tiles, group(frame))


def _whole_stride(frame: Frame) -> Dim:
    """Elements from tile to tile."""
    return frame.blocks.inner * frame.sizes.tile_rows + frame.sizes.lanes
