"""Maps over sums of taps (`Depthwise`): some positions of a line at once, which see much of the
same, without asking at each tap whether there is an element where there is one for all of them.

Where taps may fall between elements, groups start at whole elements, and there is a group for each
of the ways in which lines may lie between lines: which taps meet elements is then known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import product as combinations
from math import lcm, prod
from operator import and_

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, If, Let, Stmt, Store
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.nests.loops import Loop
from graphc.backends.lower.nests.nest import Lowering
from graphc.backends.lower.nests.turned import plan_turned
from graphc.ir.dims import Dim, index
from graphc.ir.dtypes import bool_
from graphc.ir.node import Node
from graphc.passes.fusion.access import full_index
from graphc.passes.fusion.body import Body

#: Positions at once: so many sums, and what their taps read, fit the registers.
TOGETHER = 4
#: Ways in which lines may lie between lines, at most.
MOST_WAYS = 4


def lower_taps(
    body: Body, schedule: Schedule, fail: Callable[[Node, str], int]
) -> list[Call] | None:
    """The kernel of a map over such sums, their channels side by side; None for any other body."""
    if not _sums(body) or any(root.role != "map" for root in body.roots):
        return None
    if plan_turned(body, schedule) is not None:
        return None
    lowering = _Taps(body, schedule, fail)
    return lowering.run() if lowering.fits else None


def _sums(body: Body) -> list[Node]:
    """The nodes of a kernel that add up what taps see."""
    found: list[Node] = []
    stack = [root.tensor for root in body.roots]
    seen = {*stack, *body.inputs}
    while stack:
        node = stack.pop().node
        if node.op.name == "depthwise":
            found.append(node)
        new = [x for x in node.inputs if x not in seen]
        seen.update(new)
        stack += new
    return found


def _parts(condition: Expr) -> list[Expr]:
    """What must hold for a condition to hold."""
    if condition.op != "and":
        return [condition]
    return [part for x in condition.args for part in _parts(x)]


def _spreads(body: Body) -> dict[int, int]:
    """The axes of the domain along which taps may fall between elements: how many positions it is
    from one element to the next.
    """
    found: dict[int, int] = {}
    for node in _sums(body):
        shape = node.types[0].shape
        if tuple(d for d in shape if d != 1) != body.domain:
            continue
        axes = full_index(shape, range(len(body.domain)))
        for d, axis, (*_, every) in zip(shape[1:], axes[1:], node.attrs["steps"], strict=False):
            if d != 1 and isinstance(axis, int):
                found[axis] = lcm(found.get(axis, 1), every)
    return {axis: every for axis, every in found.items() if every > 1}


class _Taps(Lowering):
    """A nest whose last outer loop, along a line of positions, goes by groups."""

    def __init__(self, body: Body, schedule: Schedule, fail: Callable[[Node, str], int]):
        super().__init__(body, schedule, fail)
        levels = {root.level for root in body.roots}
        loops = len(self.nest.inner) == 1 and bool(self.split) and not self.nest.across
        self.fits = loops and not self.flat and self.turns == 1 and len(levels) == 1
        self.fits = self.fits and len(self.split[-1].axes) == 1 and bool(schedule.vector_bits)
        spreads = _spreads(body)
        alone = [x for x in self.split if len(x.axes) == 1]
        self.spreads = {x: spreads[x.axes[0]] for x in alone if x.axes[0] in spreads}
        every = self.spreads.get(self.split[-1], 1) if self.fits else 1
        self.together = -(-TOGETHER // every) * every
        self.fits = self.fits and prod(self.spreads.values()) <= MOST_WAYS * every

    def _for(self, loop: Loop, begin: Expr, end: Expr, body: list[Stmt], vector: bool) -> For:
        whole = super()._for(loop, begin, end, body, vector)
        if vector or loop is not self.split[-1]:
            return whole
        n = self.together
        first = e.maximum(begin, e.var("t.group") * n)
        behind = e.minimum(e.var("t.group") * n + n, end)
        places: list[Stmt] = [Let("t.first", first), Let("t.behind", behind)]
        each = super()._for(loop, e.var("t.first"), e.var("t.behind"), body, False)
        if self.spreads:
            each = self._singly(each)
        return For("t.group", begin / n, (end + (n - 1)) / n, (*places, *self._choice(each)))

    def _choice(self, each: For) -> list[Stmt]:
        """A group at once if it is whole and all taps see elements, else one after the other."""
        lines = {x: every for x, every in self.spreads.items() if x is not self.split[-1]}
        choice: list[Stmt] = [each]
        for pasts in combinations(*(range(every) for every in lines.values())):
            ways = dict(zip(lines, pasts, strict=True))
            with self.reader.presuming(self.nest.inner[0].name) as conditions:
                together = self._values([self._index(ways, k) for k in range(self.together)])
            every = e.equal(e.var("t.behind") - e.var("t.first"), self.together)
            if ways:
                every = every & _lie(ways)
            lets: list[Stmt] = []
            for k, condition in enumerate(dict.fromkeys(p for c in conditions for p in _parts(c))):
                lets.append(Let(f"t.in{k}", condition))
                every = every & e.var(f"t.in{k}", bool_)
            choice = [*lets, If(every, (together,), tuple(choice))]
        return [*(s for x in lines for s in self._past(x)), *choice]

    def _singly(self, each: For) -> For:
        """Positions one after the other, with a body for each way in which they lie."""
        choice: list[Stmt] = []
        for pasts in combinations(*(range(every) for every in self.spreads.values())):
            ways = dict(zip(self.spreads, pasts, strict=True))
            self.reader.forget()
            choice = [If(_lie(ways), (self._values([self._index(ways)]),), tuple(choice))]
        own = self._past(self.split[-1]) if self.split[-1] in self.spreads else []
        return replace(each, body=(*own, *choice))

    def _past(self, loop: Loop) -> list[Stmt]:
        """Names the element along a loop, and how far its position lies past it."""
        position, every = e.var(loop.name), self.spreads[loop]
        return [
            Let(f"t.{loop.name}", position / every),
            Let(f"t.past.{loop.name}", e.rem(position, every)),
        ]

    def _values(self, places: Sequence[tuple[Dim, ...]]) -> For:
        """The values at some places, vector by vector of channels."""
        (channels,) = self.nest.inner
        inside: list[Stmt] = []
        kept: list[Store] = self.stores
        self.stores = []
        for name in ("group", *(loop.name for loop in self.spreads)):
            self.dims.bind(index(f"t.{name}"), e.var(f"t.{name}"))
        for k, place in enumerate(places):
            self.reader.forget()
            for root in self.body.roots:
                self._map(root, inside, place, k + 1)
        loop = self._for(
            channels, self.dims(0), self.dims(channels.extent), [*inside, *self.stores], True
        )
        self.stores = kept
        return replace(loop, unroll=1)

    def _index(self, ways: Mapping[Loop, int], k: int | None = None) -> tuple[Dim, ...]:
        """The index of the domain at the k-th position of a group, or at a position, where loops
        lie so far past elements.
        """
        found = list(self.nest.loop_index)
        if k is not None:
            found[self.split[-1].axes[0]] = index("t.group") * self.together + k
        for loop, past in ways.items():
            found[loop.axes[0]] = index(f"t.{loop.name}") * self.spreads[loop] + past
        return tuple(found)


def _lie(ways: Mapping[Loop, int]) -> Expr:
    """Whether loops lie so far past elements."""
    return reduce(and_, (e.equal(e.var(f"t.past.{x.name}"), past) for x, past in ways.items()))
