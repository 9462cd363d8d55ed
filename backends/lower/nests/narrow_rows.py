"""Rows of a length that is not known, and may turn out to be a few elements: a kernel for those,
whose lanes are rows, and one for all others, whose lanes are elements.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.nests.loops import Nest, longest_turned
from graphc.backends.lower.nests.nest import lower_nest
from graphc.backends.lower.nests.turned_rows import TurnedRows
from graphc.ir.dims import maximum, minimum
from graphc.ir.node import Node
from graphc.passes.fusion.body import Body

#: Elements of rows that are read one by one sooner than a vector is begun for each.
FEW = 4
#: How many times as long as side by side an element takes that lies apart from its neighbours, and
#: one that is turned before.
APART, TURNED = 8, 2


def lower_any_rows(
    body: Body, nest: Nest, schedule: Schedule, fail: Callable[[Node, str], int]
) -> list[Call]:
    """The kernels of a nest."""
    if not _may_be_narrow(body, nest, schedule):
        return lower_nest(body, schedule, fail)
    (loop,) = nest.inner
    least = max(1, schedule.grain // TURNED)
    turned = TurnedRows(body, replace(schedule, across=True, grain=least), fail)
    narrow, few = turned.run(), turned.longest
    if isinstance(loop.extent, int):
        fits = loop.extent <= few and not turned.apart
        return narrow if fits else lower_nest(body, schedule, fail)
    if turned.apart:
        apart = replace(schedule, across=True, grain=max(1, schedule.grain // APART))
        narrow, few = lower_nest(body, apart, fail), FEW
    wanted = minimum(1, maximum(0, few + 1 - loop.extent))
    calls = lower_nest(body, schedule, fail)
    return [*(call.only(wanted) for call in narrow), *(call.only(1 - wanted) for call in calls)]


def _may_be_narrow(body: Body, nest: Nest, schedule: Schedule) -> bool:
    """Whether rows that are gone through several times may be shorter than some vectors, and enough
    to fill one.
    """
    if not schedule.vector_bits or schedule.across is not None or nest.across or nest.turning:
        return False
    if not nest.outer or len(nest.inner) != 1:
        return False
    extent, rows = nest.inner[0].extent, nest.outer[-1].extent
    if isinstance(extent, int) and extent > longest_turned(body, extent, schedule.lanes(32)):
        return False
    if isinstance(rows, int) and rows < schedule.lanes(32):
        return False
    roles = {root.role for root in body.roots}
    return (
        "row" in roles
        and not roles & {"column", "total"}
        and any(root.level for root in body.roots)
    )
