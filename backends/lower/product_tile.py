"""The blocked product: packed operands, and a tile of sums held in registers over the whole depth."""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Assign, Declare, For, If, Let, Stmt, Store
from graphc.backends.lower.product_frame import LEFT, RIGHT, SUMS, ZERO, Frame
from graphc.backends.lower.product_pack import (
    K, KN, by_rows, pack_left, pack_right, panel_stride, row_stride,
)  # fmt: skip
from graphc.backends.lower.product_sizes import divide_up
from graphc.ir.dims import maximum
from graphc.ir.dtypes import bool_

H, W, R, ROWS, PANEL = (e.var(f"p.{name}") for name in ("h", "w", "r", "rows", "j"))
#: Summands taken at once, so that the loop itself costs less.
UNROLL = 2


def one_depth(frame: Frame) -> bool:
    """Whether the whole sum is known to be taken at once, so that only a tile of sums is kept."""
    inner = frame.blocks.inner
    return isinstance(inner, int) and inner <= frame.sizes.depth


def sums_elements(frame: Frame) -> int:
    """Elements of the sums that the blocks need, rows beyond the last of a tile too."""
    sizes = frame.sizes
    return (sizes.tile_rows if one_depth(frame) else sizes.height) * sizes.width


def block(frame: Frame, finish: Callable[[Expr, Expr, Expr], list[Stmt]]) -> list[Stmt]:
    """A block; `finish(first, last, line)` writes rows whose sums are complete, the first of which is in that line of the sums."""
    sizes, inner = frame.sizes, frame.blocks.inner
    depths = maximum(1, divide_up(inner, sizes.depth))
    depth = frame.dims(divide_up(inner, depths))
    line = ZERO if one_depth(frame) else R
    tile: list[Stmt] = [
        Let("p.r", e.var("p.t") * sizes.tile_rows), Let("p.rows", e.minimum(H - R, e.const(sizes.tile_rows, H.dtype))),
        *pack_left(frame), For("p.j", ZERO, _up(W, sizes.panel), tuple(_panel(frame, line))),
        If(e.equal(e.var("p.d"), frame.dims(depths) - 1), tuple(finish(R, R + ROWS, line))),
    ]  # fmt: skip
    body: list[Stmt] = [
        Let("p.k0", e.var("p.d") * depth), Let("p.kn", e.minimum(depth, frame.dims(inner) - e.var("p.k0"))),
        Let("p.first", e.equal(e.var("p.d"), 0)), *pack_right(frame),
        For("p.t", ZERO, _up(H, sizes.tile_rows), tuple(tile)),
    ]  # fmt: skip
    return [For("p.d", ZERO, frame.dims(depths), tuple(body))]


def _up(x: Expr, n: int) -> Expr:
    return (x + (n - 1)) / n


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
        "p.s", ZERO, _up(ROWS, sizes.tail_rows), tuple(_tile(frame, sizes.tail_rows, first, line))
    )
    return [If(e.equal(ROWS, sizes.tile_rows), tuple(full), (tail,))]


def _tile(frame: Frame, rows: int, first: Expr, line: Expr) -> list[Stmt]:
    """Sums of `rows` rows from `first` on in one panel, added to what shallower depths have summed."""
    sizes = frame.sizes
    zero = e.broadcast(e.const(0, frame.sum_type), sizes.lanes)
    places = [(i, v) for i in range(rows) for v in range(sizes.vectors)]
    declared: list[Stmt] = [Declare(_name(i, v), zero) for i, v in places]
    whole = KN / UNROLL
    several: list[Stmt] = []
    for u in range(UNROLL):
        several += _step(frame, rows, first, e.var("p.u") * UNROLL + u, f".{u}")
    main = For("p.u", ZERO, whole, tuple(several))
    rest = For("p.k", whole * UNROLL, KN, tuple(_step(frame, rows, first, K, "")))
    start: list[Stmt] = []
    more: list[Stmt] = []
    for i, v in places:
        at = (line + first + i) * sizes.width + PANEL * sizes.panel + v * sizes.lanes
        at = e.ramp(at, sizes.lanes) if sizes.lanes > 1 else at
        total = e.var(_name(i, v), frame.sum_type, sizes.lanes)
        start.append(Store(SUMS, at, total))
        more.append(Store(SUMS, at, e.load(SUMS, at, frame.sum_type) + total))
    if one_depth(frame):
        return [*declared, main, rest, *start]
    return [*declared, main, rest, If(e.var("p.first", bool_), tuple(start), tuple(more))]


def _name(i: int, v: int) -> str:
    return f"p.sum{i}.{v}"


def _step(frame: Frame, rows: int, first: Expr, k: Expr, suffix: str) -> list[Stmt]:
    """One summand: a line of the panel times every row's element."""
    sizes, dtype = frame.sizes, frame.sum_type
    out: list[Stmt] = []
    line: list[Expr] = []
    for v in range(sizes.vectors):
        at = PANEL * panel_stride(sizes) + k * sizes.panel + v * sizes.lanes
        at = e.ramp(at, sizes.lanes) if sizes.lanes > 1 else at
        out.append(Let(f"p.b{v}{suffix}", e.load(RIGHT, at, dtype)))
        line.append(e.var(f"p.b{v}{suffix}", dtype, sizes.lanes))
    for i in range(rows):
        if by_rows(frame):
            at = first * row_stride(sizes) + k + i * row_stride(sizes)
        else:
            at = k * sizes.packed_rows + first + i
        a = e.broadcast(e.load(LEFT, at, dtype), sizes.lanes)
        for v in range(sizes.vectors):
            total = e.var(_name(i, v), dtype, sizes.lanes)
            out.append(Assign(_name(i, v), frame.multiply_add(a, line[v], total)))
    return out
