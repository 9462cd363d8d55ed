"""Deals a kernel's work to the threads of a GPU.

A chunk is a block. Outside vector loops all threads compute the same, and the first one stores;
the iterations of a vector loop go to the threads in turn, whose partial sums meet in shared memory,
in the same order every time. Barriers stand wherever a thread may touch what another one wrote. A
kernel without such loops has nothing to share out: each thread then runs a chunk by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphc.backends.cuda.barriers import fenced
from graphc.backends.cuda.device import BLOCK, THREAD, DeviceKernel
from graphc.backends.loops import expr as e
from graphc.backends.loops.accumulate import accumulate
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import (
    Accumulate,
    Alloc,
    Check,
    Declare,
    For,
    If,
    Let,
    LoopKernel,
    Stmt,
    Store,
    While,
    walk,
)
from graphc.backends.lower.nests.combine import beats, combined
from graphc.ir.dtypes import DType, int64
from graphc.ir.record import dataclass

FEWEST, MOST = 32, 256
MOST_SHARED_BYTES = 48 * 1024


def deal(
    kernel: LoopKernel, most: int = MOST, aliased: frozenset[str] = frozenset()
) -> DeviceKernel:
    """The kernel for blocks of at most so many threads, a power of two; `aliased` buffers may share
    memory.
    """
    dealt = [s for s in walk(kernel.body) if isinstance(s, For) and s.kind == "thread"]
    if dealt:
        return DeviceKernel(replace(kernel, body=fenced(kernel.body, aliased)), dealt[0].width)
    kernel = _with_parallel_sums(kernel)
    loops = [s for s in walk(kernel.body) if isinstance(s, For) and s.kind == "vector"]
    if not loops:
        return _alone(kernel, most)
    threads = min(most, max(_threads_for(loop) for loop in loops))
    return DeviceKernel(_Dealer(kernel, threads).kernel(aliased), threads)


def _threads_for(loop: For) -> int:
    """As many threads as the loop has iterations, where their number is known."""
    count = loop.end - loop.begin
    if count.op != "const":
        return MOST
    iterations = max(int(count.attr), 1)
    return min(MOST, max(FEWEST, 1 << (iterations - 1).bit_length()))


def _alone(kernel: LoopKernel, most: int) -> DeviceKernel:
    threads = 1 if _is_one(kernel.chunks) else min(FEWEST, most)
    chunk = Let("chunk", BLOCK * threads + THREAD)
    body = If(e.var("chunk") < kernel.chunks, _serial(kernel.body, _types(kernel.body)))
    return DeviceKernel(replace(kernel, body=(chunk, body)), threads, alone=True)


def _is_one(chunks: Expr) -> bool:
    return chunks.op == "const" and chunks.attr == 1


def _types(body: tuple[Stmt, ...]) -> dict[str, DType]:
    return {s.name: s.value.dtype for s in walk(body) if isinstance(s, Declare)}


def _serial(body: Sequence[Stmt], types: dict[str, DType]) -> tuple[Stmt, ...]:
    """The statements as one thread runs them in order."""
    out: list[Stmt] = []
    for s in body:
        if isinstance(s, Accumulate):
            out.extend(accumulate(s, types[s.name]))
        elif isinstance(s, For):
            out.append(replace(s, kind="serial", body=_serial(s.body, types)))
        elif isinstance(s, While):
            out.append(replace(s, body=_serial(s.body, types)))
        elif isinstance(s, If):
            out.append(If(s.condition, _serial(s.then, types), _serial(s.orelse, types)))
        else:
            out.append(s)
    return tuple(out)


def _with_parallel_sums(kernel: LoopKernel) -> LoopKernel:
    """Where one chunk does everything, loops that only accumulate become vector loops."""
    if not _is_one(kernel.chunks) or _has_vector_loop(kernel.body):
        return kernel
    return replace(kernel, body=_parallel_sums(kernel.body))


def _parallel_sums(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
    out: list[Stmt] = []
    for s in body:
        if isinstance(s, For):
            sums = all(isinstance(x, (Let, Accumulate)) for x in s.body)
            s = replace(s, kind="vector" if sums else s.kind, body=_parallel_sums(s.body))
        out.append(s)
    return tuple(out)


def _has_vector_loop(body: tuple[Stmt, ...]) -> bool:
    return any(isinstance(s, For) and s.kind == "vector" for s in walk(body))


@dataclass(frozen=True)
class _Sum:
    """A register that the threads accumulate apart, and the shared memory where they meet."""

    name: str
    combine: str
    dtype: DType
    values: str
    positions: str | None

    @property
    def partial(self) -> str:
        return f"{self.name}.mine"


class _Dealer:
    def __init__(self, kernel: LoopKernel, threads: int):
        self.given, self.threads = kernel, threads
        self.types = _types(kernel.body)
        self.neutral = {s.name: s.value for s in walk(kernel.body) if isinstance(s, Declare)}
        self.shared: dict[str, Alloc] = {}

    def kernel(self, aliased: frozenset[str]) -> LoopKernel:
        dealt = self._body(self.given.body)
        body = fenced((*self.shared.values(), Let("chunk", BLOCK), *dealt), aliased)
        used = sum(s.size * s.dtype.bytes for s in walk(body) if isinstance(s, Alloc))
        assert used <= MOST_SHARED_BYTES, f"{self.given.name} needs {used} bytes of shared memory"
        return replace(self.given, body=body)

    def _body(self, body: Sequence[Stmt]) -> list[Stmt]:
        return [new for s in body for new in self._statement(s)]

    def _statement(self, s: Stmt) -> list[Stmt]:
        if isinstance(s, For) and s.kind == "vector":
            return self._dealt(s)
        if isinstance(s, For):
            return [replace(s, kind="serial", body=tuple(self._body(s.body)))]
        if isinstance(s, While):
            return [replace(s, body=tuple(self._body(s.body)))]
        if isinstance(s, If):
            return [If(s.condition, tuple(self._body(s.then)), tuple(self._body(s.orelse)))]
        if isinstance(s, (Store, Check)):
            return [If(e.equal(THREAD, 0), (s,))]
        if isinstance(s, Accumulate):
            return accumulate(s, self.types[s.name])
        if isinstance(s, Alloc):
            return [replace(s, shared=True)]
        return [s]

    def _dealt(self, loop: For) -> list[Stmt]:
        """The loop's iterations in turn, then the sums of all threads."""
        sums = self._sums(loop)
        names = {s.name: s.partial for s in sums}
        names |= {f"{s.name}.at": f"{s.partial}.at" for s in sums if s.positions}
        before = [start for s in sums for start in self._start(s)]
        types = self.types | {s.partial: s.dtype for s in sums}
        body = _serial(_renamed(loop.body, names), types)
        dealt = replace(loop, kind="thread", width=0, unroll=1, body=body)
        return [*before, dealt, *self._meet(sums)]

    def _sums(self, loop: For) -> list[_Sum]:
        """The registers from outside that the loop accumulates into."""
        inside = {s.name for s in walk(loop.body) if isinstance(s, Declare)}
        found: dict[str, Accumulate] = {
            s.name: s for s in walk(loop.body) if isinstance(s, Accumulate) and s.name not in inside
        }
        return [self._sum(s, k) for k, s in enumerate(found.values())]

    def _sum(self, s: Accumulate, number: int) -> _Sum:
        dtype = self.types[s.name]
        values = self._line(f"meet{number}.{dtype}", dtype)
        positions = None if s.position is None else self._line(f"meet{number}.at", int64)
        return _Sum(s.name, s.combine, dtype, values, positions)

    def _line(self, name: str, dtype: DType) -> str:
        """Shared memory with an element for each thread."""
        self.shared.setdefault(name, Alloc(name, dtype, self.threads, shared=True))
        return name

    def _start(self, s: _Sum) -> list[Stmt]:
        start: list[Stmt] = [Declare(s.partial, self.neutral[s.name])]
        if s.positions:
            start.append(Declare(f"{s.partial}.at", e.const(2**62, int64)))
        return start

    def _meet(self, sums: Sequence[_Sum]) -> list[Stmt]:
        """Halves the number of partial results until one is left, which every thread adds."""
        if not sums:
            return []
        out: list[Stmt] = []
        for s in sums:
            out.append(Store(s.values, THREAD, e.var(s.partial, s.dtype)))
            if s.positions:
                out.append(Store(s.positions, THREAD, e.var(f"{s.partial}.at")))
        half = self.threads // 2
        while half:
            step = tuple(x for s in sums for x in _halve(s, half))
            out.append(If(half > THREAD, step))
            half //= 2
        return [*out, *(x for s in sums for x in _take(s))]


def _halve(s: _Sum, half: int) -> list[Stmt]:
    """Each of the first threads combines its partial result with that of one in the other half."""
    a, b = (e.load(s.values, THREAD + k, s.dtype) for k in (0, half))
    if s.positions is None:
        return [Store(s.values, THREAD, combined(s.combine, a, b))]
    at, other = (e.load(s.positions, THREAD + k, int64) for k in (0, half))
    better = beats(s.combine, b, a, other, at)
    best, place = e.select(better, b, a), e.select(better, other, at)
    names = [f"{s.partial}.best", f"{s.partial}.place"]
    return [
        Let(names[0], best),
        Let(names[1], place),
        Store(s.values, THREAD, e.var(names[0], s.dtype)),
        Store(s.positions, THREAD, e.var(names[1])),
    ]


def _take(s: _Sum) -> list[Stmt]:
    total = e.load(s.values, e.const(0, int64), s.dtype)
    place = None if s.positions is None else e.load(s.positions, e.const(0, int64), int64)
    return accumulate(Accumulate(s.name, s.combine, total, place), s.dtype)  # type: ignore[arg-type]


def _renamed(body: tuple[Stmt, ...], names: dict[str, str]) -> tuple[Stmt, ...]:
    """The statements with other names for some accumulators; nothing reads these inside."""
    out: list[Stmt] = []
    for s in body:
        if isinstance(s, Accumulate):
            s = replace(s, name=names.get(s.name, s.name))
        elif isinstance(s, For):
            s = replace(s, body=_renamed(s.body, names))
        elif isinstance(s, If):
            s = If(s.condition, _renamed(s.then, names), _renamed(s.orelse, names))
        out.append(s)
    return tuple(out)
