"""Sums of thin products whose left operand lies along the sum: some rows at a time, times some
columns, which are turned to lie as they do.
"""

from __future__ import annotations

from dataclasses import replace

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Assign, Declare, For, If, Let, Stmt, Store
from graphc.backends.loops.widen import widened
from graphc.backends.lower.products.axes import Product, extent_of
from graphc.backends.lower.products.frame import SUMS, ZERO, Frame, parts
from graphc.ir.dtypes import bool_
from graphc.ir.record import dataclass

#: The columns at most, how many are summed at once, room for the sums of whole tiles of them, and
#: the right operand's part turned to lie along the sum.
MOST_COLUMNS, AT_ONCE, ROOM, TURNED = 10, 4, 12, "p.turned"

N, K, M0, K0, KN, H, W = (e.var(f"p.{x}") for x in ("n", "k", "m0", "k0", "kn", "h", "w"))
TILE, VECTOR, PANEL = (e.var(f"p.{x}") for x in ("t", "v", "j"))


@dataclass(frozen=True)
class Shape:
    """A block has up to `height` rows and sums over `depth` summands at a time; `rows` x `columns`
    of its sums are in registers.
    """

    height: int
    depth: int
    rows: int
    columns: int

    @property
    def line(self) -> int:
        """Elements from line to line of what is turned: they must not collide."""
        return self.depth + 16

    @property
    def stride(self) -> int:
        """Elements from column to column of the sums: rows beyond the last of a tile too."""
        return self.height + self.rows


def shape_of(product: Product) -> Shape:
    """Of known columns some are taken at once, and the block is large: turning takes its time. Of
    others one, or two where there are several.
    """
    columns = extent_of(product.columns)
    if not isinstance(columns, int):
        return Shape(256, 1024, 4, 1)
    return Shape(512, 2048, 6, -(-columns // -(-columns // AT_ONCE)))


def sum_at(frame: Frame, row: Expr, column: Expr = N) -> Expr:
    """Where the sum of a row and a column is."""
    return column * shape_of(frame.product).stride + row


def along_lines(frame: Frame) -> list[Stmt]:
    """Some rows at a time, times some columns, which are turned to lie as they do."""
    inner, shape = frame.dims(frame.blocks.inner), shape_of(frame.product)
    tiles: Stmt = _tiles(frame, shape)
    if not isinstance(frame.blocks.columns, int):
        tiles = If(W > 1, (_tiles(frame, replace(shape, columns=2)),), (tiles,))
    depths: list[Stmt] = [
        Let("p.k0", e.var("p.d") * shape.depth),
        Let("p.kn", e.minimum(inner - K0, shape.depth)),
        _turned(frame, shape.line),
        tiles,
    ]
    return [For("p.d", ZERO, parts(inner, shape.depth), tuple(depths))]


def _tiles(frame: Frame, shape: Shape) -> For:
    columns = For("p.j", ZERO, parts(W, shape.columns), tuple(_tile(frame, shape)))
    return For("p.t", ZERO, parts(H, shape.rows), (columns,))


def _turned(frame: Frame, stride: int) -> For:
    frame.bind(frame.product.columns, N)
    frame.bind(frame.product.right.inner, K0 + K)
    store = Store(TURNED, N * stride + K, frame.right())
    if frame.product.right.along == "inner":
        line = For("p.k", ZERO, KN, (store,), "vector", frame.sizes.lanes)
        return For("p.n", ZERO, W, (line,))
    return For("p.k", ZERO, KN, (For("p.n", ZERO, W, (store,)),))


def _tile(frame: Frame, shape: Shape) -> list[Stmt]:
    """Sums of some rows with some columns; those beyond the last are sums of its own once more."""
    lanes, dtype = frame.sizes.lanes, frame.sum_type
    sums = [(i, c) for i in range(shape.rows) for c in range(shape.columns)]
    columns = [PANEL * shape.columns + c for c in range(shape.columns)]
    read = columns if shape.columns == 1 else [e.minimum(c, W - 1) for c in columns]
    zero = e.broadcast(e.const(0, dtype), lanes)
    whole = KN / lanes
    inside = e.var("p.inside", bool_, lanes)
    rest = [
        Let("p.inside", e.ramp(whole * lanes, lanes) < KN),
        *_step(frame, shape, read, whole * lanes, inside),
    ]
    out: list[Stmt] = [Declare(_sum(i, c), zero) for i, c in sums]
    steps = _step(frame, shape, read, VECTOR * lanes, None)
    out.append(For("p.v", ZERO, whole, tuple(steps)))
    inner = frame.blocks.inner
    if not isinstance(inner, int) or inner % lanes:
        out.append(If(whole * lanes < KN, tuple(rest)))
    for i, c in sums:
        at = sum_at(frame, TILE * shape.rows + i, columns[c])
        total = e.across("sum", e.var(_sum(i, c), dtype, lanes))
        out.append(Store(SUMS, at, e.load(SUMS, at, dtype) + total))
    return out


def _step(
    frame: Frame, shape: Shape, columns: list[Expr], start: Expr, mask: Expr | None
) -> list[Stmt]:
    """A vector of summands of every row and column of a tile."""
    lanes, dtype = frame.sizes.lanes, frame.sum_type
    out: list[Stmt] = []
    for c, column in enumerate(columns):
        at = e.ramp(column * shape.line + start, lanes)
        out.append(Let(f"p.b{c}", e.load(TURNED, at, dtype, mask)))
    for i in range(shape.rows):
        row = e.minimum(TILE * shape.rows + i, H - 1)
        frame.bind(frame.product.rows, M0 + row)
        frame.bind(frame.product.left.inner, K0 + K)
        out.append(Let(f"p.a{i}", widened(frame.left(), "p.k", start, lanes, mask)))
        left = e.var(f"p.a{i}", dtype, lanes)
        for c in range(shape.columns):
            total, right = (e.var(x, dtype, lanes) for x in (_sum(i, c), f"p.b{c}"))
            out.append(Assign(_sum(i, c), frame.multiply_add(left, right, total)))
    return out


def _sum(i: int, c: int) -> str:
    return f"p.sum{i}.{c}"
