"""The loops of a nest: which axes run together as one loop, which are outer, and which one is the
vector axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from graphc.backends.loops.strided import NEAR
from graphc.backends.lower.reader import offset_of
from graphc.ir.dim_values import atoms, coefficient, product
from graphc.ir.dims import Atom, Dim, DimExpr, index
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.passes.fusion.access import domain_index, full_index
from graphc.passes.fusion.body import Body

#: Fewer iterations of the inner loops than these do not fill a vector: those of plain sums, of
#: bodies with functions that take long, and of ones that look for a place.
NARROW, NARROW_DEAR, NARROW_PLACE = 8, 11, 13
#: Operations of a function that takes long.
DEAR = 20
#: So many iterations inside a vector's loop are written one after the other.
SHORT = 16


@dataclass(frozen=True)
class Loop:
    """One loop over the joint extent of consecutive axes of the domain."""

    axes: tuple[int, ...]
    extent: Dim

    @property
    def name(self) -> str:
        return f"i{self.axes[-1]}"

    @property
    def variable(self) -> DimExpr:
        return index(self.name)


@dataclass(frozen=True)
class Nest:
    """`outer` loops around `inner` ones; if `across`, the vector axis is the last outer loop, else
    the last loop of all. What is computed at each point of a `turning` loop, which is innermost, is
    written out.
    """

    outer: tuple[Loop, ...]
    inner: tuple[Loop, ...]
    across: bool = False
    turning: Loop | None = None

    @property
    def loop_index(self) -> tuple[Dim, ...]:
        """The index of each axis of the domain: of axes that run together the last one counts, the
        others are 0.
        """
        loops = self.outer + self.inner + ((self.turning,) if self.turning else ())
        ndim = sum(len(loop.axes) for loop in loops)
        found: list[Dim] = [0] * ndim
        for loop in loops:
            found[loop.axes[-1]] = loop.variable
        return tuple(found)


def extent_of(loops: Sequence[Loop]) -> Dim:
    """The joint extent of some loops."""
    return product(loop.extent for loop in loops)


def linear(loops: Sequence[Loop]) -> Dim:
    """Row-major position over these loops."""
    total: Dim = 0
    for loop in loops:
        total = total * loop.extent + loop.variable
    return total


def is_short(loops: Sequence[Loop]) -> bool:
    """Whether all iterations of these loops may be written one after the other."""
    extent = extent_of(loops)
    return isinstance(extent, int) and 0 < extent <= SHORT


def plan_nest(body: Body, across: bool | None = None) -> Nest:
    """The loops for a body; `across` says which way vectors of a reduction go, where both do."""
    offsets, opaque = _offsets(body)
    roles = {root.role for root in body.roots}
    inner_axes = body.row_axes
    outer_axes = tuple(k for k in range(len(body.domain)) if k not in inner_axes)
    outer = _collapse(outer_axes, body.domain, offsets, opaque)
    inner = _collapse(inner_axes, body.domain, offsets, opaque)
    if not inner and "row" in roles:
        return Nest(tuple(outer), (), bool(outer))
    if not inner:
        if len(outer) > 1 and _turns(outer[-1], opaque):
            return Nest(tuple(outer[:-2]), (outer[-2],), turning=outer[-1])
        return Nest(tuple(outer[:-1]), tuple(outer[-1:]))
    if not outer:
        return (
            Nest((), tuple(inner))
            if len(inner) == 1 or "row" in roles
            else Nest(tuple(inner[:-1]), tuple(inner[-1:]))
        )
    empty = extent_of([*outer, *inner]) == 0
    wanted = _is_better(outer, inner, body) if across is None or empty else across
    return Nest(tuple(outer), tuple(inner), wanted and not roles & {"column", "total"})


def _turns(loop: Loop, opaque: frozenset[Atom]) -> bool:
    """Whether the points of a loop are few, and differ in more than the places that they read."""
    few = isinstance(loop.extent, int) and 1 < loop.extent <= NEAR
    return few and any(Atom("index", f"i{k}") in opaque for k in loop.axes)


def _is_better(outer: Sequence[Loop], inner: Sequence[Loop], body: Body) -> bool:
    """Whether vectors are filled better along the last outer loop than along the last inner one."""
    few, many = inner[-1].extent if is_short(inner) else extent_of(inner), outer[-1].extent
    if (
        isinstance(few, int)
        and 0 < few < _narrow(body)
        and not (isinstance(many, int) and many <= few)
    ):
        return True
    often = _innermost_offsets(body)
    if isinstance(many, int) and many < NARROW and _is_near(inner[-1], often):
        return False
    return _score(outer[-1], often) > _score(inner[-1], often)


def _is_near(loop: Loop, offsets: list[Dim]) -> bool:
    """Whether vectors along a loop can be put together from neighbours in all accesses."""
    found = [coefficient(offset, Atom("index", loop.name)) for offset in offsets]
    steps = [f[0] for f in found if f is not None]
    return len(steps) == len(found) and all(
        isinstance(step, int) and 0 <= step <= NEAR for step in steps
    )


def _narrow(body: Body) -> int:
    """Iterations of the inner loops from which on they fill vectors better than rows do."""
    if any(r.tensor.node.op.name in ("argmin", "argmax") for r in body.roots):
        return NARROW_PLACE
    return NARROW_DEAR if is_dear(body) else NARROW


def is_dear(body: Body) -> bool:
    """Whether any of its functions takes long."""
    return any(work_of(root.tensor, body) >= DEAR for root in body.roots)


def longest_turned(body: Body, length: Dim, lanes: int) -> int:
    """The most elements of rows that are worth turning, where vectors have so many lanes."""
    halves = 6 if is_dear(body) else 2 if isinstance(length, int) else 5
    return halves * lanes // 2


def work_of(x: Tensor, body: Body) -> int:
    """Operations that an element takes, other values of the kernel's rows and inputs given."""
    given = {*body.inputs, *(root.tensor for root in body.roots if root.role != "map")}
    return _work([x], given)


def work_of_all(body: Body) -> int:
    """Operations of a point of the domain for all values of the kernel, each computed once."""
    roots = [root.tensor for root in body.roots]
    return _work(roots, {*body.inputs, *roots})


def _work(values: Sequence[Tensor], given: AbstractSet[Tensor]) -> int:
    stack, seen, work = list(values), set(given), 0
    while stack:
        node = stack.pop().node
        work += getattr(node.op, "flops", 0)
        new = [y for y in dict.fromkeys(node.inputs) if y not in seen]
        seen.update(new)
        stack += new
    return work


def _offsets(body: Body) -> tuple[list[Dim], frozenset[Atom]]:
    """Linear offsets of every access of the body, and the loop variables used for more than
    addressing.
    """
    loop = domain_index(len(body.domain))
    rows = tuple(v for k, v in enumerate(loop) if k not in body.row_axes)
    inner = tuple(v for k, v in enumerate(loop) if k in body.row_axes)
    memory = set(body.inputs)
    offsets: list[Dim] = []
    for root in body.roots:
        x = root.tensor
        here = {"map": loop, "rowmap": rows, "row": rows, "column": inner, "total": ()}[root.role]
        offsets.append(offset_of(x.shape, full_index(x.shape, here)))
        offsets += [offset_of(a.tensor.shape, a.index) for a in root.accesses if a.tensor in memory]
    return offsets, frozenset(a for root in body.roots for d in root.opaque for a in atoms(d))


def _innermost_offsets(body: Body) -> list[Dim]:
    """Linear offsets of what is read and stored at every point of the domain, not once a row."""
    loop = domain_index(len(body.domain))
    memory = set(body.inputs)
    often = [root for root in body.roots if root.role != "rowmap"]
    reads = [access for root in often for access in root.accesses if access.tensor in memory]
    stored = [x.tensor for x in often if x.role == "map" and x.tensor in set(body.outputs)]
    offsets = [offset_of(access.tensor.shape, access.index) for access in reads]
    return offsets + [offset_of(x.shape, full_index(x.shape, loop)) for x in stored]


def _collapse(
    axes: Sequence[int], domain: tuple[Dim, ...], offsets: list[Dim], opaque: frozenset[Atom]
) -> list[Loop]:
    loops: list[Loop] = []
    for k in axes:
        if loops and _together(loops[-1].axes[-1], k, domain, offsets, opaque):
            loops[-1] = Loop((*loops[-1].axes, k), loops[-1].extent * domain[k])
        else:
            loops.append(Loop((k,), domain[k]))
    return loops


def steps_as_one(body: Body) -> bool:
    """Whether all axes of a body but the last may be run through as one."""
    offsets, opaque = _offsets(body)
    axes = range(len(body.domain) - 1)
    return len(_collapse(axes, body.domain, offsets, opaque)) <= 1


def _together(
    j: int, k: int, domain: tuple[Dim, ...], offsets: list[Dim], opaque: frozenset[Atom]
) -> bool:
    """Whether axis j steps exactly as far as the whole of axis k in every access."""
    a, b = (Atom("index", f"i{axis}") for axis in (j, k))
    if a in opaque or b in opaque:
        return False
    for offset in offsets:
        first, second = coefficient(offset, a), coefficient(offset, b)
        if first is None or second is None or first[0] != second[0] * domain[k]:
            return False
    return True


def _score(loop: Loop, offsets: list[Dim]) -> int:
    """How many accesses are contiguous along a loop, less those that jump."""
    total = 0
    for offset in offsets:
        found = coefficient(offset, Atom("index", loop.name))
        step = None if found is None else found[0]
        total += 1 if step == 1 else 0 if step == 0 else -1
    return total
