"""Values are computed again where they are read late, instead of being kept that long: which ones,
so that kernels need less memory at once, and the graph that does it.

The order of kernels and what lies in memory is given from outside, as `Lifetimes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphc.ir.dim_values import evaluate
from graphc.ir.node import Tensor
from graphc.ir.subgraph import total_cost
from graphc.ir.walk import substitute
from graphc.machine import TYPICAL
from graphc.ops.barrier import barrier
from graphc.passes.fusion.body import Body
from graphc.passes.fusion.roots import base, is_buffer

#: Bytes that are as dear to move as an arithmetic operation is to do, about.
BYTES_PER_FLOP = 1 / TYPICAL.flops_per_byte
#: Kernels that are run again for one value, at most.
DEEPEST = 6


@dataclass(frozen=True)
class Again:
    """A value that kernels from position `after` on get computed again, from `sources`, which are
    in memory then; `trigger` is a value made late, after which it is.
    """

    value: Tensor
    after: int
    sources: tuple[Tensor, ...]
    trigger: Tensor


class Lifetimes:
    """When values are made and read by kernels in their order; all sizes are known."""

    def __init__(self, bodies: Sequence[Body], kept: Sequence[Tensor]):
        self.bodies = bodies
        self.made = {x: k for k, body in enumerate(bodies) for x in body.outputs}
        self.reads: dict[Tensor, list[int]] = {}
        for k, body in enumerate(bodies):
            for x in dict.fromkeys(map(base, body.inputs)):
                if x in self.made:
                    self.reads.setdefault(x, []).append(k)
        forever = {base(x) for x in kept}
        self.arena = [x for x in self.made if x not in forever and x in self.reads]
        self.last = {x: len(bodies) if x in forever else max(self.reads.get(x, [0]))
                     for x in self.made}  # fmt: skip

    def at(self, k: int) -> list[Tensor]:
        """Values in the arena while kernel k runs."""
        return [x for x in self.arena if self.made[x] <= k <= self.last[x]]

    def bytes(self, k: int) -> int:
        """Bytes in the arena while kernel k runs."""
        return sum(map(_bytes, self.at(k)))

    def least(self) -> int:
        """Bytes that some kernel needs for what it reads and makes itself."""
        own = [{x for x in self.arena if self.made[x] == k} for k in range(len(self.bodies))]
        for x in self.arena:
            for k in self.reads[x]:
                own[k].add(x)
        return max(sum(map(_bytes, found)) for found in own)

    def peak(self) -> int:
        """The kernel while which most is in the arena."""
        return max(range(len(self.bodies)), key=self.bytes)


def candidates(lives: Lifetimes) -> list[Again]:
    """Values that wait while memory is scarcest and can be computed again from what is there when
    they are read, the most bytes for the least work first.
    """
    peak = lives.peak()
    found: list[tuple[float, int, Again]] = []
    for x in lives.at(peak):
        late = [k for k in lives.reads[x] if k > peak]
        if lives.made[x] >= peak or peak in lives.reads[x] or not late:
            continue
        sources = _sources(x, late[0], lives)
        trigger = _trigger(late[0], peak, lives)
        if sources is None or trigger is None or is_buffer(x):
            continue
        work = _work(x, sources)
        found.append((work / _bytes(x), lives.made[x], Again(x, late[0], sources, trigger)))
    return [again for _, _, again in sorted(found, key=lambda item: item[:2])]


def _bytes(x: Tensor) -> int:
    return evaluate(x.type.bytes, {})


def _sources(x: Tensor, late: int, lives: Lifetimes) -> tuple[Tensor, ...] | None:
    """What x is computed from at kernel `late`; None if that takes too many kernels."""
    sources: dict[Tensor, None] = {}
    todo, again = [x], {lives.made[x]}
    while todo:
        for y in map(base, lives.bodies[lives.made[todo.pop()]].inputs):
            if is_buffer(y) or lives.last.get(y, -1) >= late:
                sources[y] = None
            elif lives.made[y] not in again:
                again.add(lives.made[y])
                todo.append(y)
        if len(again) > DEEPEST:
            return None
    return tuple(sources)


def _trigger(late: int, peak: int, lives: Lifetimes) -> Tensor | None:
    """The last value made after the peak that kernel `late` reads."""
    read = [y for y in map(base, lives.bodies[late].inputs) if lives.made.get(y, -1) >= peak]
    return max(read, key=lambda y: lives.made[y], default=None)


def _work(x: Tensor, sources: Sequence[Tensor]) -> float:
    """How dear it is to compute x again."""
    symbols: dict[Tensor, Tensor] = dict(zip(sources, barrier(sources), strict=True))
    (again,) = substitute([x], symbols)
    flops = total_cost([again]) - total_cost(sources)
    assert isinstance(flops, int), f"{x!r} has sizes that are not known"
    return flops * BYTES_PER_FLOP + sum(map(_bytes, sources)) + 2 * _bytes(x)


def computed_again(
    results: Sequence[Tensor], lives: Lifetimes, chosen: Sequence[Again]
) -> list[Tensor]:
    """The same results, where late kernels read values that were computed again."""
    new = {x: x for x in lives.made}
    copies: dict[Tensor, Tensor] = {}
    earliest = min(again.after for again in chosen)
    for k, body in enumerate(lives.bodies):
        if k < earliest:
            continue
        read = set(map(base, body.inputs))
        for again in chosen:
            if again.after <= k and again.value in read and again.value not in copies:
                copies[again.value] = _copy(again, new)
        late = {a.value: copies[a.value] for a in chosen if a.after <= k and a.value in copies}
        for root in body.roots:
            known = {**new, **late}
            known.pop(root.tensor, None)
            (new[root.tensor],) = substitute([root.tensor], known)
    return substitute(results, new)


def _copy(again: Again, new: Mapping[Tensor, Tensor]) -> Tensor:
    kept = [new.get(x, x) for x in (*again.sources, again.trigger)]
    behind = dict(zip(again.sources, barrier(kept), strict=False))
    return substitute([again.value], behind)[0]
