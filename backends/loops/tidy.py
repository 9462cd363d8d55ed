"""Takes copies out of a kernel: registers that never change, second names of values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from graphc.backends.loops.expr import Expr, make
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


def tidy(kernel: LoopKernel) -> LoopKernel:
    """The same kernel with fewer statements; values, and where loads happen, stay as they are."""
    return replace(kernel, body=_Tidy(kernel).body(kernel.body))


class Renaming:
    """Rewrites expressions with other ones in place of variables, and of some `parts`."""

    def __init__(self, names: Mapping[str, Expr], parts: Mapping[Expr, Expr] | None = None):
        self.names = names
        self._memo: dict[Expr, Expr] = dict(parts or {})

    def __call__(self, x: Expr) -> Expr:
        if not (self.names or self._memo) or not (x.args or x.op == "var"):
            return x
        found = self._memo.get(x)
        if found is None:
            found = self._memo[x] = self._rewrite(x)
        return found

    def _rewrite(self, x: Expr) -> Expr:
        if x.op == "var":
            return self.names.get(x.attr, x)
        args = tuple(map(self, x.args))
        same = all(a is b for a, b in zip(args, x.args, strict=True))
        return x if same else make(x.op, args, x.dtype, x.lanes, x.attr)


def rewritten(
    s: Stmt, new: Callable[[Expr], Expr], body: Callable[[Iterable[Stmt]], tuple[Stmt, ...]]
) -> Stmt:
    """The statement with its expressions and the statements in it rewritten."""
    if isinstance(s, (Let, Declare, Assign)):
        return replace(s, value=new(s.value))
    if isinstance(s, For):
        return replace(s, begin=new(s.begin), end=new(s.end), body=body(s.body))
    if isinstance(s, While):
        return While(new(s.condition), body(s.body))
    if isinstance(s, If):
        return If(new(s.condition), body(s.then), body(s.orelse))
    if isinstance(s, Accumulate):
        position = None if s.position is None else new(s.position)
        return replace(s, value=new(s.value), position=position)
    if isinstance(s, Store):
        mask = None if s.mask is None else new(s.mask)
        stream = None if s.stream is None else new(s.stream)
        return replace(s, index=new(s.index), value=new(s.value), mask=mask, stream=stream)
    if isinstance(s, Prefetch):
        return replace(s, index=new(s.index))
    if isinstance(s, Check):
        return Check(new(s.condition), s.code, new(s.value))
    return s


class _Tidy:
    def __init__(self, kernel: LoopKernel):
        statements = list(walk(kernel.body))
        self.changed = {s.name for s in statements if isinstance(s, (Assign, Accumulate))}
        self.changed |= {f"{s.name}.at" for s in statements if isinstance(s, Accumulate)}
        self.bound = Counter(_bound(statements))
        self.names: dict[str, Expr] = {}

    def body(self, statements: Iterable[Stmt]) -> tuple[Stmt, ...]:
        outside, self.names = self.names, dict(self.names)
        kept: list[Stmt] = []
        for s in statements:
            kept.extend(self._statement(s, Renaming(self.names)))
        self.names = outside
        return tuple(kept)

    def _statement(self, s: Stmt, new: Renaming) -> list[Stmt]:
        if isinstance(s, (Let, Declare)):
            return self._named(s, new(s.value))
        return [rewritten(s, new, self.body)]

    def _named(self, s: Let | Declare, value: Expr) -> list[Stmt]:
        if s.name in self.changed:
            return [Declare(s.name, value)]
        plain = value.op == "const" or (value.op == "var" and value.attr not in self.changed)
        alone = self.bound[s.name] == 1 and (value.op == "const" or self.bound[value.attr] <= 1)
        if plain and alone:
            self.names[s.name] = value
            return []
        return [Let(s.name, value)]


def _bound(statements: Iterable[Stmt]) -> Iterable[str]:
    """Every name that a statement gives a value of its own."""
    for s in statements:
        if isinstance(s, (Let, Declare)):
            yield s.name
        elif isinstance(s, For):
            yield s.var
