"""How large an index can be at most, as far as its sums, literals and limits tell."""

from __future__ import annotations

from collections.abc import Mapping

from graphc.backends.loops.expr import Expr
from graphc.ir.dtypes import int64

#: Times each part of a sum is taken; the literal one is that of no part.
_Sum = Mapping[Expr | None, int]


def most(x: Expr) -> int | None:
    """The greatest value that an index can have, None where that is not known."""
    total = 0
    for part, times in _sum(x).items():
        limit = 1 if part is None else _limit(part, "min" if times > 0 else "max")
        if limit is None and times:
            return None
        total += times * (limit or 0)
    return total


def _limit(x: Expr, op: str) -> int | None:
    """What keeps a part from being greater ("min"), or smaller ("max")."""
    if x.op != op:
        return None
    literals = [a.attr for a in x.args if a.op == "const"]
    return literals[0] if literals else None


def _sum(x: Expr) -> _Sum:
    """The parts of an index, and how often it has each."""
    found: dict[Expr | None, int] = {}
    stack = [(x, 1)]
    while stack:
        part, times = stack.pop()
        if part.op == "const":
            found[None] = found.get(None, 0) + times * part.attr
        elif part.op in ("add", "sub") and part.dtype is int64:
            a, b = part.args
            stack += [(a, times), (b, times if part.op == "add" else -times)]
        elif part.op == "mul" and part.args[1].op == "const":
            stack.append((part.args[0], times * part.args[1].attr))
        elif part.op == "mul" and part.args[0].op == "const":
            stack.append((part.args[1], times * part.args[0].attr))
        else:
            found[part] = found.get(part, 0) + times
    return found
