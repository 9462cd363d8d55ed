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
from graphc.backends.loops.accumulate import accumulate, best_of
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.joints import at_joints, checks_apart
from graphc.backends.loops.stmt import (
    Accumulate,
    Declare,
    For,
    If,
    Let,
    LoopKernel,
    Stmt,
    Store,
    While,
    walk,
)  # fmt: skip
from graphc.backends.loops.streaming import aligned
from graphc.backends.loops.strided import join_stores
from graphc.backends.loops.widen import Widen
from graphc.backends.lower.nests.combine import combined
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
                checks, part = checks_apart(part)
                out.extend(checks)
                out.extend(VectorLoop(part, types, neutral).statements())
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


class VectorLoop:
    """A vector loop, its accumulators and what its iterations declare."""

    def __init__(self, loop: For, types: Mapping[str, DType], neutral: Mapping[str, Expr]):
        self.loop, self.types, self.neutral = loop, types, neutral
        self.lanes, self.unroll = loop.width, max(1, loop.unroll)
        inside = {s.name for s in walk(loop.body) if isinstance(s, Declare)}
        used = [s for s in walk(loop.body) if isinstance(s, Accumulate)]
        self.local = inside
        self.shared = {s.name: s for s in used if s.name not in inside}

    def statements(self) -> list[Stmt]:
        """The loop; where its extent is not known, a single vector if that is enough of it."""
        if not self._may_be_short():
            return self._vectors()
        one = VectorLoop(replace(self.loop, unroll=1), self.types, self.neutral)
        alone = (*one._declare(), *one._masked(self.loop.begin), *one._combine())
        extent = self.loop.end - self.loop.begin
        return [If(extent <= self.lanes, alone, tuple(self._vectors()))]

    def _may_be_short(self) -> bool:
        loop, streamed = self.loop, any(_streams(s) for s in self.loop.body)
        if loop.begin.op != "const" or loop.end.op == "const" or not (streamed or self.unroll > 1):
            return False
        return all(s.position is not None for s in self.shared.values())

    def _vectors(self) -> list[Stmt]:
        """Whole vectors, several at once, then the rest."""
        if any(map(_streams, self.loop.body)):
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
        body = self._masked(rest if self.unroll == 1 else rest + turn * self.lanes)
        if self.unroll == 1:
            return If(rest < loop.end, body)
        return For(
            turn.attr, e.const(0, int64), (loop.end - rest + (self.lanes - 1)) / self.lanes, body
        )

    def _masked(self, first: Expr) -> tuple[Stmt, ...]:
        """The iterations of one vector from `first` on, as far as there are any."""
        loop = self.loop
        mask = e.ramp(e.var(loop.var), self.lanes) < loop.end
        return (
            Let(loop.var, first), Let(loop.var + ".mask", mask),
            *self._copy(0, e.var(loop.var), e.var(loop.var + ".mask", bool_, self.lanes)),
        )  # fmt: skip

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

    def register(self, name: str, copy: int) -> str:
        return f"{name}.v{copy}"

    def _declare(self) -> list[Stmt]:
        out: list[Stmt] = []
        for name, s in self.shared.items():
            for copy in range(self.unroll):
                out.append(
                    Declare(self.register(name, copy), e.broadcast(self.neutral[name], self.lanes))
                )
                if s.position is not None:
                    out.append(
                        Declare(
                            self.register(name, copy) + ".at",
                            e.broadcast(e.const(2**62, int64), self.lanes),
                        )
                    )
        return out

    def _combine(self) -> list[Stmt]:
        out: list[Stmt] = []
        for name, s in self.shared.items():
            dtype = self.types[name]
            registers = [
                e.var(self.register(name, c), dtype, self.lanes) for c in range(self.unroll)
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
                e.var(self.register(name, c) + ".at", int64, self.lanes) for c in range(self.unroll)
            ]
            one = Accumulate(name, s.combine, *best_of(s.combine, registers, places))
            out.extend(accumulate(one, dtype))
        return out

    def _copy(self, copy: int, base: Expr, mask: Expr | None) -> list[Stmt]:
        widen = Widen(self.loop.var, self.lanes, base, mask, copy, self)
        return join_stores(widen.body(self.loop.body))


def _streams(s: Stmt) -> bool:
    return isinstance(s, Store) and s.stream is not None


def _side_by_side(copies: Sequence[Sequence[Stmt]]) -> Iterator[Stmt]:
    """The statements of independent iterations: each store waits until all have come to theirs."""
    at = 0
    for _, run in groupby(copies[0], lambda s: isinstance(s, Store)):
        count = len(list(run))
        for copy in copies:
            yield from copy[at : at + count]
        at += count
