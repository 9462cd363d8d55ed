"""Where values lie: inputs, outputs, variables and constants in place; everything else in one
arena, reused by lifetime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from graphc.backends.lower.kernel import Buffer, Call, Nested, Temporary
from graphc.ir.dims import Dim, bounds, floordiv
from graphc.ir.node import Tensor
from graphc.passes.roots import base

Kind = Literal["input", "output", "variable", "constant", "arena"]
ALIGNMENT = 64


@dataclass(frozen=True)
class Place:
    """Entry `number` of a kind of memory; for the arena, the number of a slot."""

    kind: Kind
    number: int


@dataclass(frozen=True)
class Slot:
    """A part of the arena that several values use one after the other."""

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


def plan_memory(
    calls: Sequence[Call | Nested], fixed: Mapping[Buffer, Place], reuse: Mapping[Buffer, Buffer]
) -> Plan:
    """Interval colouring over the calls' order. `reuse[x] = y`: x may be written where y lies,
    whose last reader makes x.
    """
    places: dict[Buffer, Place] = dict(fixed)
    last = {holder(b): k for k, call in enumerate(calls) for b in call.arguments}
    sizes: list[Dim] = []
    free: list[int] = []
    for k, call in enumerate(calls):
        buffers = list(dict.fromkeys(holder(b) for b in call.arguments))
        for buffer in buffers:
            if buffer in places:
                continue
            partner = reuse.get(buffer)
            if partner is not None and last.get(partner) == k and places[partner].kind == "arena":
                places[buffer] = places[partner]
                last[partner] = -1
                continue
            number = _take(free, sizes, _bytes(buffer))
            places[buffer] = Place("arena", number)
        for buffer in buffers:
            place = places[buffer]
            if last[buffer] == k and place.kind == "arena":
                free.append(place.number)
    slots, total = _lay_out(sizes)
    return Plan(places, slots, total)


def _bytes(buffer: Buffer) -> Dim:
    size = buffer.bytes if isinstance(buffer, Temporary) else buffer.type.bytes
    return floordiv(size + (ALIGNMENT - 1), ALIGNMENT) * ALIGNMENT


def _take(free: list[int], sizes: list[Dim], need: Dim) -> int:
    """A free slot that is provably large enough (the tightest known), else a new one."""
    fitting = [(_waste(sizes[s], need), s) for s in free]
    usable = sorted((w, s) for w, s in fitting if w is not None)
    if usable:
        number = usable[0][1]
        free.remove(number)
        return number
    growable = [s for s in free if isinstance(sizes[s], int) and isinstance(need, int)]
    if growable:
        number = max(growable, key=lambda s: sizes[s])  # type: ignore[arg-type,return-value]
        free.remove(number)
        sizes[number] = need
        return number
    sizes.append(need)
    return len(sizes) - 1


def _waste(size: Dim, need: Dim) -> int | None:
    """Bytes left over when the need is put there, None when it might not fit."""
    low, high = bounds(size - need)
    if low is None or low < 0:
        return None
    return high if high is not None else 2**62


def _lay_out(sizes: Sequence[Dim]) -> tuple[tuple[Slot, ...], Dim]:
    slots: list[Slot] = []
    offset: Dim = 0
    for size in sizes:
        slots.append(Slot(size, offset))
        offset = offset + size
    return tuple(slots), offset
