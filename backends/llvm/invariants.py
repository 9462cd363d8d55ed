"""What a loop computes again and again: expressions that can be computed before it instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import (
    Accumulate,
    Assign,
    Check,
    Declare,
    For,
    If,
    Let,
    Prefetch,
    Stmt,
    Store,
    walk,
)


def invariants(loop: For) -> list[Expr]:
    """The largest expressions in the loop that no iteration changes and that may be computed even
    if none runs. Loads and integer divisions may not; what is behind a condition is left there.
    """
    changed = {loop.var}
    for s in walk(loop.body):
        changed.update(_names(s))
    search = _Search(changed)
    for x in _expressions(loop.body):
        search.visit(x)
    return list(search.found)


def _names(s: Stmt) -> tuple[str, ...]:
    """What a statement gives a new value."""
    if isinstance(s, For):
        return (s.var,)
    if isinstance(s, Accumulate):
        return (s.name, f"{s.name}.at")
    if isinstance(s, (Let, Declare, Assign)):
        return (s.name,)
    return ()


def _expressions(body: Sequence[Stmt]) -> Iterator[Expr]:
    """The expressions that every iteration computes."""
    for s in body:
        if isinstance(s, For):
            yield from (s.begin, s.end)
            yield from _expressions(s.body)
        elif isinstance(s, (Let, Declare, Assign, Accumulate)):
            yield s.value
        elif isinstance(s, Store):
            yield from (x for x in (s.index, s.value, s.mask, s.stream) if x is not None)
        elif isinstance(s, Prefetch):
            yield s.index
        elif isinstance(s, (If, Check)):
            yield s.condition


class _Search:
    def __init__(self, changed: set[str]):
        self.changed = changed
        self.found: dict[Expr, None] = {}
        self.seen: set[Expr] = set()
        self.known: dict[Expr, bool] = {}

    def visit(self, root: Expr) -> None:
        """Collects the largest invariant parts of an expression."""
        stack = [root]
        while stack:
            x = stack.pop()
            if x in self.seen or x.op in ("const", "var"):
                continue
            self.seen.add(x)
            if self.holds(x):
                self.found[x] = None
                continue
            rare = x.op == "select" and x.attr == "rarely"
            stack += [a for k, a in enumerate(x.args) if not (rare and k == 1)][::-1]

    def holds(self, x: Expr) -> bool:
        """Whether x is the same in every iteration, and harmless."""
        known = self.known.get(x)
        if known is None:
            known = self.known[x] = self._fits(x) and all(map(self.holds, x.args))
        return known

    def _fits(self, x: Expr) -> bool:
        if x.op == "var":
            return x.attr not in self.changed
        return x.op != "load" and not (x.op in ("div", "rem") and not x.dtype.is_float)
