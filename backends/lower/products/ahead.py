"""What a product asks for before it is needed: tiles the rows and panels that are next and lines of
their results, packing the lines that follow.

In tiles asking pays where they are wide and have some rows, so that there is time in their loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, Prefetch, Stmt
from graphc.backends.lower.products.axes import Axis, Operand
from graphc.backends.lower.products.frame import ZERO, Frame
from graphc.ir.dtypes import DType

#: Vectors of a tile in whose loop there is time to ask for what is next.
WIDE = 4
#: Rows of a tile from which on a panel does not come as fast as the cache gives it: below, asking
#: takes more time than it saves.
BUSY_ROWS = 4
#: Bytes of a line of the cache.
LINE = 64
#: Bytes between what few rows take of a packed operand and what they ask for.
FURTHER = 2048
#: Lines between what is packed and what is asked for, and bytes from line to line from which on
#: they do not come by themselves.
DISTANCE, APART = 16, 1024
M0, N0, R, ROW, PANEL = (e.var(f"p.{name}") for name in ("m0", "n0", "r", "i", "j"))
K, KN, N, M = (e.var(f"p.{name}") for name in ("k", "kn", "n", "m"))

#: Buffers of the results, their dtypes, and where the element at the bound variables lies in them.
Places = Sequence[tuple[str, DType, Expr]]


def rows_ahead(frame: Frame, element: Callable[[Expr], Expr]) -> list[Stmt]:
    """Asks for the next tile's elements where they lie, each panel for some of its rows."""
    sizes = frame.sizes
    if not (_is_wide(frame) and sizes.in_place and frame.product.left.along == "inner"):
        return []
    count = -(-sizes.tile_rows * sizes.panel // sizes.width)
    out: list[Stmt] = []
    for i in range(count):
        x = element(R + sizes.tile_rows + PANEL * count + i)
        if x.op == "load" and len(x.args) == 1:
            out.append(Prefetch(str(x.attr), x.args[0]))
    return out


def panel_ahead(frame: Frame, start: Expr) -> list[Stmt]:
    """Asks for what follows the panel from `start` on where it lies packed, each tile for a line of
    each summand's.
    """
    sizes = frame.sizes
    if not (frame.product.packed and _is_wide(frame) and sizes.tile_rows >= BUSY_ROWS):
        return []
    part = e.rem(e.var("p.t"), e.const(sizes.vectors, K.dtype)) * KN
    return [Prefetch(frame.panels, start + KN * frame.line + (part + K) * sizes.lanes)]


def stream_ahead(frame: Frame, start: Expr) -> list[Stmt]:
    """Asks for what follows in the panel from `start` on, or in the next one, where few rows wait
    for it to come from memory.
    """
    sizes, dtype = frame.sizes, frame.packed_type
    if not (frame.product.packed and sizes.cold and sizes.tile_rows < BUSY_ROWS):
        return []
    first, line = start + K * frame.line + FURTHER // dtype.bytes, LINE // dtype.bytes
    return [Prefetch(frame.panels, first + at) for at in range(0, sizes.panel, line)]


def results_ahead(frame: Frame, places: Callable[[], Places]) -> list[Stmt]:
    """Asks for the lines in which the results of a whole tile of panel p.j will be stored."""
    sizes, product = frame.sizes, frame.product
    if not _is_wide(frame) or product.turned or len(product.rows) != 1 or sizes.fold:
        return []
    frame.bind(product.rows, M0 + R + ROW)
    lines: list[Stmt] = []
    for column in range(0, sizes.panel, sizes.lanes):
        frame.bind(product.columns, N0 + PANEL * sizes.panel + column)
        lines += [
            Prefetch(buffer, at, written=True)
            for buffer, dtype, at in places()
            if column * dtype.bytes % LINE == 0
        ]
    return [For("p.i", ZERO, e.const(sizes.tile_rows, ROW.dtype), tuple(lines))] if lines else []


def line_ahead(frame: Frame, column: Expr) -> list[Stmt]:
    """Asks for neighbours of this column of the block in a later line of the right operand, which
    is packed line by line.
    """
    product = frame.product
    return _later(frame, product.right, frame.right, product.columns, (N0 + column, N))


def row_ahead(frame: Frame, row: int) -> list[Stmt]:
    """Asks for neighbours of this row of the tiles among a later summand's of the left operand,
    whose rows lie side by side.
    """
    product = frame.product
    return _later(frame, product.left, frame.left, product.rows, (M0 + R + row, M))


def _later(
    frame: Frame,
    operand: Operand,
    element: Callable[[], Expr],
    axes: Sequence[Axis],
    places: tuple[Expr, Expr],
) -> list[Stmt]:
    """Asks for the element at the first of these places, some summands later; leaves the axes at
    the second one.
    """
    step, dtype = operand.step, frame.sum_type
    if step is None or (isinstance(step, int) and step * dtype.bytes < APART):
        return []
    frame.bind(axes, places[0])
    x = element()
    frame.bind(axes, places[1])
    if x.op != "load" or len(x.args) != 1:
        return []
    return [Prefetch(str(x.attr), x.args[0] + frame.dims(step) * DISTANCE)]


def _is_wide(frame: Frame) -> bool:
    return frame.sizes.vectors >= WIDE
