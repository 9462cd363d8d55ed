"""Packing: the operands of a block laid out in the order in which the tiles read them.

The right operand becomes panels of `sizes.panel` columns, one line of a panel after the other. The
left operand becomes tiles: each row contiguous along the sum (`by_rows`), or all rows of a summand
side by side, of one tile where they are vectors of numbers as they lie (`by_tiles`).
"""

from __future__ import annotations

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, If, Let, Stmt, Store
from graphc.backends.loops.widen import widened
from graphc.backends.lower.products.ahead import line_ahead
from graphc.backends.lower.products.frame import LEFT, ONE, RIGHT, ZERO, Frame, parts, ramp
from graphc.backends.lower.products.lines import Lines
from graphc.backends.lower.products.sizes import Sizes, lines_packed
from graphc.backends.lower.products.tiles import by_tiles, group, pack_tiles, tile_stride
from graphc.ir.dtypes import bool_
from graphc.ops.linear.packed import PANEL

K, N, M = e.var("p.k"), e.var("p.n"), e.var("p.m")
K0, KN, N0, W, M0, R = (e.var(f"p.{name}") for name in ("k0", "kn", "n0", "w", "m0", "r"))


def right_elements(frame: Frame) -> int:
    """Elements of a packed block of the right operand, and a square of lanes beyond; none where it
    lies in panels.
    """
    sizes = frame.sizes
    if frame.product.packed:
        return 0
    return sizes.width * lines_packed(sizes) + sizes.lanes * sizes.panel


def left_elements(frame: Frame) -> int:
    """Elements of the packed tiles of the left operand."""
    sizes = frame.sizes
    if frame.sizes.in_place:
        return 0
    if by_rows(frame):
        return sizes.tile_rows * row_stride(sizes)
    if by_tiles(frame):
        return group(frame) * tile_stride(sizes)
    return left_line(frame) * lines_packed(sizes)


def left_line(frame: Frame) -> int:
    """Elements of a summand of the packed tiles, where rows lie side by side: whole vectors."""
    rows, lanes = group(frame) * frame.sizes.tile_rows, frame.sizes.lanes
    return -(-rows // lanes) * lanes


def row_stride(sizes: Sizes) -> int:
    """Elements from row to row: no power of two, or rows would fight for the same cache lines."""
    return lines_packed(sizes) + 16


def panel_stride(sizes: Sizes) -> int:
    """Elements from panel to panel."""
    return lines_packed(sizes) * sizes.panel


def by_rows(frame: Frame) -> bool:
    """Whether rows of the packed left operand are contiguous."""
    left = frame.product.left
    return left.along == "inner" or (len(left.inner) <= 1 and left.along != "free")


# --- the right operand ----------------------------------------------------------------------------


def panel_at(frame: Frame, panel: Expr, column: Expr | int) -> Expr:
    """Where the first line of a panel of the block lies, from a column of it on."""
    if not frame.product.packed:
        return panel * panel_stride(frame.sizes) + column
    at = N0 + panel * frame.sizes.panel
    inside = e.rem(at, e.const(PANEL, at.dtype)) if frame.sizes.panel < PANEL else ZERO
    start = at / PANEL * frame.dims(frame.blocks.inner) + K0
    return start * PANEL + inside + column


def pack_right(frame: Frame) -> list[Stmt]:
    """Packs summands p.k0 .. +p.kn of columns p.n0 .. +p.w; lanes beyond hold anything."""
    if frame.product.packed:
        return []
    if frame.sizes.fold:
        return _pack_folded(frame)
    if frame.product.right.along == "inner" and frame.sizes.lanes > 1:
        return _pack_transposed(frame)
    lines = Lines(frame, frame.product.right.inner)
    frame.bind(frame.product.columns, N)
    panel = e.var("p.j")
    whole = W / frame.sizes.panel
    main = lines.loop([For("p.j", ZERO, whole, tuple(_line(frame, panel)))])
    columns = frame.blocks.columns
    if isinstance(columns, int) and columns % frame.sizes.panel == 0:
        return main
    rest = lines.loop([Let("p.j", whole), _last_line(frame, panel)])
    return [*main, If(whole * frame.sizes.panel < W, tuple(rest))]


def _line(frame: Frame, panel: Expr) -> list[Stmt]:
    """One line of one whole panel, vector by vector."""
    sizes, out = frame.sizes, list[Stmt]()
    for v in range(sizes.vectors):
        part = e.const(v * sizes.lanes, panel.dtype)
        out += line_ahead(frame, panel * sizes.panel + part)
        out.append(_vector_of_line(frame, panel, part, None))
    return out


def _last_line(frame: Frame, panel: Expr) -> For:
    """One line of the last panel: no more vectors than hold columns."""
    lanes, left = frame.sizes.lanes, W - panel * frame.sizes.panel
    part = e.var("p.u") * lanes
    return For("p.u", ZERO, parts(left, lanes), (_vector_of_line(frame, panel, part, left),))


def _vector_of_line(frame: Frame, panel: Expr, part: Expr, left: Expr | None) -> Store:
    """A vector from so many columns of a panel on, of which so many are left; None: all."""
    sizes, column = frame.sizes, panel * frame.sizes.panel + part
    mask = None if left is None else _first(part, left, sizes.lanes)
    vector = widened(frame.right(), "p.n", N0 + column, sizes.lanes, mask)
    target = panel * panel_stride(sizes) + K * sizes.panel + part
    return Store(RIGHT, frame.vector(target), vector)


def _pack_folded(frame: Frame) -> list[Stmt]:
    """Each panel lies within one line of the last column axis."""
    sizes, columns = frame.sizes, frame.product.columns
    panel = e.var("p.j")
    column = N0 + panel * sizes.panel
    start = e.rem(column, e.const(sizes.fold, column.dtype))
    lines = Lines(frame, frame.product.right.inner)
    decode_line = frame.bind(columns[:-1], column / sizes.fold)
    frame.bind(columns[-1:], N)
    value, end = frame.right(), frame.dims(columns[-1].extent)
    stores: list[Stmt] = []
    for v in range(sizes.vectors):
        base = start + v * sizes.lanes
        mask = None if columns[-1].extent == sizes.fold else _first(base, end, sizes.lanes)
        target = panel * panel_stride(sizes) + K * sizes.panel + v * sizes.lanes
        vector = widened(value, "p.n", base, sizes.lanes, mask)
        stores.append(Store(RIGHT, frame.vector(target), vector))
    panels = For("p.j", ZERO, W / sizes.panel, (*decode_line, *stores))
    return lines.loop([panels])


def _first(position: Expr, end: Expr, lanes: int) -> Expr:
    """Which lanes from a position on lie before the end."""
    return ramp(position, lanes) < end


def _pack_transposed(frame: Frame) -> list[Stmt]:
    """Squares of lanes are read along the sum and written along the columns.

    Where a line of summands ends within a square, the next one writes over what lies beyond.
    """
    sizes = frame.sizes
    n = sizes.lanes
    block, line = e.var("p.j"), e.var("p.line")
    mask = e.var("p.inside", bool_, n)
    lines = Lines(frame, frame.product.right.inner)
    rows: list[Expr] = []
    for c in range(n):
        frame.bind(frame.product.columns, N0 + e.minimum(block * n + c, W - ONE))
        rows.append(widened(frame.right(), "p.k", line, n, mask))
    panel, part = block / sizes.vectors, e.rem(block, e.const(sizes.vectors, block.dtype))
    first = panel * panel_stride(sizes) + part * n + line * sizes.panel
    stores = [
        Store(RIGHT, e.ramp(first + r * sizes.panel, n), vector)
        for r, vector in enumerate(e.transpose(rows))
    ]
    return [For("p.j", ZERO, parts(W, n), tuple(lines.squares(mask, stores)))]


# --- the left operand -----------------------------------------------------------------------------


def pack_left(frame: Frame) -> list[Stmt]:
    """Packs summands p.k0 .. +p.kn of rows p.m0 + p.r .. +p.rows, or of a whole group of tiles."""
    if frame.sizes.in_place:
        return []
    if frame.product.left.along == "free":
        packed = pack_tiles(frame, LEFT, ZERO, tile_stride(frame.sizes))
        return [If(e.equal(e.rem(e.var("p.t"), group(frame)), 0), tuple(packed))]
    first, rows = M0 + R, e.var("p.rows")
    if by_rows(frame):
        decode = frame.bind(frame.product.rows, first + M)
        lines = Lines(frame, frame.product.left.inner)
        store = Store(LEFT, M * row_stride(frame.sizes) + K, frame.left())
        return [For("p.m", ZERO, rows, (*decode, *lines.loop([store], vector=True)))]
    lines = Lines(frame, frame.product.left.inner)
    decode_row = frame.bind(frame.product.rows, first + M)
    one = Store(LEFT, K * left_line(frame) + M, frame.left())
    return lines.loop([For("p.m", ZERO, rows, (*decode_row, one))])
