"""Takes code out of the way of tiles: sums that fill the registers.

A compiler computes constants before the outermost loop that uses them, and keeps them. Where a tile
is in that loop too, as before the function that a product ends with, its sums then go to memory and
back in every iteration. In a function of its own, such code takes no register from the tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from graphc.backends.loops.expr import Expr, parts_of
from graphc.backends.loops.stmt import (
    Accumulate,
    Apart,
    Assign,
    Declare,
    For,
    If,
    LoopKernel,
    Stmt,
    children,
    walk,
)

TILE = 12
"""Vectors declared in one body from which on they are a tile: it leaves few registers."""
CONSTANTS = 2
"""Constants that a tile leaves registers for."""
FUNCTION = 8
"""Constants of a function of elements, about."""


def apart(kernel: LoopKernel) -> LoopKernel:
    """The kernel with code apart that would take registers from a tile in the same loop."""
    if not _has_tile(kernel.body):
        return kernel
    declared = {s.name for s in walk(kernel.body) if isinstance(s, Declare)}
    return replace(kernel, body=_around(kernel.body, frozenset(declared), repeated=False))


def _around(body: Sequence[Stmt], declared: frozenset[str], repeated: bool) -> tuple[Stmt, ...]:
    """The body of a loop, or what only runs once."""
    tiles = [bool(children(s)) and _has_tile((s,)) for s in body]
    inside = repeated and any(tiles)
    out: list[Stmt] = []
    for s, tile in zip(body, tiles, strict=True):
        if tile:
            out.append(_within(s, declared, repeated))
        elif inside and children(s) and _takes_registers(s) and is_closed(s, declared):
            out.append(Apart((s,)))
        else:
            out.append(s)
    return tuple(out)


def _within(s: Stmt, declared: frozenset[str], repeated: bool) -> Stmt:
    if isinstance(s, For):
        return replace(s, body=_around(s.body, declared, repeated=True))
    if isinstance(s, If):
        then, orelse = (_around(body, declared, repeated) for body in children(s))
        return replace(s, then=then, orelse=orelse)
    return s


def _has_tile(body: Sequence[Stmt]) -> bool:
    vectors = sum(isinstance(s, Declare) and s.value.lanes > 1 for s in body)
    return vectors >= TILE or any(_has_tile(inner) for s in body for inner in children(s))


def _takes_registers(s: Stmt) -> bool:
    """Whether its constants are more than a tile leaves room for."""
    parts = list(_parts(s))
    functions = {x.attr for x in parts if x.op == "math" and x.lanes > 1}
    return sum(map(_is_constant, parts)) + FUNCTION * len(functions) > CONSTANTS


def _is_constant(x: Expr) -> bool:
    return x.op == "broadcast" and x.args[0].op == "const" and x.args[0].attr != 0


def is_closed(s: Stmt, declared: frozenset[str]) -> bool:
    """Whether a statement uses no register declared outside."""
    parts = list(walk((s,)))
    own = {x.name for x in parts if isinstance(x, Declare)}
    given = {x.name for x in parts if isinstance(x, (Assign, Accumulate))}
    used = {x.attr for x in _parts(s) if x.op == "var"} | given
    return not used & (declared - own)


def _parts(s: Stmt) -> Iterator[Expr]:
    """All expressions in a statement and in those inside it, once."""
    fields = (x for inner in walk((s,)) for x in vars(inner).values())
    return parts_of(*(x for x in fields if isinstance(x, Expr)))
