"""Loops whose elements take turns, as the elements of windows that were put together do: all that
have the same turn are computed as one vector.
"""

from __future__ import annotations

from collections.abc import Iterable

from graphc.backends.loops.strided import NEAR
from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.nests.loops import Loop, Nest
from graphc.ir.dim_values import atoms
from graphc.ir.dims import Atom, Dim, of_terms, terms_of
from graphc.ir.node import Tensor
from graphc.passes.fusion.access import Access, AccessRecorder, full_index
from graphc.passes.fusion.body import Body, Root


def turns_of(body: Body, nest: Nest, schedule: Schedule) -> int:
    """The number of turns of the innermost loop, after which all it reads steps evenly, or of the
    loop that is written out; else 1.
    """
    if nest.turning is not None:
        assert isinstance(nest.turning.extent, int)
        return nest.turning.extent
    if nest.across or not nest.outer or not nest.inner or not schedule.vector_bits:
        return 1
    loop, looped = nest.inner[-1], [root for root in body.roots if root.role != "rowmap"]
    roles = {root.role for root in looped}
    kinds = roles | {root.tensor.node.op.name for root in looped}
    if kinds & {"column", "argmin", "argmax"} or len({root.level for root in looped}) != 1:
        return 1
    if len(loop.axes) != 1 or not any(_uses(root.opaque, loop) for root in looped):
        return 1
    for turns in range(2, NEAR + 1):
        if loop.extent % turns == 0 if isinstance(loop.extent, int) else roles == {"map"}:
            index = turn_index(nest, turns, 0)
            if all(_is_even(body, root, index, loop) for root in looped):
                return turns
    return 1


def turn_index(nest: Nest, turns: int, turn: int) -> tuple[Dim, ...]:
    """The index of every axis of the domain in a turn."""
    if nest.turning is not None:
        axis = nest.turning.axes[-1]
        return tuple(turn if k == axis else d for k, d in enumerate(nest.loop_index))
    axis = nest.inner[-1].axes[-1]
    return tuple(d * turns + turn if k == axis else d for k, d in enumerate(nest.loop_index))


def leaves_some(nest: Nest, turns: int) -> bool:
    """Whether the innermost loop may have elements left after whole turns."""
    return turns > 1 and not nest.turning and not isinstance(nest.inner[-1].extent, int)


def _uses(dims: tuple[Dim, ...] | list[Dim], loop: Loop) -> bool:
    return any(Atom("index", loop.name) in atoms(d) for d in dims)


def _divides(dims: Iterable[Dim], loop: Loop) -> bool:
    """Whether the loop's variable is more than a summand, as where it is divided."""
    variable = Atom("index", loop.name)
    monomials = (monomial for d in dims for monomial, _ in terms_of(d))
    return any(m != (variable,) and variable in atoms(of_terms({m: 1})) for m in monomials)


def _computed(accesses: Iterable[Access]) -> int:
    """How many places of elements are computed, not told by indices."""
    found = (a for x in accesses for d in x.index for a in atoms(d))
    return len({a for a in found if a.kind == "dynamic"})


def _is_even(body: Body, root: Root, index: tuple[Dim, ...], loop: Loop) -> bool:
    """Whether the loop's variable is used for nothing but addresses; or, where more places would be
    computed otherwise, for those and how far it is from bounds.
    """
    x, known = root.tensor, {*body.inputs, *(r.tensor for r in body.roots)}

    def stop(y: Tensor) -> bool:
        return y is not x and y in known

    recorder = AccessRecorder(stop)
    source = x.node.inputs[0] if x.node.op.lowering == "reduce" else x
    recorder.at(source, full_index(source.shape, index))
    if not _uses(recorder.opaque_dims, loop):
        return True
    fewer = _computed(recorder.accesses) < _computed(root.accesses)
    return fewer and not _divides(recorder.opaque_dims, loop)
