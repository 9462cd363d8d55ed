"""Vector loops become explicit lanes: a main loop of whole vectors, several at once, then a masked
tail.

Input: loops of kind "vector" over scalar statements. Output: no such loops. A loop's accumulators
that were declared outside it get one register per vector in flight, combined in a fixed order after
the loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count, groupby

from graphc.backends.loops import expr as e
from graphc.backends.loops.accumulate import accumulate, best_across, best_lanes, together
from graphc.backends.loops.beforehand import computed_before
from graphc.backends.loops.expr import Expr, parts_of
from graphc.backends.loops.joints import at_joints, checks_apart
from graphc.backends.loops.masked import first_lanes
from graphc.backends.loops.stmt import (
    Accumulate,
    Assign,
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
from graphc.backends.loops.streaming import aligned, asked_before, never_streamed, when_streamed
from graphc.backends.loops.strided import join_stores
from graphc.backends.loops.widen import Widen
from graphc.ir.dtypes import DType, bool_, int64

#: Operations of an iteration from which on several take turns, and those of a function.
LONG, FUNCTION = 256, 20


def vectorise(kernel: LoopKernel) -> LoopKernel:
    """The kernel with explicit vectors and explicit accumulation."""
    neutral = {s.name: s.value for s in walk(kernel.body) if isinstance(s, Declare)}
    types = {name: value.dtype for name, value in neutral.items()}
    return replace(kernel, body=_body(asked_before(kernel.body), types, neutral, count()))


def _body(
    body: Sequence[Stmt],
    types: Mapping[str, DType],
    neutral: Mapping[str, Expr],
    numbers: Iterator[int],
) -> tuple[Stmt, ...]:
    inside = partial(_body, types=types, neutral=neutral, numbers=numbers)
    out: list[Stmt] = []
    fresh: set[str] = set()
    for s in body:
        if isinstance(s, Declare):
            fresh.add(s.name)
        if isinstance(s, For) and s.kind == "vector" and s.width > 1:
            for part in at_joints(s):
                checks, part = checks_apart(part)
                before, part = computed_before(part, numbers)
                out.extend([*checks, *before])
                out.extend(VectorLoop(part, types, neutral, fresh).statements())
                fresh = set()
        elif isinstance(s, For):
            fresh = set()
            kind = "serial" if s.kind in ("vector", "unroll") else s.kind
            out.append(replace(s, kind=kind, body=inside(s.body)))
        elif isinstance(s, If):
            fresh = set()
            out.append(If(s.condition, inside(s.then), inside(s.orelse)))
        elif isinstance(s, Accumulate):
            fresh.discard(s.name)
            out.extend(accumulate(s, types[s.name]))
        elif isinstance(s, While):
            fresh = set()
            out.append(While(s.condition, inside(s.body)))
        else:
            out.append(s)
    return tuple(out)


class VectorLoop:
    """A vector loop, its accumulators and what its iterations declare. Those that are `fresh` have
    taken nothing in yet.
    """

    def __init__(
        self,
        loop: For,
        types: Mapping[str, DType],
        neutral: Mapping[str, Expr],
        fresh: Collection[str],
    ):
        self.loop, self.types, self.neutral, self.fresh = loop, types, neutral, fresh
        self.lanes, self.unroll = loop.width, max(1, loop.unroll)
        inside = {s.name for s in walk(loop.body) if isinstance(s, Declare)}
        used = [s for s in walk(loop.body) if isinstance(s, Accumulate)]
        self.local = inside
        self.shared = {s.name: s for s in used if s.name not in inside}

    def statements(self) -> list[Stmt]:
        """The loop; where stores may go past the cache or not, one for either case."""
        past = when_streamed(self.loop)
        if past is None or self.shared:
            return self._plain(never_streamed(self.loop))
        if past.op == "const":
            return self._aligned()
        return [If(past, tuple(self._aligned()), tuple(self._plain(never_streamed(self.loop))))]

    def _plain(self, loop: For) -> list[Stmt]:
        """Whole vectors, several at once, then one by one, then the lanes that are left."""
        self.loop = loop
        vectors, rest = self._whole(loop.begin)
        last = [] if loop.even else self._last(rest)
        return [*self._declare(0), *vectors, *last, *self._combine()]

    def _last(self, first: Expr) -> list[Stmt]:
        """The lanes from `first` on, fewer than a vector has, if there are any. Their mask, which
        may be the same for many rows, is made before the condition.
        """
        loop, left = self.loop, self.loop.end - first
        if left.op == "const" and left.attr <= 0:
            return []
        mask = e.var(loop.var + ".mask", bool_, self.lanes)
        body = (Let(loop.var, first), *self._copy(0, e.var(loop.var), mask))
        return [Let(mask.attr, first_lanes(left, self.lanes)), If(left > 0, body)]

    def _aligned(self) -> list[Stmt]:
        """Vectors that may be stored past the cache, then what is left before and after them."""
        self.loop, before, skip = aligned(self.loop)
        vectors, rest = self._whole(self.loop.begin + skip)
        return [*before, *vectors, self._ends(skip, rest)]

    def _whole(self, begin: Expr) -> tuple[list[Stmt], Expr]:
        """The loops over whole vectors from `begin` on, and where they end."""
        loop, step = self.loop, self.lanes * self.unroll
        if loop.short:
            return [], begin
        count = e.maximum(loop.end - begin, 0)
        groups, vectors = count / step, count / self.lanes
        several = self._loop(begin, step, e.const(0, int64), groups, self.unroll)
        if self.unroll > 1 and self.shared and several:
            several = [*self._declare(*range(1, self.unroll)), *several, *self._join()]
            if groups.op != "const":
                several = [If(groups > 0, tuple(several))]
        if self.unroll > 1 and not loop.even:
            several += self._loop(begin, self.lanes, groups * self.unroll, vectors, 1)
        return several, begin + vectors * self.lanes

    def _loop(self, begin: Expr, step: int, first: Expr, end: Expr, count: int) -> list[Stmt]:
        """A loop over steps of `count` whole vectors each."""
        if first.op == end.op == "const" and first.attr >= end.attr:
            return []
        loop, turn = self.loop, e.var(self.loop.var + ".t")
        copies = [self._copy(k, e.var(loop.var) + k * self.lanes, None) for k in range(count)]
        body = (Let(loop.var, begin + turn * step), *_side_by_side(copies))
        return [For(turn.attr, first, end, body)]

    def _ends(self, skip: Expr, rest: Expr) -> Stmt:
        """The first `skip` iterations and those from `rest` on, masked."""
        loop, turn = self.loop, e.var(self.loop.var + ".t")
        head = turn < 0
        first, end = e.select(head, loop.begin, rest), e.select(head, loop.begin + skip, loop.end)
        body = (
            Let(loop.var, first), Let(loop.var + ".mask", first_lanes(end - first, self.lanes)),
            *self._copy(0, e.var(loop.var), e.var(loop.var + ".mask", bool_, self.lanes)),
        )  # fmt: skip
        zero = e.const(0, int64)
        turns = e.select(rest < loop.end, e.const(1, int64), zero)
        return For(turn.attr, e.select(skip > 0, e.const(-1, int64), zero), turns, body)

    # --- accumulators -----------------------------------------------------------------------------

    def register(self, name: str, copy: int) -> str:
        return f"{name}.v{copy}"

    def _registers(self, name: str, count: int) -> tuple[list[Expr], list[Expr]]:
        """The accumulators of some vectors, and those of the places of what they hold."""
        stems = [self.register(name, copy) for copy in range(count)]
        dtype = self.shared[name].value.dtype
        values = [e.var(stem, dtype, self.lanes) for stem in stems]
        return values, [e.var(stem + ".at", int64, self.lanes) for stem in stems]

    def _declare(self, *copies: int) -> list[Stmt]:
        out: list[Stmt] = []
        for name, s in self.shared.items():
            for copy in copies:
                register = self.register(name, copy)
                neutral = e.cast(self.neutral[name], s.value.dtype)
                out.append(Declare(register, e.broadcast(neutral, self.lanes)))
                if s.position is not None:
                    none = e.broadcast(e.const(2**62, int64), self.lanes)
                    out.append(Declare(register + ".at", none))
        return out

    def _join(self) -> list[Stmt]:
        """What several vectors have accumulated, brought into the first one's registers."""
        out: list[Stmt] = []
        for name, s in self.shared.items():
            values, places = self._registers(name, self.unroll)
            first = self.register(name, 0)
            if s.position is None:
                out.append(Assign(first, together(s.combine, values)))
                continue
            best, place = best_lanes(s.combine, values, places)
            out += [Let(first + ".best", best), Assign(first + ".at", place)]
            out.append(Assign(first, e.var(first + ".best", best.dtype, self.lanes)))
        return out

    def _combine(self) -> list[Stmt]:
        """The first vector's lanes taken into the registers of the loop around."""
        out: list[Stmt] = []
        for name, s in self.shared.items():
            ((value,), (place,)) = self._registers(name, 1)
            dtype = self.types[name]
            if s.position is not None:
                one = Accumulate(name, s.combine, *best_across(s.combine, value, place))
                out.extend(accumulate(one, dtype))
                continue
            total = e.across(s.combine, e.cast(value, dtype))
            if name in self.fresh:
                out.append(Assign(name, total))
            else:
                out.extend(accumulate(Accumulate(name, s.combine, total), dtype))
        return out

    def _copy(self, copy: int, base: Expr, mask: Expr | None) -> list[Stmt]:
        widen = Widen(self.loop.var, self.lanes, base, mask, copy, self)
        return join_stores(widen.body(self.loop.body))


def _side_by_side(copies: Sequence[Sequence[Stmt]]) -> Iterator[Stmt]:
    """The statements of independent iterations: each store waits until all have come to theirs. Of
    many values in a row, each waits for the one before, and the processor sees no other iteration
    that it could work on meanwhile unless they take turns.
    """
    at = 0
    for _, run in groupby(copies[0], lambda s: isinstance(s, Store)):
        count = len(list(run))
        runs = [copy[at : at + count] for copy in copies]
        for part in zip(*runs, strict=True) if _is_long(runs[0]) else runs:
            yield from part
        at += count


def _is_long(run: Sequence[Stmt]) -> bool:
    """Whether these are values, of many operations."""
    parts = (x for s in run if isinstance(s, Let) for x in parts_of(s.value))
    work = sum(FUNCTION if x.op == "math" else 1 for x in parts)
    return work >= LONG and all(isinstance(s, Let) for s in run)
