"""The blocked product: packed operands, and a tile of sums in registers over a whole depth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, If, Let, Stmt
from graphc.backends.lower.counts import divide_up
from graphc.backends.lower.products.ahead import Places, results_ahead
from graphc.backends.lower.products.few import few_rows
from graphc.backends.lower.products.frame import ONE, ZERO, Frame, parts
from graphc.backends.lower.products.pack import pack_left, pack_right, panel_at
from graphc.backends.lower.products.pack_words import WordPacking
from graphc.backends.lower.products.registers import Tile, one_depth
from graphc.ir.dims import maximum
from graphc.machine import TYPICAL

H, W, R, PANEL = (e.var(f"p.{name}") for name in ("h", "w", "r", "j"))


def sums_elements(frame: Frame) -> int:
    """Elements of the sums that the blocks need, rows beyond the last of a tile too."""
    sizes = frame.sizes
    return (sizes.tile_rows if one_depth(frame) else sizes.height) * sizes.width


def block(
    frame: Frame, finish: Callable[[Expr], list[Stmt]], places: Callable[[], Places]
) -> list[Stmt]:
    """A block, depth after depth and tile after tile; `finish(line)` writes the rows of a tile.

    The first of these rows has its sums in that line. Few rows are one tile of one depth. `places`
    says where the results at the bound variables are stored.
    """
    sizes, lines, words = frame.sizes, frame.lines, frame.words
    depths = maximum(1, divide_up(lines, sizes.depth))
    depth = frame.dims(divide_up(divide_up(lines, depths), sizes.unit) * sizes.unit)
    steps = frame.choose(ONE, frame.dims(depths))
    last = e.equal(e.var("p.d"), steps - 1)
    line = ZERO if one_depth(frame) or frame.few is True else R
    tile_rows = e.const(sizes.tile_rows, H.dtype)
    pack = None if words is None else WordPacking(frame, words)
    packed = [
        *(pack_left(frame) if pack is None else pack.left()),
        *_panels(frame, line, last, places),
    ]
    tile: list[Stmt] = [
        Let("p.r", e.var("p.t") * sizes.tile_rows),
        Let("p.rows", frame.choose(H, e.minimum(H - R, tile_rows))),
        *frame.either(few_rows(frame) if frame.few is not False else [], packed),
        If(last, tuple(finish(line))),
    ]
    tiles = frame.choose(ONE, parts(H, sizes.tile_rows))
    body: list[Stmt] = [
        Let("p.k0", e.var("p.d") * depth),
        Let("p.kn", e.minimum(depth, frame.dims(lines) - e.var("p.k0"))),
        *frame.either([], pack_right(frame) if pack is None else pack.right()),
        For("p.t", ZERO, tiles, tuple(tile)),
    ]
    return [For("p.d", ZERO, steps, tuple(body))]


def _panels(frame: Frame, line: Expr, last: Expr, places: Callable[[], Places]) -> list[Stmt]:
    """Whole panels, and what is left of the columns: at once where known, or vector by vector."""
    sizes, columns = frame.sizes, frame.blocks.columns
    ahead = If(last, tuple(results_ahead(frame, places)))
    widths = (sizes.lanes,) * sizes.vectors
    tile = Tile(frame, line, widths, panel_at(frame, PANEL, 0), PANEL * sizes.panel, ahead)
    full = For("p.j", ZERO, W / sizes.panel, tuple(tile.rows()))
    if not isinstance(columns, int):
        return [full, *_vectors(frame, line)] if sizes.vectors > 1 else [_all(full, frame)]
    rest = _widths(frame, columns % sizes.panel)
    if rest in ((), widths):
        return [_all(full, frame)]
    tile = _right_of(frame, line, rest, ZERO)
    few = If(W / sizes.panel * sizes.panel < W, tuple(tile.rows()))
    return [full, few] if columns > sizes.panel else tile.rows()


def _all(full: For, frame: Frame) -> For:
    """The loop over whole panels for the last columns too."""
    return replace(full, end=parts(W, frame.sizes.panel))


def _vectors(frame: Frame, line: Expr) -> list[Stmt]:
    """What is left of columns whose number is not known, vector by vector."""
    sizes, half = frame.sizes, _half(frame)
    rest = W - W / sizes.panel * sizes.panel
    count = (rest + (sizes.lanes - 1 - half)) / sizes.lanes
    one = _right_of(frame, line, (sizes.lanes,), e.var("p.v") * sizes.lanes)
    loop = For("p.v", ZERO, count, tuple(one.rows()))
    if not half:
        return [loop]
    some = _right_of(frame, line, (half,), count * sizes.lanes)
    return [loop, If(count * sizes.lanes < rest, tuple(some.rows()))]


def _right_of(frame: Frame, line: Expr, widths: tuple[int, ...], at: Expr) -> Tile:
    """The tile of these vectors that begins at a column behind the whole panels."""
    whole, panel = W / frame.sizes.panel, frame.sizes.panel
    return Tile(frame, line, widths, panel_at(frame, whole, at), whole * panel + at)


def _widths(frame: Frame, columns: int) -> tuple[int, ...]:
    """The lanes of vectors that hold so many columns."""
    lanes, half = frame.sizes.lanes, _half(frame)
    whole, rest = divmod(columns, lanes)
    return (lanes,) * whole + ((half if rest <= half else lanes,) if rest else ())


def _half(frame: Frame) -> int:
    """Lanes of half a vector, where that takes half the time, else 0: registers that may be taken
    as two halves are the widest ones.
    """
    sizes = frame.sizes
    bits = sizes.lanes * frame.sum_type.bits
    wide = bits == TYPICAL.vector_bits and frame.words is None and not sizes.fold
    return sizes.lanes // 2 if wide else 0
