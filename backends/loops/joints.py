"""Vector loops over parts that were put side by side: a loop whose body asks on which side of a
fixed place it is becomes a loop for each side, which knows the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr, make
from graphc.backends.loops.stmt import For, Let, Stmt, Store
from graphc.ir.dtypes import bool_, int64

#: Loops that one becomes, at most.
MOST = 8
#: For each comparison of a variable with a literal: how far behind it the answer changes, and
#: what it is from there on.
_TURNS = {"lt": (0, False), "ge": (0, True), "le": (1, False), "gt": (1, True)}
_MIRRORED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}

_Joints = Mapping[Expr, tuple[int, bool]]


def at_joints(s: For) -> Sequence[For]:
    """Loops that together do what a vector loop does, in order; the loop itself where it has no
    joints, or such as would leave vectors unfilled.
    """
    if s.begin.op != "const" or s.end.op != "const" or s.width <= 1:
        return [s]
    if not all(isinstance(inner, (Let, Store)) for inner in s.body):
        return [s]
    joints = _joints(s)
    begin, end = s.begin.attr, s.end.attr
    cuts = sorted({at for at, _ in joints.values() if begin < at < end})
    if not cuts or len(cuts) >= MOST or any((at - begin) % s.width for at in cuts):
        return [s]
    return [_part(s, a, b, joints) for a, b in pairwise([begin, *cuts, end])]


def _part(s: For, begin: int, end: int, joints: _Joints) -> For:
    known = {x: after == (begin >= at) for x, (at, after) in joints.items()}
    part = _Part(known)
    body = tuple(part.statement(inner) for inner in s.body)
    even = (end - begin) % (s.width * s.unroll) == 0
    return replace(s, begin=e.const(begin, int64), end=e.const(end, int64), body=body, even=even)


def _joints(s: For) -> _Joints:
    """Each question whose answer depends on the variable alone: from where on it has which."""
    found: dict[Expr, tuple[int, bool]] = {}
    for x in _expressions(s.body):
        if x.op not in _TURNS:
            continue
        (a, b), op = x.args, x.op
        if a.op == "const":
            a, b, op = b, a, _MIRRORED[op]
        offset = _offset(a, s.var) if b.op == "const" and b.dtype is int64 else None
        if offset is not None:
            behind, after = _TURNS[op]
            found[x] = b.attr - offset + behind, after
    return found


def _offset(x: Expr, variable: str) -> int | None:
    """What is added to the variable, None if that is not all there is."""
    if x.op == "var":
        return 0 if x.attr == variable else None
    if x.op not in ("add", "sub"):
        return None
    a, b = x.args
    if x.op == "add" and a.op == "const":
        a, b = b, a
    inner = _offset(a, variable) if b.op == "const" else None
    return None if inner is None else inner + (b.attr if x.op == "add" else -b.attr)


def _expressions(body: Sequence[Stmt]) -> Iterator[Expr]:
    """Every expression of some statements, once."""
    stack: list[Expr] = []
    for s in body:
        assert isinstance(s, (Let, Store)), f"{s} has a body of its own"
        stack.append(s.value)
        if isinstance(s, Store):
            stack += [x for x in (s.index, s.mask) if x is not None]
    seen: set[int] = set()
    while stack:
        x = stack.pop()
        if id(x) not in seen:
            seen.add(id(x))
            yield x
            stack.extend(x.args)


class _Part:
    """Rewrites statements where some conditions are known."""

    def __init__(self, known: Mapping[Expr, bool]):
        self.memo = {x: e.const(value, bool_) for x, value in known.items()}

    def statement(self, s: Stmt) -> Stmt:
        if isinstance(s, Let):
            return Let(s.name, self.expr(s.value))
        assert isinstance(s, Store), f"{s} has a body of its own"
        store = replace(s, index=self.expr(s.index), value=self.expr(s.value))
        if s.mask is None:
            return store
        mask = self.expr(s.mask)
        return replace(store, mask=None if mask.op == "const" and mask.attr else mask)

    def expr(self, x: Expr) -> Expr:
        found = self.memo.get(x)
        if found is None:
            found = self.memo[x] = self._rewrite(x)
        return found

    def _rewrite(self, x: Expr) -> Expr:
        if not x.args:
            return x
        args = tuple(map(self.expr, x.args))
        if all(a is b for a, b in zip(args, x.args, strict=True)):
            return x
        return _folded(x, args) or make(x.op, args, x.dtype, x.lanes, x.attr)


def _folded(x: Expr, args: Sequence[Expr]) -> Expr | None:
    """What is left of an expression once a condition in it is known."""
    first, last = args[0], args[-1]
    if x.op == "select" and first.op == "const":
        return args[1] if first.attr else args[2]
    if x.op == "load" and len(args) == 2 and last.op == "const":
        return e.load(x.attr, first, x.dtype) if last.attr else e.const(0, x.dtype)
    if x.dtype is bool_ and x.op == "not" and first.op == "const":
        return e.const(not first.attr, bool_)
    if x.dtype is bool_ and x.op in ("and", "or"):
        absorbs = x.op == "or"
        for a, b in ((first, last), (last, first)):
            if a.op == "const":
                return a if a.attr is absorbs else b
    return None
