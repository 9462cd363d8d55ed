"""How large an index can be at most, as far as its sums, literals and limits tell."""

from __future__ import annotations

from graphc.backends.loops.expr import Expr
from graphc.backends.loops.ranges import Ranges


def most(x: Expr) -> int | None:
    """The greatest value that an index can have, None where that is not known."""
    total = 0
    for part, times in Ranges(()).linear(x).items():
        limit = 1 if part is None else _limit(part, "min" if times > 0 else "max")
        if limit is None:
            return None
        total += times * limit
    return total


def _limit(x: Expr, op: str) -> int | None:
    """What keeps a part from being greater ("min"), or smaller ("max")."""
    if x.op != op:
        return None
    literals = [a.attr for a in x.args if a.op == "const"]
    return literals[0] if literals else None
