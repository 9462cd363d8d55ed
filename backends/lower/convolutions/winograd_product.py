"""The products at a point of the transform: a tile of sums in registers over a whole depth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Declare, For, If, Let, Stmt, Store
from graphc.backends.lower.convolutions.terms import COLUMN, NUMBERS, ROW, Place, Terms
from graphc.backends.lower.convolutions.winograd_sizes import Registers
from graphc.backends.lower.convolutions.winograd_tiles import ZERO
from graphc.backends.lower.products.chains import chain_of
from graphc.backends.lower.products.frame import parts, ramp
from graphc.ir.dtypes import DType

#: What is done with a sum, as registers, by row and column.
Finish = Callable[[Expr, Expr, Expr], list[Stmt]]
CHAIN, LANE = e.var("w.chain"), e.var("w.lane")


def product(
    r: Registers,
    rows: Expr,
    columns: int,
    depth: Expr | Callable[[tuple[Stmt, ...]], Stmt],
    left: tuple[str, Place],
    right: tuple[str, Place],
    result: tuple[str, Place] | Finish,
    added: bool = False,
    most: int = 0,
    terms: Terms = NUMBERS,
) -> list[Stmt]:
    """result[row, column] = the sum over k < depth of left[row, k] * right[k, column], as `terms`
    says, added to what is there if `added`. Rows are written in whole tiles, beyond the last row
    too. `depth` is a number, at most `most`, or what gives the loops around a step at k. Of
    `result` a function, which statements finish a sum of one chain; then rows beyond the last one
    are not. Of rows whose number is not known the last few go in lower tiles.
    """
    chain = chain_of(most) if most else None

    def tiles(r: Registers, first: Expr, count: Expr) -> For:
        start = Let("w.column", e.var("w.j") * r.columns)
        body = (start, *_tile(r, rows, depth, left, right, result, added, chain, terms))
        tile = For("w.j", ZERO, e.const(columns // r.columns, ROW.dtype), body)
        return For("w.i", ZERO, count, (Let("w.row", first + e.var("w.i") * r.rows), tile))

    if rows.op == "const" or r.last == r.rows:
        return [tiles(r, ZERO, (rows + (r.rows - 1)) / r.rows)]
    whole, last = e.var("w.whole"), replace(r, rows=r.last)
    few = next(n for n in range(r.rows, 0, -1) if last.time(n) < r.time(n))
    return [
        Let("w.whole", (rows + (r.rows - 1 - few)) / r.rows),
        tiles(r, ZERO, whole),
        tiles(last, whole * r.rows, (rows - whole * r.rows + (r.last - 1)) / r.last),
    ]


def _tile(
    r: Registers,
    rows: Expr,
    depth: Expr | Callable[[tuple[Stmt, ...]], Stmt],
    left: tuple[str, Place],
    right: tuple[str, Place],
    result: tuple[str, Place] | Finish,
    added: bool,
    chain: int | None,
    terms: Terms,
) -> list[Stmt]:
    places = [(i, v) for i in range(r.rows) for v in range(r.vectors)]
    sums = {p: e.var(f"w.sum{p[0]}.{p[1]}", terms.sum_type, r.lanes) for p in places}
    zero = e.broadcast(e.const(0, terms.sum_type), r.lanes)
    step = tuple(terms.step(r, left, right, sums))
    declared: list[Stmt] = [Declare(sums[p].attr, zero) for p in places]
    if isinstance(result, tuple):
        last = _stored(r, result, sums, added, chain, terms.sum_type)
    else:
        assert chain is None and not added, "sums in registers are whole"
        last = _finished(r, rows, result, sums)
    if chain is None or not isinstance(depth, Expr):
        loop = For("w.k", ZERO, depth, step) if isinstance(depth, Expr) else depth(step)
        return [*declared, loop, *last]
    loop = For("w.k", CHAIN * chain, e.minimum(CHAIN * chain + chain, depth), step)
    return [For("w.chain", ZERO, parts(depth, chain), (*declared, loop, *last))]


def _stored(
    r: Registers,
    result: tuple[str, Place],
    sums: dict[tuple[int, int], Expr],
    added: bool,
    chain: int | None,
    dtype: DType,
) -> list[Stmt]:
    """Each vector of sums goes to its place, or is added to what came before."""
    target, where = result
    stores: list[Stmt] = []
    for (i, v), total in sums.items():
        at = ramp(where(ROW + i, COLUMN + v * r.lanes), r.lanes)
        before = e.load(target, at, dtype)
        if chain is not None and not added:
            before = e.select(CHAIN > 0, before, e.const(0, dtype))
        stores.append(Store(target, at, total if chain is None and not added else before + total))
    return stores


def _finished(
    r: Registers, rows: Expr, finish: Finish, sums: dict[tuple[int, int], Expr]
) -> list[Stmt]:
    """What is done with each vector of sums."""
    out: list[Stmt] = []
    whole = rows.op == "const" and rows.attr % r.rows == 0
    for i in range(r.rows):
        row = tuple(
            For(
                "w.lane",
                ZERO,
                e.const(r.lanes, ROW.dtype),
                tuple(finish(ROW + i, COLUMN + v * r.lanes + LANE, sums[i, v])),
                "vector",
                r.lanes,
                1,
                even=True,
            )
            for v in range(r.vectors)
        )
        out += row if whole else [If(ROW + i < rows, row)]
    return out
