"""Cuts long kernels up into functions: to give registers to values that live through many loops and
branches, a compiler takes time that grows with the square of how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphc.backends.loops.apart import is_closed
from graphc.backends.loops.stmt import (
    Alloc,
    Apart,
    Declare,
    For,
    If,
    LoopKernel,
    Stmt,
    While,
    children,
    walk,
)

MOST = 128
"""Loops and branches of a function that is not cut up, and of one that is cut off."""


def cut(kernel: LoopKernel) -> LoopKernel:
    """The kernel with functions in place of parts of it, if it has many loops or branches."""
    if _count(kernel.body) <= MOST:
        return kernel
    declared = {s.name for s in walk(kernel.body) if isinstance(s, Declare)}
    return replace(kernel, body=_pieces(kernel.body, frozenset(declared)))


def _pieces(body: Sequence[Stmt], declared: frozenset[str]) -> tuple[Stmt, ...]:
    """The body, in which loops and branches that follow each other are put into functions."""
    out: list[Stmt] = []
    piece: list[Stmt] = []
    held = 0

    def end() -> None:
        nonlocal held
        if piece:
            out.append(Apart(tuple(piece)))
        piece.clear()
        held = 0

    for s in body:
        count = _count((s,))
        if not count or count > MOST or not _is_movable(s, declared):
            end()
            out.append(_within(s, declared) if count > MOST else s)
            continue
        if held + count > MOST:
            end()
        piece.append(s)
        held += count
    end()
    return tuple(out)


def _within(s: Stmt, declared: frozenset[str]) -> Stmt:
    if isinstance(s, (For, While)):
        return replace(s, body=_pieces(s.body, declared))
    if isinstance(s, If):
        then, orelse = (_pieces(body, declared) for body in children(s))
        return replace(s, then=then, orelse=orelse)
    return s


def _count(body: tuple[Stmt, ...]) -> int:
    return sum(bool(children(s)) for s in walk(body))


def _is_movable(s: Stmt, declared: frozenset[str]) -> bool:
    """Whether it is a statement that a function of its own can hold."""
    whole = not any(isinstance(inner, (Alloc, Apart)) for inner in walk((s,)))
    return whole and is_closed(s, declared)
