"""Works out what of a kernel is known before it runs.

Of a product of a few known lengths nearly all is known: where its one block begins and ends, and
which way to sum it is taken. What stays is a fraction of the text, which is emitted and compiled in
a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
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
_TOLD = {"rem", *_ORDERS}  # which may be known though their operands are as they were
_ARITHMETIC = ("add", "sub", "mul", "div", "rem", "min", "max")


def settled(kernel: LoopKernel) -> LoopKernel:
    """The same kernel, without what is known of one that runs as a single chunk: names of literals,
    loops that never run, branches that are never taken. Numbers are computed as they were.
    """
    if kernel.chunks.op != "const" or kernel.chunks.attr != 1:
        return kernel
    return replace(kernel, body=_Scope({"chunk": _ZERO}).body(kernel.body))


class _Scope:
    """What names mean, and expressions in which they are replaced."""

    def __init__(self, known: dict[str, Expr]):
        self.known = known
        self._memo: dict[Expr, Expr] = {}

    def means(self, name: str, value: Expr | None) -> None:
        """From here on the name is this literal, or something unknown."""
        if self.known.get(name) is value:
            return
        self._memo = {}
        if value is None:
            del self.known[name]
        else:
            self.known[name] = value

    def body(self, statements: Iterable[Stmt], name: str = "", value: Expr | None = None) -> Body:
        """Statements of a scope inside, where a loop's variable has this value."""
        inside = _Scope(dict(self.known))
        inside.means(name, value)
        return tuple(kept for s in statements for kept in inside._statement(s))

    def value(self, x: Expr) -> Expr:
        """The expression with literals in place of names, as far as it can be worked out."""
        if not x.args:
            return self.known.get(x.attr, x) if x.op == "var" else x
        found = self._memo.get(x)
        if found is None:
            args = tuple(map(self.value, x.args))
            same = all(a is b for a, b in zip(args, x.args, strict=True))
            found = self._memo[x] = x if same and x.op not in _TOLD else _made(x, args)
        return found

    def _statement(self, s: Stmt) -> Iterable[Stmt]:
        rule = _RULES.get(type(s))
        return (s,) if rule is None else rule(self, s)

    def _let(self, s: Let) -> Iterable[Stmt]:
        value = self.value(s.value)
        literal = value.op == "const" and value.dtype in (int64, bool_)
        self.means(s.name, value if literal else None)
        return () if literal else (Let(s.name, value),)

    def _declare(self, s: Declare) -> Iterable[Stmt]:
        self.means(s.name, None)
        return (Declare(s.name, self.value(s.value)),)

    def _for(self, s: For) -> Iterable[Stmt]:
        begin, end = self.value(s.begin), self.value(s.end)
        count = end.attr - begin.attr if begin.op == end.op == "const" else None
        if count is not None and count <= 0:
            return ()
        once = count == 1 and s.kind == "serial"
        body = self.body(s.body, s.var, begin if once else None)
        return (replace(s, begin=begin, end=end, body=body),)

    def _while(self, s: While) -> Iterable[Stmt]:
        return (While(self.value(s.condition), self.body(s.body)),)

    def _if(self, s: If) -> Iterable[Stmt]:
        condition = self.value(s.condition)
        if condition.op != "const":
            return (If(condition, self.body(s.then), self.body(s.orelse)),)
        body = self.body(s.then if condition.attr else s.orelse)
        return (If(_TRUE, body),) if body else ()

    def _check(self, s: Check) -> Iterable[Stmt]:
        condition = self.value(s.condition)
        return () if condition is _TRUE else (Check(condition, s.code, self.value(s.value)),)

    def _plain(self, s: Stmt) -> Iterable[Stmt]:
        """A statement of expressions alone, of which some may be missing."""
        fields: dict[str, Any] = {name: getattr(s, name) for name in _PLAIN[type(s)]}
        new: Any = {name: self.value(x) for name, x in fields.items() if x is not None}
        return (replace(s, **new),)


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
