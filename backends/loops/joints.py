"""Vector loops over parts that were put side by side: a loop whose body asks on which side of a
place it is becomes a loop for each side, which knows the answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr, make, parts_of
from graphc.backends.loops.extents import most
from graphc.backends.loops.stmt import Check, Declare, For, Let, Stmt, Store
from graphc.ir.dtypes import bool_, int64

#: Loops that one becomes, at most.
MOST = 8
#: Elements read behind conditions from which on a loop is taken apart wherever its parts begin.
MANY = 3
#: Vectors in a loop of known extent below which it stays whole unless its parts fill vectors.
FEW_VECTORS = 8
#: For each comparison of a variable with a literal: how far behind it the answer changes, and
#: what it is from there on.
_TURNS = {"lt": (0, False), "ge": (0, True), "le": (1, False), "gt": (1, True)}
_MIRRORED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}

_Joints = Mapping[Expr, tuple[int, bool]]


def at_joints(s: For) -> Sequence[For]:
    """Loops that together do what a vector loop does, in order; the loop itself where it has no
    joints, or such as would leave vectors unfilled.
    """
    if s.width <= 1 or not all(isinstance(inner, (Let, Store, Check)) for inner in s.body):
        return [s]
    return _at_vectors(s) or _anywhere(s) or [s]


def _at_vectors(s: For) -> list[For]:
    """The parts of a loop between literals, each of which fills its vectors; else none."""
    if s.begin.op != "const" or s.end.op != "const":
        return []
    if any(isinstance(inner, Check) for inner in s.body):
        return []
    joints = _joints(s)
    begin, end = s.begin.attr, s.end.attr
    cuts = sorted({at for at, _ in joints.values() if begin < at < end})
    if not cuts or len(cuts) >= MOST or any((at - begin) % s.width for at in cuts):
        return []
    return [_part(s, a, b, joints) for a, b in pairwise([begin, *cuts, end])]


def _anywhere(s: For) -> list[For]:
    """The parts of a loop that reads elements from many places; else none."""
    masked = {x for x in _expressions(s.body) if x.op == "load" and len(x.args) > 1}
    extent = s.end - s.begin
    if len(masked) < MANY or (extent.op == "const" and extent.attr < FEW_VECTORS * s.width):
        return []
    parts: list[For] = []
    rest = [s]
    while rest and len(parts) + len(rest) <= MOST:
        part = rest.pop()
        choice = _choice(part)
        if choice is None:
            parts.append(part)
            continue
        condition, place, after = choice
        middle = e.minimum(e.maximum(place, part.begin), part.end)
        first = _side(part, part.begin, middle, {condition: not after})
        second = _side(part, middle, part.end, {condition: after})
        rest += [_limited(second, part.end - place), _limited(first, place - part.begin)]
    return parts if not rest and len(parts) > 1 else []


def _side(s: For, begin: Expr, end: Expr, known: Mapping[Expr, bool]) -> For:
    part = _Part(known)
    extent = end - begin
    vectors = extent.attr // s.width if extent.op == "const" else s.unroll
    body = [part.statement(inner) for inner in s.body]
    body = [inner for inner in body if not (isinstance(inner, Check) and _is_true(inner.condition))]
    unroll = max(1, min(s.unroll, vectors))
    even = extent.op == "const" and extent.attr % (s.width * unroll) == 0
    return replace(s, begin=begin, end=end, body=tuple(body), unroll=unroll, even=even)


def _limited(s: For, extent: Expr) -> For:
    """The loop, which has no more iterations than `extent` unless it has none."""
    limit = most(extent)
    return replace(s, short=True) if limit is not None and limit < s.width else s


def _choice(s: For) -> tuple[Expr, Expr, bool] | None:
    """A condition that chooses between elements, from where on its answer is another, and which."""
    made = {inner.name for inner in s.body if isinstance(inner, Let)}
    for x in _expressions(s.body):
        if x.op == "select" and x.args[0].op in _TURNS and all(map(_loads, x.args[1:])):
            (a, b), op = x.args[0].args, x.args[0].op
            if not has_any(a, {s.var}):
                a, b, op = b, a, _MIRRORED[op]
            rest = added_to(a, s.var)
            if rest is None or has_any(b, {s.var, *made}) or has_any(rest, made):
                continue
            behind, after = _TURNS[op]
            return x.args[0], b - rest + behind, after
    return None


def added_to(x: Expr, variable: str) -> Expr | None:
    """What is added to the variable; None if that is not all there is."""
    if x.op == "var" and x.attr == variable:
        return e.const(0, int64)
    if x.op not in ("add", "sub") or x.dtype is not int64:
        return None
    a, b = x.args
    if x.op == "add" and has_any(b, {variable}):
        a, b = b, a
    rest = None if has_any(b, {variable}) else added_to(a, variable)
    return None if rest is None else e.binary(x.op, rest, b)


def checks_apart(s: For) -> tuple[list[Check], For]:
    """The checks that are alike for all of a loop, to go before it, and the loop without them."""
    names = {s.var, *(inner.name for inner in s.body if isinstance(inner, (Let, Declare)))}
    alike = [
        inner
        for inner in s.body
        if isinstance(inner, Check)
        and not has_any(inner.condition, names) | has_any(inner.value, names)
    ]
    if not alike:
        return [], s
    rest = tuple(inner for inner in s.body if inner not in alike)
    none = s.begin >= s.end
    return [Check(c.condition | none, c.code, c.value) for c in alike], replace(s, body=rest)


def has_any(x: Expr, names: Collection[str]) -> bool:
    """Whether an expression reads memory or one of these variables."""
    return any(y.op == "load" or (y.op == "var" and y.attr in names) for y in parts_of(x))


def _loads(x: Expr) -> bool:
    return any(y.op == "load" for y in parts_of(x))


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
        assert isinstance(s, (Let, Store, Check)), f"{s} has a body of its own"
        stack.append(s.value)
        if isinstance(s, Check):
            stack.append(s.condition)
        if isinstance(s, Store):
            stack += [x for x in (s.index, s.mask) if x is not None]
    return parts_of(*stack)


class _Part:
    """Rewrites statements where some conditions are known."""

    def __init__(self, known: Mapping[Expr, bool]):
        self.memo = {x: e.const(value, bool_) for x, value in known.items()}

    def statement(self, s: Stmt) -> Stmt:
        if isinstance(s, Let):
            return Let(s.name, self.expr(s.value))
        if isinstance(s, Check):
            return Check(self.expr(s.condition), s.code, self.expr(s.value))
        assert isinstance(s, Store), f"{s} has a body of its own"
        store = replace(s, index=self.expr(s.index), value=self.expr(s.value))
        if s.mask is None:
            return store
        mask = self.expr(s.mask)
        return replace(store, mask=None if _is_true(mask) else mask)

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


def _is_true(x: Expr) -> bool:
    return x.op == "const" and x.attr is True


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
