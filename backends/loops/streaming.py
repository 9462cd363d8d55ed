"""Stores that bypass the cache: where their loop has to begin."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, If, Let, Stmt, Store, walk
from graphc.backends.loops.tidy import Renaming
from graphc.ir.dtypes import bool_


def when_streamed(loop: For) -> Expr | None:
    """When the loop stores anything past the cache; None for never."""
    conditions = list(dict.fromkeys(s.stream for s in _streamed(loop) if s.stream is not None))
    if not conditions:
        return None
    first, *others = conditions
    for other in others:
        first = first | other
    return first


def never_streamed(loop: For) -> For:
    """The loop with stores into the cache alone."""
    return _with(loop, dict.fromkeys(_streamed(loop)))


def asked_before(body: Sequence[Stmt]) -> list[Stmt]:
    """The statements, where loops around vector loops whose stores may go past the cache, as sizes
    decide, are written once for either case, so that no iteration asks again. Where there are other
    vector loops too, which would be the same in both cases, asking takes little beside these.
    """
    out: list[Stmt] = []
    for s in body:
        inside = walk(s.body) if isinstance(s, For) and s.kind != "vector" else ()
        vectors = [x for x in inside if isinstance(x, For) and x.kind == "vector"]
        found = [x.stream for loop in vectors for x in _streamed(loop) if x.stream is not None]
        conditions = [x for x in dict.fromkeys(found) if x.op != "const"]
        out.append(_either(s, conditions) if conditions and all(map(_streamed, vectors)) else s)
    return out


def _either(loop: Stmt, conditions: Sequence[Expr]) -> If:
    """The loop where one of the conditions holds, and where none does."""
    always = e.const(True, bool_) if len(conditions) == 1 else None
    past = _under([loop], lambda s: always if s in conditions and always is not None else s)
    plain = _under([loop], lambda s: None if s in conditions else s)
    return If(reduce(operator.or_, conditions), past, plain)


def _under(
    body: Sequence[Stmt], condition: Callable[[Expr | None], Expr | None]
) -> tuple[Stmt, ...]:
    """The statements with other conditions for stores to go past the cache."""
    out: list[Stmt] = []
    for s in body:
        if isinstance(s, For):
            out.append(replace(s, body=_under(s.body, condition)))
        elif isinstance(s, If):
            then, orelse = _under(s.then, condition), _under(s.orelse, condition)
            out.append(If(s.condition, then, orelse))
        elif isinstance(s, Store):
            out.append(replace(s, stream=condition(s.stream)))
        else:
            out.append(s)
    return tuple(out)


def aligned(loop: For) -> tuple[For, list[Stmt], Expr]:
    """The vector loop with streamed stores only where they may be; statements to go before it; how
    many of its first iterations must be done apart, so that the vectors stored after them lie at
    multiples of their size.
    """
    streamed = _streamed(loop)
    misplaced = [_misplaced(loop, s) for s in streamed]
    skip = e.minimum(_mask(loop, loop.width - misplaced[0]), e.maximum(loop.end - loop.begin, 0))
    before: list[Stmt] = [Let(f"{loop.var}.skip", skip)]
    skip = e.var(f"{loop.var}.skip")
    alone = when_streamed(loop) == streamed[0].stream
    conditions: dict[Store, Expr | None] = {
        streamed[0]: e.const(True, bool_) if alone else streamed[0].stream
    }
    for k, (s, place) in enumerate(zip(streamed[1:], misplaced[1:], strict=True)):
        name = f"{loop.var}.stream{k}"
        assert s.stream is not None
        before.append(Let(name, s.stream & e.equal(_mask(loop, place + skip), 0)))
        conditions[s] = e.var(name, s.stream.dtype)
    return _with(loop, conditions), before, skip


def _streamed(loop: For) -> list[Store]:
    return [s for s in loop.body if isinstance(s, Store) and s.stream is not None]


def _misplaced(loop: For, s: Store) -> Expr:
    """How many elements behind a multiple of a vector's size the first store would be."""
    size = s.value.dtype.bytes
    first = Renaming({loop.var: loop.begin})(s.index)
    return _mask(loop, e.address(s.buffer, first * size) / size)


def _mask(loop: For, elements: Expr) -> Expr:
    """The number modulo the lanes."""
    return elements & (loop.width - 1)


def _with(loop: For, conditions: dict[Store, Expr | None]) -> For:
    """The loop with other conditions for its streamed stores."""
    body = tuple(
        replace(s, stream=conditions[s]) if isinstance(s, Store) and s in conditions else s
        for s in loop.body
    )
    return replace(loop, body=body)
