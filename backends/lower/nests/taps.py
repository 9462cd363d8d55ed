"""Maps over sums of taps (`Depthwise`): some positions of a line at once, which see much of the
same, without asking at each tap whether there is an element where there is one for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, If, Let, Stmt, Store
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.nests.loops import Loop
from graphc.backends.lower.nests.nest import Lowering
from graphc.backends.lower.nests.turned import plan_turned
from graphc.ir.dims import Dim, index
from graphc.ir.dtypes import bool_, int64
from graphc.ir.node import Node
from graphc.passes.fusion.fuse import Body

#: Positions at once: so many sums, and what their taps read, fit the registers.
TOGETHER = 4


def lower_taps(
    body: Body, schedule: Schedule, fail: Callable[[Node, str], int]
) -> list[Call] | None:
    """The kernel of a map over such sums, their channels side by side; None for any other body."""
    if not _sums_taps(body) or any(root.role != "map" for root in body.roots):
        return None
    if plan_turned(body, schedule) is not None:
        return None
    lowering = _Taps(body, schedule, fail)
    return lowering.run() if lowering.fits else None


def _sums_taps(body: Body) -> bool:
    """Whether a kernel adds up what taps see."""
    stack = [root.tensor for root in body.roots]
    seen = {*stack, *body.inputs}
    while stack:
        node = stack.pop().node
        if node.op.name == "depthwise":
            return True
        new = [x for x in node.inputs if x not in seen]
        seen.update(new)
        stack += new
    return False


def _parts(condition: Expr) -> list[Expr]:
    """What must hold for a condition to hold."""
    if condition.op != "and":
        return [condition]
    return [part for x in condition.args for part in _parts(x)]


class _Taps(Lowering):
    """A nest whose last outer loop, along a line of positions, goes by groups."""

    def __init__(self, body: Body, schedule: Schedule, fail: Callable[[Node, str], int]):
        super().__init__(body, schedule, fail)
        levels = {root.level for root in body.roots}
        loops = len(self.nest.inner) == 1 and bool(self.split) and not self.nest.across
        self.fits = loops and not self.flat and self.turns == 1 and len(levels) == 1
        self.fits = self.fits and len(self.split[-1].axes) == 1 and bool(schedule.vector_bits)

    def _for(self, loop: Loop, begin: Expr, end: Expr, body: list[Stmt], vector: bool) -> For:
        whole = super()._for(loop, begin, end, body, vector)
        if vector or loop is not self.split[-1]:
            return whole
        first, last = e.var("t.first"), e.var("t.last")
        behind = e.minimum(first + TOGETHER, last)
        start = begin + e.var("t.group") * TOGETHER
        groups = (end - begin + (TOGETHER - 1)) / TOGETHER
        places: list[Stmt] = [Let("t.first", start), Let("t.last", end)]
        choice = self._choice(super()._for(loop, first, behind, body, False))
        return For("t.group", e.const(0, int64), groups, (*places, *choice))

    def _choice(self, each: For) -> list[Stmt]:
        """A group at once if it is whole and all taps see elements, else one after the other."""
        with self.reader.presuming(self.nest.inner[0].name) as conditions:
            together = self._together()
        every: Expr = e.var("t.first") + TOGETHER <= e.var("t.last")
        lets: list[Stmt] = []
        for k, condition in enumerate(dict.fromkeys(p for c in conditions for p in _parts(c))):
            lets.append(Let(f"t.in{k}", condition))
            every = every & e.var(f"t.in{k}", bool_)
        return [*lets, If(every, (together,), (each,))]

    def _together(self) -> For:
        """The values of a group, vector by vector of channels."""
        (channels,) = self.nest.inner
        inside: list[Stmt] = []
        kept: list[Store] = self.stores
        self.stores = []
        self.dims.bind(index("t.first"), e.var("t.first"))
        for k in range(TOGETHER):
            self.reader.forget()
            for root in self.body.roots:
                self._map(root, inside, self._index(k), k + 1)
        loop = self._for(
            channels, self.dims(0), self.dims(channels.extent), [*inside, *self.stores], True
        )
        self.stores = kept
        return replace(loop, unroll=1)

    def _index(self, k: int) -> tuple[Dim, ...]:
        """The index of the domain at the k-th position of a group."""
        (axis,) = self.split[-1].axes
        return tuple(
            index("t.first") + k if a == axis else d for a, d in enumerate(self.nest.loop_index)
        )
