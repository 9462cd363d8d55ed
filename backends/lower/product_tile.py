"""The blocked product: packed operands, and a tile of sums in registers over a whole depth."""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Assign, Declare, For, If, Let, Stmt, Store
from graphc.backends.lower.product_few import few_rows
from graphc.backends.lower.product_frame import LEFT, ONE, RIGHT, SUMS, ZERO, Frame, parts
from graphc.backends.lower.product_pack import (
    KN,
    K,
    by_rows,
    group,
    left_in_place,
    left_stride,
    pack_left,
    pack_right,
    panel_stride,
    row_stride,
)  # fmt: skip
from graphc.backends.lower.product_sizes import divide_up
from graphc.ir.dims import maximum

H, W, R, ROWS, PANEL = (e.var(f"p.{name}") for name in ("h", "w", "r", "rows", "j"))


def one_depth(frame: Frame) -> bool:
    """Whether the whole sum is known to be taken at once, so that only a tile of sums is kept."""
    inner = frame.blocks.inner
    return isinstance(inner, int) and inner <= frame.sizes.depth


def sums_elements(frame: Frame) -> int:
    """Elements of the sums that the blocks need, rows beyond the last of a tile too."""
    sizes = frame.sizes
    return (sizes.tile_rows if one_depth(frame) else sizes.height) * sizes.width


def block(frame: Frame, finish: Callable[[Expr], list[Stmt]]) -> list[Stmt]:
    """A block, depth after depth and tile after tile; `finish(line)` writes the rows of a tile.

    The first of these rows has its sums in that line. Few rows are one tile of one depth.
    """
    sizes, inner = frame.sizes, frame.blocks.inner
    depths = maximum(1, divide_up(inner, sizes.depth))
    depth = frame.dims(divide_up(divide_up(inner, depths), sizes.unit) * sizes.unit)
    steps = frame.choose(ONE, frame.dims(depths))
    line = ZERO if one_depth(frame) or frame.few is True else R
    tile_rows = e.const(sizes.tile_rows, H.dtype)
    packed = [
        *pack_left(frame),
        For("p.j", ZERO, parts(W, sizes.panel), tuple(_panel(frame, line))),
    ]
    tile: list[Stmt] = [
        Let("p.r", e.var("p.t") * sizes.tile_rows),
        Let("p.rows", frame.choose(H, e.minimum(H - R, tile_rows))),
        *frame.either(few_rows(frame) if frame.few is not False else [], packed),
        If(e.equal(e.var("p.d"), steps - 1), tuple(finish(line))),
    ]
    tiles = frame.choose(ONE, parts(H, sizes.tile_rows))
    body: list[Stmt] = [
        Let("p.k0", e.var("p.d") * depth),
        Let("p.kn", e.minimum(depth, frame.dims(inner) - e.var("p.k0"))),
        *frame.either([], pack_right(frame)),
        For("p.t", ZERO, tiles, tuple(tile)),
    ]
    return [*frame.either([], _clear(frame)), For("p.d", ZERO, steps, tuple(body))]


def _clear(frame: Frame) -> list[Stmt]:
    """Zeros to add to, where sums are taken in several steps."""
    if one_depth(frame):
        return []
    sizes = frame.sizes
    elements = parts(H, sizes.tile_rows) * (sizes.tile_rows * sizes.width)
    zero = Store(SUMS, e.var("p.z"), e.const(0, frame.sum_type))
    return [For("p.z", ZERO, elements, (zero,), "vector", sizes.lanes, 1, even=True)]


def _panel(frame: Frame, line: Expr) -> list[Stmt]:
    """All rows of the tile in one panel: at once, or the last rows a few at a time."""
    sizes = frame.sizes
    full = _tile(frame, sizes.tile_rows, ZERO, line)
    rows = frame.blocks.rows
    if sizes.tail_rows == sizes.tile_rows or (
        isinstance(rows, int) and rows % sizes.tile_rows == 0
    ):
        return full
    first = e.var("p.s") * sizes.tail_rows
    tail = For(
        "p.s", ZERO, parts(ROWS, sizes.tail_rows), tuple(_tile(frame, sizes.tail_rows, first, line))
    )
    return [If(e.equal(ROWS, sizes.tile_rows), tuple(full), (tail,))]


def _tile(frame: Frame, rows: int, first: Expr, line: Expr) -> list[Stmt]:
    """Sums of `rows` rows from `first` on in one panel, added to what other depths have summed."""
    sizes = frame.sizes
    zero = e.broadcast(e.const(0, frame.sum_type), sizes.lanes)
    places = [(i, v) for i in range(rows) for v in range(sizes.vectors)]
    declared: list[Stmt] = [Declare(_name(i, v), zero) for i, v in places]
    loop = For("p.k", ZERO, KN, tuple(_step(frame, rows, first)))
    corner = (line + first) * sizes.width + PANEL * sizes.panel
    stores: list[Stmt] = []
    for i, v in places:
        at = frame.vector(corner + (i * sizes.width + v * sizes.lanes))
        total = e.var(_name(i, v), frame.sum_type, sizes.lanes)
        before = e.load(SUMS, at, frame.sum_type)
        stores.append(Store(SUMS, at, total if one_depth(frame) else before + total))
    return [*declared, loop, *stores]


def _name(i: int, v: int) -> str:
    return f"p.sum{i}.{v}"


def _step(frame: Frame, rows: int, first: Expr) -> list[Stmt]:
    """One summand: a line of the panel times every row's element."""
    sizes, dtype = frame.sizes, frame.sum_type
    out: list[Stmt] = []
    line: list[Expr] = []
    start = PANEL * panel_stride(sizes) + K * sizes.panel
    for v in range(sizes.vectors):
        out.append(Let(f"p.b{v}", e.load(RIGHT, frame.vector(start + v * sizes.lanes), dtype)))
        line.append(e.var(f"p.b{v}", dtype, sizes.lanes))
    for i in range(rows):
        a = e.broadcast(_left(frame, first, i, rows), sizes.lanes)
        for v in range(sizes.vectors):
            total = e.var(_name(i, v), dtype, sizes.lanes)
            out.append(Assign(_name(i, v), frame.multiply_add(a, line[v], total)))
    return out


def _left(frame: Frame, first: Expr, i: int, rows: int) -> Expr:
    """The left operand's element of row first + i: for rows beyond the last, any."""
    sizes = frame.sizes
    if left_in_place(frame):
        row = first + i if rows == sizes.tile_rows else e.minimum(first + i, ROWS - 1)
        decode = [
            *frame.bind(frame.product.rows, e.var("p.m0") + R + row),
            *frame.bind(frame.product.left.inner, e.var("p.k0") + K),
        ]
        assert not decode, "an operand read in place has one axis each way"
        return frame.left()
    stride = row_stride(sizes) if by_rows(frame) else 1
    tile = e.rem(e.var("p.t"), group(frame)) * left_stride(frame) if group(frame) > 1 else ZERO
    corner = tile + first * stride + K * (1 if by_rows(frame) else sizes.packed_rows)
    return e.load(LEFT, corner + i * stride, frame.sum_type)
