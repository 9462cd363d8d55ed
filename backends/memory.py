"""Where values lie: inputs, outputs, variables and constants in place; everything else in one
arena, reused by lifetime.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Mapping, Sequence
from typing import Literal

from graphc.backends.lower.kernel import Buffer, Call, Nested, Temporary
from graphc.ir.dims import Dim, bounds, floordiv, maximum
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.passes.fusion.roots import base

Kind = Literal["input", "output", "variable", "constant", "arena"]
ALIGNMENT = 64
#: Bytes left free before a value of so many, or of nobody knows how many: what begins at the same
#: place of a page as another operand would share a few sets of the cache with it.
GAP, LARGE = 17 * ALIGNMENT, 2**15


@dataclass(frozen=True)
class Place:
    """Entry `number` of a kind of memory; for the arena, the number of a slot."""

    kind: Kind
    number: int


@dataclass(frozen=True)
class Slot:
    """A part of the arena that values use one after the other; `bytes` are whole lines."""

    bytes: Dim
    offset: Dim


@dataclass(frozen=True)
class Plan:
    """The place of every buffer, and the arena's slots."""

    places: Mapping[Buffer, Place]
    slots: tuple[Slot, ...]
    arena_bytes: Dim


def holder(buffer: Buffer) -> Buffer:
    """The buffer whose memory this one is a view of."""
    return base(buffer) if isinstance(buffer, Tensor) else buffer


def plan_memory(calls: Sequence[Call | Nested], fixed: Mapping[Buffer, Place]) -> Plan:
    """A value has its place from the call that makes it to the last one that reads it. Where all
    sizes are known, or no more than what is known, they are packed; else values take turns in
    slots, so that what fits is known for every size.
    """
    shared = _in_slots(calls, fixed)
    if not isinstance(shared.arena_bytes, int):
        return shared
    packed = _packed(calls, fixed)
    assert isinstance(packed.arena_bytes, int)
    return packed if packed.arena_bytes < shared.arena_bytes else shared


def _packed(calls: Sequence[Call | Nested], fixed: Mapping[Buffer, Place]) -> Plan:
    """The largest values first, each at the lowest place that is free while it lives."""
    lives: dict[Buffer, tuple[int, int]] = {}
    for k, call in enumerate(calls):
        for buffer in dict.fromkeys(map(holder, call.arguments)):
            if buffer not in fixed:
                lives[buffer] = (lives.get(buffer, (k, k))[0], k)
    sizes = {x: _lines(_bytes(x)) for x in lives}
    taken: list[tuple[int, int, int, int]] = []
    places: dict[Buffer, Place] = dict(fixed)
    slots: list[Slot] = []
    for x in sorted(lives, key=lambda x: (-sizes[x], lives[x])):
        (first, last), size = lives[x], sizes[x]
        gap = _gap(size)
        offset = gap
        for begin, end, a, b in taken:
            if begin < offset + size and end > offset - gap and a <= last and b >= first:
                offset = end + gap
        bisect.insort(taken, (offset - gap, offset + size, first, last))
        places[x] = Place("arena", len(slots))
        slots.append(Slot(size, offset))
    return Plan(places, tuple(slots), max((end for _, end, _, _ in taken), default=0))


def _gap(size: Dim) -> int:
    return GAP if not isinstance(size, int) or size >= LARGE else 0


def _lines(need: Dim) -> int:
    most = bounds(need)[1]
    assert most is not None, f"{need} has no bound"
    return -(-most // ALIGNMENT) * ALIGNMENT


def _in_slots(calls: Sequence[Call | Nested], fixed: Mapping[Buffer, Place]) -> Plan:
    """Interval colouring over the calls' order."""
    places: dict[Buffer, Place] = dict(fixed)
    last = {holder(b): k for k, call in enumerate(calls) for b in call.arguments}
    needs: list[Dim] = []
    free: list[int] = []
    for k, call in enumerate(calls):
        buffers = list(dict.fromkeys(holder(b) for b in call.arguments))
        for buffer in buffers:
            if buffer not in places:
                places[buffer] = Place("arena", _take(free, needs, _bytes(buffer)))
        for buffer in buffers:
            if last[buffer] == k and places[buffer].kind == "arena":
                free.append(places[buffer].number)
    slots, total = _lay_out(needs)
    return Plan(places, slots, total)


def _bytes(buffer: Buffer) -> Dim:
    return buffer.bytes if isinstance(buffer, Temporary) else buffer.type.bytes


def _take(free: list[int], needs: list[Dim], need: Dim) -> int:
    """A free slot that is provably large enough (the tightest known), else one that is provably
    smaller and grows, else a new one. `needs` are the bytes that each slot has so far.
    """
    fitting = [(waste, s) for s in free if (waste := _waste(needs[s], need)) is not None]
    growing = [(waste, s) for s in free if (waste := _waste(need, needs[s])) is not None]
    if fitting or growing:
        number = min(fitting or growing)[1]
        free.remove(number)
        needs[number] = needs[number] if fitting else need
        return number
    needs.append(need)
    return len(needs) - 1


@functools.lru_cache(maxsize=2**14)
def _waste(size: Dim, need: Dim) -> int | None:
    """Bytes left over when the need is put there, None when it might not fit."""
    low, high = bounds(size - need)
    if low is None or low < 0:
        return None
    return high if high is not None else 2**62


def _some(need: Dim) -> Dim:
    """At least 0: a branch that is not taken may have lengths below."""
    low, _ = bounds(need)
    return maximum(need, 0) if low is None or low < 0 else need


def _lay_out(needs: Sequence[Dim]) -> tuple[tuple[Slot, ...], Dim]:
    slots: list[Slot] = []
    offset: Dim = 0
    for need in needs:
        size = floordiv(_some(need) + (ALIGNMENT - 1), ALIGNMENT) * ALIGNMENT
        offset = offset + _gap(need)
        slots.append(Slot(size, offset))
        offset = offset + size
    return tuple(slots), offset
