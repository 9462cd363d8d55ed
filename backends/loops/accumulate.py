"""What accumulating is: how values come together in registers, and the best of all lanes."""

from __future__ import annotations

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Accumulate, Assign, Combine, Let, Stmt
from graphc.backends.lower.nests.combine import beats, combined, succeeds
from graphc.ir.dtypes import DType, bool_, int64


def accumulate(s: Accumulate, dtype: DType, lanes: int = 1, mask: Expr | None = None) -> list[Stmt]:
    """The assignments that an accumulation means. Positions come in order, so that of equal values
    the one at hand stays; the least of all is at the first position, where it is at hand already.
    """
    best = e.var(s.name, dtype, lanes)
    value = e.cast(e.broadcast(s.value, lanes), dtype)
    if s.position is None:
        result = combined(s.combine, best, value)
        return [Assign(s.name, result if mask is None else e.select(mask, result, best))]
    at = e.var(s.name + ".at", int64, lanes)
    position = e.broadcast(s.position, lanes)
    better = succeeds(s.combine, value, best)
    if mask is not None:
        better = better & mask
    flag = s.name + ".better"
    wins = e.var(flag, bool_, lanes)
    chosen = [
        Assign(s.name, e.select(wins, value, best)),
        Assign(s.name + ".at", e.select(wins, position, at)),
    ]
    return [Let(flag, better), *chosen]


def together(combine: Combine, values: list[Expr]) -> Expr:
    """Some vectors combined in pairs, those in pairs again."""
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=False)
        values = [combined(combine, a, b) for a, b in pairs] + values[len(values) // 2 * 2 :]
    return values[0]


def best_lanes(combine: Combine, values: list[Expr], places: list[Expr]) -> tuple[Expr, Expr]:
    """The best value of some vectors in each lane, and where it is."""
    while len(values) > 1:
        pairs = list(zip(values[::2], values[1::2], places[::2], places[1::2], strict=False))
        wins = [beats(combine, b, a, q, p) for a, b, p, q in pairs]
        rest = slice(len(values) // 2 * 2, None)
        chosen = [e.select(w, q, p) for w, (_, _, p, q) in zip(wins, pairs, strict=True)]
        places = chosen + places[rest]
        chosen = [e.select(w, b, a) for w, (a, b, _, _) in zip(wins, pairs, strict=True)]
        values = chosen + values[rest]
    return values[0], places[0]


def best_across(combine: Combine, value: Expr, place: Expr) -> tuple[Expr, Expr]:
    """The best value in any lane of a vector, and the first of the places where it is."""
    best = e.across(combine.removeprefix("arg"), value)
    here = e.equal(value, e.broadcast(best, value.lanes))
    if value.dtype.is_float:
        here = here | e.not_equal(value, value)
    return best, e.across("min", e.select(here, place, e.const(2**62, int64)))
