"""The products at a point of the transform: a tile of sums in registers over a whole depth."""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Assign, Declare, For, Let, Stmt, Store
from graphc.backends.lower.convolutions.winograd_sizes import Registers
from graphc.backends.lower.convolutions.winograd_tiles import ZERO
from graphc.backends.lower.products.chains import chain_of
from graphc.backends.lower.products.frame import parts, ramp
from graphc.ir.dtypes import float32

#: An operand's or the result's element, by row (or summand) and column (or summand).
Place = Callable[[Expr, Expr], Expr]
ROW, COLUMN, K, CHAIN = (e.var(f"w.{name}") for name in ("row", "column", "k", "chain"))


def product(
    r: Registers,
    rows: Expr,
    columns: int,
    depth: Expr | Callable[[tuple[Stmt, ...]], Stmt],
    left: Callable[[Expr, Expr], Expr],
    right: tuple[str, Place],
    result: tuple[str, Place],
    added: bool = False,
    most: int = 0,
) -> For:
    """result[row, column] = the sum over k < depth of left(row, k) * right[k, column], added to
    what is there if `added`. Rows are written in whole tiles, beyond the last row too. `depth` is
    a number, at most `most`, or what gives the loops around a step at k.
    """
    chain = chain_of(most) if most else None
    start = Let("w.column", e.var("w.j") * r.columns)
    body = (start, *_tile(r, depth, left, right, result, added, chain))
    tile = For("w.j", ZERO, e.const(columns // r.columns, ROW.dtype), body)
    tiles = (rows + (r.rows - 1)) / r.rows
    return For("w.i", ZERO, tiles, (Let("w.row", e.var("w.i") * r.rows), tile))


def _tile(
    r: Registers,
    depth: Expr | Callable[[tuple[Stmt, ...]], Stmt],
    left: Callable[[Expr, Expr], Expr],
    right: tuple[str, Place],
    result: tuple[str, Place],
    added: bool,
    chain: int | None,
) -> list[Stmt]:
    places = [(i, v) for i in range(r.rows) for v in range(r.vectors)]
    target, where = result
    at = {p: ramp(where(ROW + p[0], COLUMN + p[1] * r.lanes), r.lanes) for p in places}
    zero = e.broadcast(e.const(0, float32), r.lanes)
    sums = {p: e.var(f"w.sum{p[0]}.{p[1]}", float32, r.lanes) for p in places}
    step = tuple(_step(r, left, right, sums))
    declared: list[Stmt] = [Declare(sums[p].attr, zero) for p in places]
    stores: list[Stmt] = []
    for p in places:
        before = e.load(target, at[p], float32)
        if chain is not None and not added:
            before = e.select(CHAIN > 0, before, e.const(0, float32))
        total = sums[p] if chain is None and not added else before + sums[p]
        stores.append(Store(target, at[p], total))
    if chain is None or not isinstance(depth, Expr):
        loop = For("w.k", ZERO, depth, step) if isinstance(depth, Expr) else depth(step)
        return [*declared, loop, *stores]
    loop = For("w.k", CHAIN * chain, e.minimum(CHAIN * chain + chain, depth), step)
    return [For("w.chain", ZERO, parts(depth, chain), (*declared, loop, *stores))]


def _step(
    r: Registers,
    left: Callable[[Expr, Expr], Expr],
    right: tuple[str, Place],
    sums: dict[tuple[int, int], Expr],
) -> list[Stmt]:
    """One summand of every sum."""
    buffer, where = right
    out: list[Stmt] = []
    for v in range(r.vectors):
        at = ramp(where(K, COLUMN + v * r.lanes), r.lanes)
        out.append(Let(f"w.b{v}", e.load(buffer, at, float32)))
    for i in range(r.rows):
        a = e.broadcast(left(ROW + i, K), r.lanes)
        for v in range(r.vectors):
            b, total = e.var(f"w.b{v}", float32, r.lanes), sums[i, v]
            out.append(Assign(total.attr, e.fma(a, b, total) if r.fused else total + a * b))
    return out
