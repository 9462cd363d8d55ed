"""Works out what of a kernel is known before it runs.

Of a product of known lengths much is known, of a small one nearly all: how large its blocks are,
and which way to sum it is taken. What stays is a part of the text, which is emitted and compiled in
a part of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import is_
from typing import Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.ranges import Range, Ranges
from graphc.backends.loops.stmt import (
    Accumulate,
    Assign,
    Check,
    Declare,
    For,
    If,
    Let,
    LoopKernel,
    Prefetch,
    Stmt,
    Store,
    While,
    walk,
)
from graphc.ir.dtypes import bool_, int64

_TRUE, _ZERO, _ONE = e.const(True, bool_), e.const(0, int64), e.const(1, int64)
_ORDERS: dict[str, Callable[[int, int], bool]] = {
    "eq": int.__eq__,
    "ne": int.__ne__,
    "lt": int.__lt__,
    "le": int.__le__,
    "gt": int.__gt__,
    "ge": int.__ge__,
}
_TOLD = {"rem", *_ORDERS}
"""What may be known though its operands are as they were."""
_APART = {"sub", "min", "max", "div", "rem", *_ORDERS}
"""What may be known by where the operands lie."""
_ARITHMETIC = ("add", "sub", "mul", "div", "rem", "min", "max")


def settled(kernel: LoopKernel) -> LoopKernel:
    """The same kernel, without what is known of one whose number of chunks is: names of literals,
    loops that never run, branches that are never taken. Numbers are computed as they were.
    """
    if kernel.chunks.op != "const":
        return kernel
    changing = {s.name for s in walk(kernel.body) if isinstance(s, (Declare, Accumulate))}
    scope = _Scope({}, Ranges(changing, kernel.sizes), {})
    scope.turns("chunk", _ZERO, kernel.chunks)
    return replace(kernel, body=scope.body(kernel.body))


class _Scope:
    """What names mean, and expressions in which they are replaced."""

    def __init__(self, known: dict[str, Expr], ranges: Ranges, memo: dict[Expr, Expr]):
        self.known, self.ranges, self._memo = known, ranges, memo

    def means(self, name: str, value: Expr | None) -> None:
        """From here on the name is this literal, or something unknown."""
        if name in self.known or name in self.ranges.bound:
            self._memo = {}
        if value is None:
            self.known.pop(name, None)
        else:
            self.known[name] = value

    def turns(self, name: str, begin: Expr, end: Expr) -> None:
        """From here on the name is the variable of a loop, of one turn or of several."""
        once = self.ranges.difference(end, begin) == (1, 1)
        self.means(name, begin if once and begin.op == "const" else None)
        if once:
            self.ranges.means(name, begin)
            return
        first, last = self.ranges.of(begin), self.ranges.of(end)
        self.ranges.between(name, first and last and (first[0], max(first[0], last[1] - 1)))

    def inside(self) -> _Scope:
        """A scope within this one."""
        return _Scope(dict(self.known), self.ranges.inside(), dict(self._memo))

    def body(self, statements: Iterable[Stmt]) -> Body:
        """The statements of this scope."""
        return tuple(kept for s in statements for kept in self._statement(s))

    def value(self, x: Expr) -> Expr:
        """The expression with literals in place of names, as far as it can be worked out."""
        if not x.args:
            return self.known.get(x.attr, x) if x.op == "var" else x
        found = self._memo.get(x)
        if found is None:
            args = tuple(map(self.value, x.args))
            same = all(map(is_, args, x.args))
            made = x if same and x.op not in _TOLD else _made(x, args)
            found = self._memo[x] = self._told(made)
        return found

    def _told(self, x: Expr) -> Expr:
        """What index arithmetic is known to give by where its operands lie."""
        if x.op not in _APART or x.args[0].dtype is not int64 or x.args[0].lanes != 1:
            return x
        if x.op in ("div", "rem"):
            return _divided(x, self.ranges) if x.args[1].op == "const" else x
        if not all(map(self.ranges.is_index, x.args)):
            return x
        gap = self.ranges.difference(*x.args)
        if x.op == "sub":
            return e.const(gap[0], int64) if gap is not None and gap[0] == gap[1] else x
        return _compared(x, gap)

    def _statement(self, s: Stmt) -> Iterable[Stmt]:
        rule = _RULES.get(type(s))
        return (s,) if rule is None else rule(self, s)

    def _let(self, s: Let) -> Iterable[Stmt]:
        value = self.value(s.value)
        literal = value.op == "const" and value.dtype in (int64, bool_)
        self.means(s.name, value if literal else None)
        self.ranges.means(s.name, value)
        return () if literal else (Let(s.name, value),)

    def _declare(self, s: Declare) -> Iterable[Stmt]:
        self.means(s.name, None)
        self.ranges.forget(s.name)
        return (Declare(s.name, self.value(s.value)),)

    def _for(self, s: For) -> Iterable[Stmt]:
        begin, end = self.value(s.begin), self.value(s.end)
        count, inside = self.ranges.difference(end, begin), self.inside()
        if count is not None and count[1] <= 0:
            return ()
        if s.kind == "serial":
            inside.turns(s.var, begin, end)
        else:
            inside.means(s.var, None)
            inside.ranges.between(s.var, None)
        body = inside.body(s.body)
        end = begin + 1 if count == (1, 1) else end
        return (replace(s, begin=begin, end=end, body=body),)

    def _while(self, s: While) -> Iterable[Stmt]:
        return (While(self.value(s.condition), self.inside().body(s.body)),)

    def _if(self, s: If) -> Iterable[Stmt]:
        condition = self.value(s.condition)
        if condition.op != "const":
            return (If(condition, self.inside().body(s.then), self.inside().body(s.orelse)),)
        body = self.inside().body(s.then if condition.attr else s.orelse)
        return (If(_TRUE, body),) if body else ()

    def _check(self, s: Check) -> Iterable[Stmt]:
        condition = self.value(s.condition)
        return () if condition is _TRUE else (Check(condition, s.code, self.value(s.value)),)

    def _plain(self, s: Stmt) -> Iterable[Stmt]:
        """A statement of expressions alone, of which some may be missing."""
        fields: dict[str, Any] = {name: getattr(s, name) for name in _PLAIN[type(s)]}
        new: Any = {name: None if x is None else self.value(x) for name, x in fields.items()}
        return (s,) if all(new[name] is x for name, x in fields.items()) else (replace(s, **new),)


Body = tuple[Stmt, ...]
_PLAIN: dict[type, tuple[str, ...]] = {
    Assign: ("value",),
    Accumulate: ("value", "position"),
    Store: ("index", "value", "mask", "stream"),
    Prefetch: ("index",),
}
_RULES: dict[type, Callable[..., Iterable[Stmt]]] = {
    Let: _Scope._let,
    Declare: _Scope._declare,
    For: _Scope._for,
    While: _Scope._while,
    If: _Scope._if,
    Check: _Scope._check,
    **dict.fromkeys(_PLAIN, _Scope._plain),
}


def _made(x: Expr, args: tuple[Expr, ...]) -> Expr:
    """An expression of other operands: index arithmetic and truth of literals are worked out."""
    if len(args) == 2 and x.dtype is int64 and x.op in _ARITHMETIC:
        return _ZERO if x.op == "rem" and args[1] is _ONE else e.binary(x.op, *args)
    if all(a.op == "const" and a.dtype is int64 for a in args) and x.op in _ORDERS:
        return e.const(_ORDERS[x.op](*(a.attr for a in args)), bool_)
    if x.dtype is bool_ and x.lanes == 1 and x.op in ("and", "or", "not"):
        return _truth(x, args)
    return e.make(x.op, args, x.dtype, x.lanes, x.attr)


def _compared(x: Expr, gap: Range | None) -> Expr:
    """A comparison or a choice of two indices that are so far apart, as far as that tells."""
    if gap is None:
        return x
    low, high = gap
    if x.op in ("min", "max"):
        less, more = x.args if x.op == "min" else x.args[::-1]
        return less if high <= 0 else more if low >= 0 else x
    answers = {_ORDERS[x.op](apart, 0) for apart in (low, high, max(low, min(high, 0)))}
    return e.const(answers.pop(), bool_) if len(answers) == 1 else x


def _divided(x: Expr, ranges: Ranges) -> Expr:
    """A quotient or a remainder of an index that is a multiple, or less than what divides it."""
    index, divisor = x.args[0], x.args[1].attr
    bounds = ranges.of(x)
    if bounds is not None and bounds[0] == bounds[1]:
        return e.const(bounds[0], int64)
    if x.op == "rem" and bounds is not None and bounds == ranges.of(index):
        return index
    quotient = ranges.quotient(index, divisor)
    if quotient is None:
        return x
    rest = ranges.linear(index).get(None, 0) % divisor
    return quotient if x.op == "div" else e.const(rest, int64)


def _truth(x: Expr, args: tuple[Expr, ...]) -> Expr:
    literals = [a.attr for a in args if a.op == "const"]
    if x.op == "not" and literals:
        return e.const(not literals[0], bool_)
    decides = x.op == "or"
    if x.op != "not" and decides in literals:
        return e.const(decides, bool_)
    others = [a for a in args if a.op != "const"]
    if x.op != "not" and len(others) < len(args):
        return others[0] if others else e.const(not decides, bool_)
    return e.make(x.op, args, x.dtype, x.lanes, x.attr)
