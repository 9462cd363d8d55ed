"""Maps that read along another axis than they are stored: squares of vectors are transposed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.backends.loops.strided import NEAR
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.nests.loops import Loop, plan_nest
from graphc.backends.lower.reader import offset_of
from graphc.ir.dim_values import coefficient
from graphc.ir.dims import Atom, Dim
from graphc.ir.node import Node
from graphc.ir.record import dataclass
from graphc.passes.fusion.access import Access
from graphc.passes.fusion.body import Body


@dataclass(frozen=True)
class Turned:
    """The loops of such a map: `along` is the axis whose neighbours it reads, `down` the one whose
    neighbours it stores, `outer` are all others.
    """

    outer: tuple[Loop, ...]
    along: Loop
    down: Loop
    loop_index: tuple[Dim, ...]


def lower_turned(
    body: Body, schedule: Schedule, fail: Callable[[Node, str], int]
) -> list[Call] | None:
    """The kernel of a map that is best computed in squares; None for any other body."""
    turned = plan_turned(body, schedule)
    if turned is None:
        return None
    from graphc.backends.lower.nests.turned_squares import Squares

    return Squares(body, turned, schedule, fail).calls()


def plan_turned(body: Body, schedule: Schedule) -> Turned | None:
    """The loops of a body that reads far apart along the axis along which it stores."""
    root = body.roots[0]
    lanes = schedule.lanes(root.tensor.dtype.bits)
    if not body.outputs:
        return None  # nobody reads it, as an image of which a convolution's taps see nothing
    if len(body.roots) != 1 or root.role != "map" or lanes < 4 or root.tensor.dtype.bits < 32:
        return None
    if not schedule.turned:
        return None
    nest = plan_nest(body)
    if not nest.outer or nest.turning or not root.accesses:
        return None
    (down,) = nest.inner
    if any(a.tensor.dtype is not root.tensor.dtype for a in root.accesses):
        return None
    for along in nest.outer:
        if _are_squares(root.accesses, along, down) and _fills(along, lanes):
            others = tuple(loop for loop in nest.outer if loop is not along)
            return Turned(others, along, down, nest.loop_index)
    return None


def _fills(along: Loop, lanes: int) -> bool:
    return not isinstance(along.extent, int) or 2 * along.extent >= lanes


def _are_squares(accesses: Sequence[Access], along: Loop, down: Loop) -> bool:
    """Whether neighbours along one loop are read side by side, those along the other far apart."""
    steps = [(_step(a, along), _step(a, down)) for a in accesses]
    far = [d for _, d in steps if not isinstance(d, int) or abs(d) > NEAR]
    return bool(far) and all(a in (0, 1) for a, _ in steps)


def _step(access: Access, loop: Loop) -> Dim | None:
    found = coefficient(offset_of(access.tensor.shape, access.index), Atom("index", loop.name))
    return None if found is None else found[0]
