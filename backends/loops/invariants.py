"""What a loop computes again and again: expressions that can be computed before it instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphc.backends.loops.expr import Expr, parts_of
from graphc.backends.loops.stmt import (
    Accumulate,
    Apart,
    Assign,
    Check,
    Declare,
    For,
    If,
    Let,
    Prefetch,
    Stmt,
    Store,
    While,
    children,
)

_CHEAP = "rsqrt"
"""A function that takes no longer than a wait for its result, beside vectors that do not wait."""


class Changes:
    """What the statements of a function change, remembered for each that has bodies."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Stmt, frozenset[str], frozenset[str]]] = {}

    def of(self, body: Sequence[Stmt]) -> tuple[frozenset[str], frozenset[str]]:
        """The names that a body gives values, and the registers and buffers that it writes."""
        named: set[str] = set()
        written: set[str] = set()
        for s in body:
            named.update(_names(s))
            if isinstance(s, (Assign, Declare)):
                written.add(s.name)
            elif isinstance(s, Store):
                written.add(s.buffer)
            elif isinstance(s, (For, While, If, Apart)):
                names, writes = self.inside(s)
                named |= names
                written |= writes
        return frozenset(named), frozenset(written)

    def inside(self, s: Stmt) -> tuple[frozenset[str], frozenset[str]]:
        """The same of the bodies of a statement."""
        found = self._known.get(id(s))
        if found is None:
            parts = [self.of(body) for body in children(s)]
            named = frozenset[str]().union(*(names for names, _ in parts))
            written = frozenset[str]().union(*(writes for _, writes in parts))
            found = self._known[id(s)] = (s, named, written)  # alive as long as its number counts
        return found[1:]


def invariants(loop: For, changes: Changes) -> list[Expr]:
    """The largest expressions in the loop that no iteration changes and that may be computed even
    if none runs. Loads may not, nor integer divisions but by what is at least 1; what is behind a
    condition is left there.
    """
    search = _Search(changes.inside(loop)[0] | {loop.var})
    for x in _expressions(loop.body):
        search.visit(x)
    return list(search.found)


def steady(loop: For) -> list[Expr]:
    """The largest expressions in the loop that no iteration changes although they take functions of
    elements of buffers, and that every iteration computes: they may be computed before it if it
    runs at all.
    """
    named, written = Changes().of(loop.body)
    search = _Search(named | {loop.var}, written)
    for s in loop.body:
        for x in () if isinstance(s, For) else _expressions([s]):
            search.visit(x)
    return [x for x in search.found if _takes_long(x)]


def _takes_long(x: Expr) -> bool:
    """Whether x has a function of elements that is more than a few instructions."""
    parts = list(parts_of(x))
    functions = any(y.op == "math" and y.attr != _CHEAP for y in parts)
    return functions and any(y.op == "load" for y in parts)


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
            parts = (_place(s.index), s.value, s.mask, s.stream)
            yield from (x for x in parts if x is not None)
        elif isinstance(s, Prefetch):
            yield s.index
        elif isinstance(s, (If, Check)):
            yield s.condition


def _place(index: Expr) -> Expr:
    """What is computed of an index: of neighbours the first one's alone."""
    return index.args[0] if index.op == "ramp" else index


class _Search:
    """What no iteration changes, without loads unless the buffers that are `written` are known."""

    def __init__(self, changed: frozenset[str], written: frozenset[str] | None = None):
        self.changed, self.written = changed, written
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
            parts = [a for k, a in enumerate(x.args) if not (rare and k == 1)]
            if x.op == "load":
                parts[0] = _place(parts[0])
            stack += parts[::-1]

    def holds(self, x: Expr) -> bool:
        """Whether x is the same in every iteration, and harmless."""
        known = self.known.get(x)
        if known is None:
            known = self.known[x] = self._fits(x) and all(map(self.holds, x.args))
        return known

    def _fits(self, x: Expr) -> bool:
        if x.op == "var":
            return x.attr not in self.changed
        if x.op in ("div", "rem") and not x.dtype.is_float:
            return _is_positive(x.args[1])
        if x.op != "load":
            return True
        alone = x.lanes == 1 and len(x.args) == 1
        return alone and self.written is not None and x.attr not in self.written


def _is_positive(x: Expr) -> bool:
    """Whether an integer is above 0 whatever it is made of."""
    if x.op == "max":
        return any(map(_is_positive, x.args))
    return x.op == "const" and x.attr > 0
