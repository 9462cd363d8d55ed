"""Puts barriers where a thread may touch what another of its block wrote, or is about to write.

Between two barriers no element is written by one thread and touched by another. Two loops that deal
the same range, and touch a buffer at the same index only, keep each element with one thread, so no
barrier is needed between them. (Lowering stores no element twice but from where it lies.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Alloc, Barrier, For, If, Stmt, Store, While, children, walk
from graphc.ir.record import dataclass

Key = tuple[Expr | None, ...]


@dataclass(frozen=True)
class Touch:
    """A buffer is read or written: `key` tells accesses apart that may go to different threads."""

    buffer: str
    writes: bool
    key: Key


def fenced(body: tuple[Stmt, ...], aliased: frozenset[str] = frozenset()) -> tuple[Stmt, ...]:
    """The statements of a kernel with barriers between them; `aliased` buffers may share memory."""
    allocs = [s for s in walk(body) if isinstance(s, Alloc)]
    private = frozenset(s.buffer for s in allocs if not s.shared)
    return tuple(_Fences(private, aliased).body(body))


class _Fences:
    """Follows the statements in order with what was touched since the last barrier.

    `private` buffers are a thread's own; `aliased` ones count as one.
    """

    def __init__(self, private: frozenset[str], aliased: frozenset[str]) -> None:
        self.private, self.aliased = private, aliased
        self._open: set[Touch] = set()

    def body(self, statements: Iterable[Stmt]) -> list[Stmt]:
        out: list[Stmt] = []
        for s in statements:
            out.extend(self._statement(s))
        return out

    def _statement(self, s: Stmt) -> list[Stmt]:
        if isinstance(s, Barrier):
            self._open = set()
            return [s]
        if isinstance(s, (For, While)) and not (isinstance(s, For) and s.kind == "thread"):
            return self._loop(s)
        if isinstance(s, If) and any(_meets(x) for x in walk((*s.then, *s.orelse))):
            return self._branch(s)
        touched = self._touched([s])
        fence = self._fence(touched)
        self._open |= touched
        return [*fence, s]

    def _touched(self, statements: Sequence[Stmt]) -> set[Touch]:
        touched = (t for t in _touches(statements) if t.buffer not in self.private)
        return {replace(t, buffer="") if t.buffer in self.aliased else t for t in touched}

    def _fence(self, touched: set[Touch]) -> list[Stmt]:
        if not _conflict(self._open, touched):
            return []
        self._open = set()
        return [Barrier()]

    def _loop(self, s: For | While) -> list[Stmt]:
        """A loop that all threads run together: its end is followed by its beginning."""
        before = self._fence(self._touched(_own(s)))
        first = _Fences(self.private, self.aliased)
        body = first.body(s.body)
        again = self._touched([s])
        entry = self._fence(again)
        if _conflict(first._open, again):
            body = [*body, Barrier()]
            first._open = set()
        self._open |= first._open
        return [*before, *entry, replace(s, body=tuple(body))]

    def _branch(self, s: If) -> list[Stmt]:
        """A branch that all threads take or leave together."""
        before = self._fence(self._touched([s]))
        sides = []
        for body in (s.then, s.orelse):
            side = _Fences(self.private, self.aliased)
            sides.append(tuple(side.body(body)))
            self._open |= side._open
        return [*before, If(s.condition, *sides)]


def _meets(s: Stmt) -> bool:
    return isinstance(s, Barrier) or (isinstance(s, For) and s.kind == "thread")


def _own(s: Stmt) -> list[Stmt]:
    """The statement without what is nested in it."""
    return [replace(s, body=())] if isinstance(s, (For, While)) else [s]


def _touches(statements: Sequence[Stmt], key: Key = ()) -> Iterable[Touch]:
    for s in statements:
        if isinstance(s, Alloc):
            continue
        for x in vars(s).values():
            if isinstance(x, Expr):
                yield from (Touch(load.attr, False, (*key, load.args[0])) for load in _loads(x))
        if isinstance(s, Store):
            yield Touch(s.buffer, True, (*key, s.index))
        dealt = isinstance(s, For) and s.kind == "thread"
        inner = (s.begin, s.end) if isinstance(s, For) and dealt else key
        for body in children(s):
            yield from _touches(body, inner)


def _loads(x: Expr) -> Iterable[Expr]:
    seen: set[Expr] = set()
    stack = [x]
    while stack:
        y = stack.pop()
        if y in seen:
            continue
        seen.add(y)
        if y.op == "load":
            yield y
        stack.extend(y.args)


def _conflict(before: set[Touch], after: set[Touch]) -> bool:
    """Whether some buffer is touched by both, written by one, and not the same way everywhere."""
    both = {t.buffer for t in before} & {t.buffer for t in after}
    for buffer in both:
        touches = [t for t in (*before, *after) if t.buffer == buffer]
        alone = len({t.key for t in touches}) == 1 and len(touches[0].key) == 3
        if any(t.writes for t in touches) and not alone:
            return True
    return False
