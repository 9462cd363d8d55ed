"""Vectors of elements some way apart: neighbours are loaded or stored, and lanes moved."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr, make
from graphc.backends.loops.masked import kept_inside
from graphc.backends.loops.stmt import Let, Stmt, Store
from graphc.ir.dtypes import DType, bool_, int64

#: Elements further apart than this are gathered one by one.
WIDEST = 10
#: Loops whose elements are no further apart are as good as those of neighbours.
NEAR = 4


def linear(index: Expr) -> tuple[Expr, int] | None:
    """The first lane of a vector of indices, and the literal by which each next one is larger."""
    if index.op == "ramp":
        return index.args[0], 1
    if index.op == "broadcast":
        return index.args[0], 0
    if index.lanes == 1 or index.op not in ("add", "sub", "mul") or index.dtype is not int64:
        return None
    parts = [linear(a) for a in index.args]
    if parts[0] is None or parts[1] is None:
        return None
    (a, step), (b, other) = parts[0], parts[1]
    if index.op == "mul":
        return _scaled(a, step, b, other)
    return e.binary(index.op, a, b), step + other if index.op == "add" else step - other


def _scaled(a: Expr, step: int, b: Expr, other: int) -> tuple[Expr, int] | None:
    """The product of two such vectors, where one of them is a literal in every lane."""
    if other == 0 and b.op == "const":
        return a * b, step * int(b.attr)
    if step == 0 and a.op == "const":
        return a * b, other * int(a.attr)
    return None


def load_strided(
    buffer: str, index: Expr, dtype: DType, lanes: int, mask: Expr | None
) -> Expr | None:
    """What a vector of indices reads, from vectors of neighbours; None where it must be gathered.

    No element is read beyond those asked for and those between them.
    """
    found = linear(index) if index.op != "ramp" else None
    if found is None or dtype.bits < 32:
        return None
    base, step = found
    if step == 1:
        return e.load(buffer, e.ramp(base, lanes), dtype, mask)
    if step == -1:
        return _backwards(buffer, base, dtype, lanes, mask)
    if not 1 < step <= min(WIDEST, lanes):
        return None
    starts = [*(k * lanes for k in range(step - 1)), (step - 1) * (lanes - 1)]
    parts = []
    for start in starts:
        own = None if mask is None else _spread(mask, start, step)
        parts.append(e.load(buffer, e.ramp(base + start, lanes), dtype, own))
    return _picked(parts, starts, step)


def _backwards(buffer: str, last: Expr, dtype: DType, lanes: int, mask: Expr | None) -> Expr:
    """The elements from `last` on backwards."""
    turned, first = tuple(reversed(range(lanes))), last - (lanes - 1)
    if mask is not None:
        first, mask = kept_inside(first, mask), e.shuffle(mask, mask, turned)
    found = e.load(buffer, e.ramp(first, lanes), dtype, mask)
    return e.shuffle(found, found, turned)


def _spread(mask: Expr, start: int, step: int) -> Expr:
    """The mask of elements start, start + 1, ... of which every `step`-th is a lane."""
    n = mask.lanes
    never = e.broadcast(e.const(False, bool_), n)
    places = range(start, start + n)
    return e.shuffle(mask, never, tuple(k // step if k % step == 0 else n for k in places))


def _picked(parts: Sequence[Expr], starts: Sequence[int], step: int) -> Expr:
    """Every `step`-th element of vectors that begin at these elements."""
    n = parts[0].lanes
    holder = [min(k * step // n, len(parts) - 1) for k in range(n)]
    result = parts[0]
    for j, part in enumerate(parts[1:], 1):
        chosen = []
        for k, p in enumerate(holder):
            mine = k * step - starts[p]
            chosen.append(n + mine if p == j else k if p < j and j > 1 else mine if p < j else 0)
        result = e.shuffle(result, part, tuple(chosen))
    return result


def join_stores(statements: Sequence[Stmt]) -> list[Stmt]:
    """The same with stores of neighbours that follow each other, but for what is computed in
    between, as stores of whole vectors.
    """
    out: list[Stmt] = []
    k, statements = 0, _together(statements)
    while k < len(statements):
        run = _run(statements[k:])
        out.extend(_joined(run) if run else statements[k : k + 1])
        k += max(1, len(run))
    return out


def _together(statements: Sequence[Stmt]) -> list[Stmt]:
    """The statements with such stores behind the values that are computed next, unless these read
    what is stored.
    """
    out: list[Stmt] = []
    waiting: list[Store] = []
    for s in statements:
        if isinstance(s, Store) and _stored(s) is not None:
            waiting.append(s)
            continue
        if waiting and not (isinstance(s, Let) and not _reads(s.value, waiting)):
            out += waiting
            waiting = []
        out.append(s)
    return [*out, *waiting]


def _reads(x: Expr, stores: Sequence[Store]) -> bool:
    """Whether an expression reads a buffer that one of these stores writes."""
    written, seen, stack = {s.buffer for s in stores}, {x}, [x]
    while stack:
        y = stack.pop()
        if y.op == "load" and y.attr in written:
            return True
        new = [a for a in y.args if a not in seen]
        seen.update(new)
        stack += new
    return False


def _run(statements: Sequence[Stmt]) -> list[Store]:
    """The stores at the beginning that together fill neighbours, element by element."""
    first = statements[0]
    found = _stored(first)
    if found is None or not isinstance(first, Store):
        return []
    others, literal, step = found
    run: list[Store] = []
    for k, s in enumerate(statements[:step]):
        if not isinstance(s, Store) or (s.buffer, s.mask) != (first.buffer, first.mask):
            return []
        if _stored(s) != (others, literal + k, step):
            return []
        run.append(s)
    return run if len(run) == step else []


def _stored(s: Stmt) -> tuple[tuple[Expr, ...], int, int] | None:
    """What a store's first index is a sum of, its literal part, and the step from lane to lane."""
    if not isinstance(s, Store) or s.index.op == "ramp" or s.value.dtype.bits < 32:
        return None
    found = linear(s.index) if s.index.lanes > 1 else None
    if found is None or not 1 < found[1] <= min(WIDEST, s.index.lanes):
        return None
    summands, literal = _summands(found[0])
    return tuple(sorted(summands, key=id)), literal, found[1]


def _summands(x: Expr) -> tuple[list[Expr], int]:
    """The terms of a sum that are no literals, and the sum of those that are."""
    if x.op == "const":
        return [], int(x.attr)
    if x.op != "add":
        return [x], 0
    (a, c), (b, d) = (_summands(y) for y in x.args)
    return [*a, *b], c + d


def _joined(run: Sequence[Store]) -> list[Stmt]:
    """Stores of elements `len(run)` apart as stores of vectors of neighbours."""
    n, step, first = run[0].value.lanes, len(run), run[0]
    found = linear(first.index)
    assert found is not None
    base = found[0]
    out: list[Stmt] = []
    for j in range(step):
        places = range(j * n, j * n + n)
        value = run[0].value
        for s, store in enumerate(run[1:], 1):
            chosen = []
            for lane, k in enumerate(places):
                kept = k // step if s == 1 else lane
                chosen.append(n + k // step if k % step == s else kept)
            value = e.shuffle(value, store.value, tuple(chosen))
        mask = first.mask
        if mask is not None:
            mask = make("shuffle", (mask, mask), bool_, n, tuple(k // step for k in places))
        out.append(Store(first.buffer, e.ramp(base + j * n, n), value, mask))
    return out
