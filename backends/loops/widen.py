"""Statements and expressions of one iteration of a loop, made those of a vector of iterations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphc.backends.loops import expr as e
from graphc.backends.loops.accumulate import accumulate
from graphc.backends.loops.expr import Expr, make
from graphc.backends.loops.masked import load_in_place, one_of_two
from graphc.backends.loops.stmt import (
    Accumulate,
    Assign,
    Check,
    Comment,
    Declare,
    For,
    Let,
    Prefetch,
    Stmt,
    Store,
)  # fmt: skip
from graphc.backends.loops.strided import linear, load_strided
from graphc.ir.dtypes import int64

if TYPE_CHECKING:
    from graphc.backends.loops.vectorise import VectorLoop


class Widen:
    """Rewrites the statements of a vector loop for one vector of its iterations, the `copy`th of
    several.
    """

    def __init__(
        self,
        variable: str,
        lanes: int,
        base: Expr,
        mask: Expr | None = None,
        copy: int = 0,
        loop: VectorLoop | None = None,
    ):
        self.loop, self.copy, self.base, self.mask, self.lanes = loop, copy, base, mask, lanes
        self.names: dict[str, Expr] = {variable: e.ramp(base, lanes)}
        self.turn = f"c{copy}"
        self._memo: dict[Expr, Expr] = {}

    def body(self, statements: Sequence[Stmt]) -> list[Stmt]:
        return [new for s in statements for new in self.statement(s)]

    def statement(self, s: Stmt) -> list[Stmt]:
        if isinstance(s, (Let, Declare)):
            value = self.expr(s.value)
            if isinstance(s, Declare):
                value = e.broadcast(value, self.lanes)
            stem, dot, place = s.name.partition(".at")
            name = f"{stem}.{self.turn}{dot}{place}"
            self.names[s.name] = e.var(name, value.dtype, value.lanes)
            self._memo.clear()
            return [type(s)(name, value)]
        if isinstance(s, Assign):
            name = self.names[s.name].attr
            return [Assign(name, e.broadcast(self.expr(s.value), self.lanes))]
        if isinstance(s, Store):
            return [self._store(s)]
        if isinstance(s, Accumulate):
            return self._accumulate(s)
        if isinstance(s, Prefetch):
            index = self.expr(s.index)
            found = linear(index)
            return [replace(s, index=found[0])] if found is not None and found[1] else []
        if isinstance(s, Check):
            condition = e.broadcast(self.expr(s.condition), self.lanes)
            if self.mask is not None:
                condition = condition | ~self.mask
            return [Check(condition, s.code, e.broadcast(self.expr(s.value), self.lanes))]
        if isinstance(s, For) and s.kind == "unroll":
            return self._unrolled(s)
        if isinstance(s, For):
            inner = replace(s, begin=self.expr(s.begin), end=self.expr(s.end), kind="serial")
            assert inner.begin.lanes == inner.end.lanes == 1, (
                "bounds of a loop inside a vector loop are uniform"
            )
            return [replace(inner, body=tuple(self.body(s.body)))]
        assert isinstance(s, Comment), f"{type(s).__name__} inside a vector loop"
        return [s]

    def _unrolled(self, s: For) -> list[Stmt]:
        """The body for each of the values that a loop's variable takes."""
        out: list[Stmt] = []
        assert s.begin.op == s.end.op == "const", "an unrolled loop has literal bounds"
        turn = self.turn
        for value in range(s.begin.attr, s.end.attr):
            self.turn = f"{turn}.{value}"
            self.names[s.var] = e.const(value, int64)
            self._memo.clear()
            out += self.body(s.body)
        self.turn = turn
        return out

    def _store(self, s: Store) -> Store:
        index, value = self.expr(s.index), self.expr(s.value)
        mask = None if s.mask is None else e.broadcast(self.expr(s.mask), self.lanes)
        if index.lanes == 1:
            assert value.lanes == 1, "all lanes would store to one element"
            return Store(s.buffer, index, value)
        if self.mask is not None:
            mask = self.mask if mask is None else mask & self.mask
        stream = s.stream if mask is None and index.op == "ramp" else None
        return Store(s.buffer, index, e.broadcast(value, self.lanes), mask, stream)

    def _accumulate(self, s: Accumulate) -> list[Stmt]:
        value = self.expr(s.value)
        position = None if s.position is None else self.expr(s.position)
        assert self.loop is not None, "an expression accumulates nothing"
        if s.name in self.loop.local:
            name = self.names[s.name].attr
            return accumulate(
                Accumulate(name, s.combine, value, position), self.loop.types[s.name], self.lanes
            )
        name = self.loop.register(s.name, self.copy)
        mask = self.mask
        return accumulate(
            Accumulate(name, s.combine, value, position), value.dtype, self.lanes, mask
        )

    def expr(self, x: Expr) -> Expr:
        found = self._memo.get(x)
        if found is None:
            found = self._memo[x] = self._rewrite(x)
        return found

    def _rewrite(self, x: Expr) -> Expr:
        if x.op == "const":
            return x
        if x.op == "var":
            return self.names.get(x.attr, x)
        args = tuple(self.expr(a) for a in x.args)
        if x.op == "load":
            return self._load(x, args)
        if x.op == "select" and args[0].lanes == 1 and (one := one_of_two(x)) is not x:
            return self.expr(one)
        lanes = max(a.lanes for a in args)
        if lanes == 1:
            return make(x.op, args, x.dtype, 1, x.attr)
        ramped = _ramp_arithmetic(x.op, args, lanes)
        if ramped is not None:
            return ramped
        return make(x.op, tuple(e.broadcast(a, lanes) for a in args), x.dtype, lanes, x.attr)

    def _load(self, x: Expr, args: tuple[Expr, ...]) -> Expr:
        index = args[0]
        mask = args[1] if len(args) > 1 else None
        if index.lanes == 1 and (mask is None or mask.lanes == 1):
            if self.lanes == 1 and self.mask is not None:
                mask = self.mask if mask is None else mask & self.mask
            return e.load(x.attr, index, x.dtype, mask)
        if index.lanes == 1 and mask is not None:
            read = mask if self.mask is None else mask & self.mask
            return e.load(x.attr, index, x.dtype, e.across("or", read))
        index = e.broadcast(index, self.lanes)
        if self.mask is not None:
            mask = self.mask if mask is None else e.broadcast(mask, self.lanes) & self.mask
        mask = None if mask is None else e.broadcast(mask, self.lanes)
        strided = load_strided(x.attr, index, x.dtype, self.lanes, mask)
        if strided is not None:
            return strided
        return load_in_place(x.attr, index, x.dtype, mask)


def _ramp_arithmetic(op: str, args: tuple[Expr, ...], lanes: int) -> Expr | None:
    """A ramp plus or minus a scalar is a ramp, and so is one of two ramps."""
    if op == "select" and args[0].lanes == 1 and args[1].op == args[2].op == "ramp":
        return e.ramp(e.select(args[0], args[1].args[0], args[2].args[0]), lanes)
    if op not in ("add", "sub") or args[0].dtype is not int64:
        return None
    a, b = args
    if a.op == "ramp" and b.lanes == 1:
        return e.ramp(e.binary(op, a.args[0], b), lanes)
    if op == "add" and b.op == "ramp" and a.lanes == 1:
        return e.ramp(b.args[0] + a, lanes)
    return None


def widened(x: Expr, variable: str, base: Expr, lanes: int, mask: Expr | None = None) -> Expr:
    """x at base, base + 1, ... of a loop variable, one lane each; elements where the mask does not
    hold are not read.
    """
    widen = Widen(variable, lanes, base, mask)
    if lanes == 1:
        widen.names[variable] = base
    return e.broadcast(widen.expr(x), lanes)
