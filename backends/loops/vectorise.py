"""Vector loops become explicit lanes: a main loop of whole vectors, several at once, then a masked
tail.

Input: loops of kind "vector" over scalar statements. Output: no such loops. A loop's accumulators
that were declared outside it get one register per vector in flight, combined in a fixed order after
the loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr, make
from graphc.backends.loops.joints import at_joints
from graphc.backends.loops.masked import load_in_place, one_of_two
from graphc.backends.loops.stmt import (
    Accumulate,
    Assign,
    Check,
    Combine,
    Comment,
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
)  # fmt: skip
from graphc.backends.loops.streaming import aligned
from graphc.backends.loops.strided import join_stores, load_strided
from graphc.backends.lower.nests.combine import beats, combined
from graphc.ir.dtypes import DType, bool_, int64


def vectorise(kernel: LoopKernel) -> LoopKernel:
    """The kernel with explicit vectors and explicit accumulation."""
    types = {s.name: s.value.dtype for s in walk(kernel.body) if isinstance(s, Declare)}
    neutral = {s.name: s.value for s in walk(kernel.body) if isinstance(s, Declare)}
    return replace(kernel, body=_body(kernel.body, types, neutral))


def _body(
    body: Sequence[Stmt], types: Mapping[str, DType], neutral: Mapping[str, Expr]
) -> tuple[Stmt, ...]:
    out: list[Stmt] = []
    for s in body:
        if isinstance(s, For) and s.kind == "vector" and s.width > 1:
            for part in at_joints(s):
                out.extend(_VectorLoop(part, types, neutral).statements())
        elif isinstance(s, For):
            out.append(
                replace(
                    s,
                    kind="serial" if s.kind in ("vector", "unroll") else s.kind,
                    body=_body(s.body, types, neutral),
                )
            )
        elif isinstance(s, If):
            out.append(
                If(s.condition, _body(s.then, types, neutral), _body(s.orelse, types, neutral))
            )
        elif isinstance(s, Accumulate):
            out.extend(accumulate(s, types[s.name]))
        elif isinstance(s, While):
            out.append(While(s.condition, _body(s.body, types, neutral)))
        else:
            out.append(s)
    return tuple(out)


def accumulate(s: Accumulate, dtype: DType, lanes: int = 1, mask: Expr | None = None) -> list[Stmt]:
    """The assignments that an accumulation means."""
    best = e.var(s.name, dtype, lanes)
    value = e.broadcast(s.value, lanes)
    if s.position is None:
        result = combined(s.combine, best, value)
        return [Assign(s.name, result if mask is None else e.select(mask, result, best))]
    at = e.var(s.name + ".at", int64, lanes)
    position = e.broadcast(s.position, lanes)
    better = beats(s.combine, value, best, position, at)
    if mask is not None:
        better = better & mask
    flag = s.name + ".better"
    wins = e.var(flag, bool_, lanes)
    chosen = [
        Assign(s.name, e.select(wins, value, best)),
        Assign(s.name + ".at", e.select(wins, position, at)),
    ]
    return [Let(flag, better), *chosen]


class _VectorLoop:
    def __init__(self, loop: For, types: Mapping[str, DType], neutral: Mapping[str, Expr]):
        self.loop, self.types, self.neutral = loop, types, neutral
        self.lanes, self.unroll = loop.width, max(1, loop.unroll)
        inside = {s.name for s in walk(loop.body) if isinstance(s, Declare)}
        used = [s for s in walk(loop.body) if isinstance(s, Accumulate)]
        self.local = inside
        self.shared = {s.name: s for s in used if s.name not in inside}

    def statements(self) -> list[Stmt]:
        if any(isinstance(s, Store) and s.stream is not None for s in self.loop.body):
            self.loop, before, skip = aligned(self.loop, bool(self.shared))
        else:
            before, skip = [], e.const(0, int64)
        loop, step = self.loop, self.lanes * self.unroll
        begin = loop.begin + skip
        whole = e.maximum(loop.end - begin, 0) / step
        base = begin + e.var(loop.var + ".t") * step
        copies = [
            self._copy(copy, e.var(loop.var) + copy * self.lanes, None)
            for copy in range(self.unroll)
        ]
        main = [Let(loop.var, base), *_side_by_side(copies)]
        vectors = For(loop.var + ".t", e.const(0, int64), whole, tuple(main))
        rest = begin + whole * step
        tail = (
            []
            if loop.even
            else [self._tail(rest) if skip.op == "const" else self._ends(skip, rest)]
        )
        return [*before, *self._declare(), vectors, *tail, *self._combine()]

    def _tail(self, rest: Expr) -> Stmt:
        """The last iterations from `rest` on, masked: at most one vector of them unless several go
        at once.
        """
        loop, turn = self.loop, e.var(self.loop.var + ".t")
        first = rest if self.unroll == 1 else rest + turn * self.lanes
        mask = e.ramp(e.var(loop.var), self.lanes) < loop.end
        body = (
            Let(loop.var, first), Let(loop.var + ".mask", mask),
            *self._copy(0, e.var(loop.var), e.var(loop.var + ".mask", bool_, self.lanes)),
        )  # fmt: skip
        if self.unroll == 1:
            return If(rest < loop.end, body)
        return For(
            turn.attr, e.const(0, int64), (loop.end - rest + (self.lanes - 1)) / self.lanes, body
        )

    def _ends(self, skip: Expr, rest: Expr) -> Stmt:
        """The first `skip` iterations and those from `rest` on, masked, a vector at a time."""
        loop, turn = self.loop, e.var(self.loop.var + ".t")
        head = turn < 0
        first = e.select(head, loop.begin, rest + turn * self.lanes)
        mask = e.ramp(e.var(loop.var), self.lanes) < e.select(head, loop.begin + skip, loop.end)
        body = (
            Let(loop.var, first), Let(loop.var + ".mask", mask),
            *self._copy(0, e.var(loop.var), e.var(loop.var + ".mask", bool_, self.lanes)),
        )  # fmt: skip
        turns = (loop.end - rest + (self.lanes - 1)) / self.lanes
        return For(turn.attr, e.select(skip > 0, e.const(-1, int64), 0), turns, body)

    def _register(self, name: str, copy: int) -> str:
        return f"{name}.v{copy}"

    def _declare(self) -> list[Stmt]:
        out: list[Stmt] = []
        for name, s in self.shared.items():
            for copy in range(self.unroll):
                out.append(
                    Declare(self._register(name, copy), e.broadcast(self.neutral[name], self.lanes))
                )
                if s.position is not None:
                    out.append(
                        Declare(
                            self._register(name, copy) + ".at",
                            e.broadcast(e.const(2**62, int64), self.lanes),
                        )
                    )
        return out

    def _combine(self) -> list[Stmt]:
        out: list[Stmt] = []
        for name, s in self.shared.items():
            dtype = self.types[name]
            registers = [
                e.var(self._register(name, c), dtype, self.lanes) for c in range(self.unroll)
            ]
            if s.position is None:
                while len(registers) > 1:
                    pairs = [
                        combined(s.combine, a, b)
                        for a, b in zip(registers[::2], registers[1::2], strict=False)
                    ]
                    registers = pairs + registers[len(registers) // 2 * 2 :]
                total = e.across(s.combine, registers[0])
                out.extend(accumulate(Accumulate(name, s.combine, total), dtype))
                continue
            places = [
                e.var(self._register(name, c) + ".at", int64, self.lanes)
                for c in range(self.unroll)
            ]
            one = Accumulate(name, s.combine, *_best(s.combine, registers, places))
            out.extend(accumulate(one, dtype))
        return out

    def _copy(self, copy: int, base: Expr, mask: Expr | None) -> list[Stmt]:
        widen = _Widen(self, copy, base, mask)
        return join_stores(widen.body(self.loop.body))


def _side_by_side(copies: Sequence[Sequence[Stmt]]) -> Iterator[Stmt]:
    """The statements of independent iterations: each store waits until all have come to theirs."""
    at = 0
    for _, run in groupby(copies[0], lambda s: isinstance(s, Store)):
        count = len(list(run))
        for copy in copies:
            yield from copy[at : at + count]
        at += count


def _best(combine: Combine, values: list[Expr], places: list[Expr]) -> tuple[Expr, Expr]:
    """The best value in any lane of some vectors, and the first of the places where it is."""
    while len(values) > 1:
        pairs = list(zip(values[::2], values[1::2], places[::2], places[1::2], strict=False))
        wins = [beats(combine, b, a, q, p) for a, b, p, q in pairs]
        rest = slice(len(values) // 2 * 2, None)
        chosen = [e.select(w, q, p) for w, (_, _, p, q) in zip(wins, pairs, strict=True)]
        places = chosen + places[rest]
        chosen = [e.select(w, b, a) for w, (a, b, _, _) in zip(wins, pairs, strict=True)]
        values = chosen + values[rest]
    value, place = values[0], places[0]
    best = e.across(combine.removeprefix("arg"), value)
    here = e.equal(value, e.broadcast(best, value.lanes))
    if value.dtype.is_float:
        here = here | e.not_equal(value, value)
    return best, e.across("min", e.select(here, place, e.const(2**62, int64)))


class _Widen:
    """Rewrites the statements of a vector loop for one vector of its iterations."""

    def __init__(self, loop: _VectorLoop, copy: int, base: Expr, mask: Expr | None):
        self.loop, self.copy, self.base, self.mask = loop, copy, base, mask
        self.lanes = loop.lanes
        self.names: dict[str, Expr] = {loop.loop.var: e.ramp(base, self.lanes)}
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
            return [Prefetch(s.buffer, index.args[0])] if index.op == "ramp" else []
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
        if s.name in self.loop.local:
            name = self.names[s.name].attr
            return accumulate(
                Accumulate(name, s.combine, value, position), self.loop.types[s.name], self.lanes
            )
        name = self.loop._register(s.name, self.copy)
        mask = self.mask
        return accumulate(
            Accumulate(name, s.combine, value, position), self.loop.types[s.name], self.lanes, mask
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
            return make("load", args, x.dtype, 1, x.attr)
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
    loop = For(variable, e.const(0, int64), e.const(0, int64), (), "vector", lanes)
    widen = _Widen(_VectorLoop(loop, {}, {}), 0, base, mask)
    if lanes == 1:
        widen.names[variable] = base
    return e.broadcast(widen.expr(x), lanes)
