"""Products with windows: summed axes in the order in which the windows lie in memory, and the other
operand copied into that order.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.node import Node, Tensor
from graphc.ir.walk import rebuild
from graphc.ops.convolutions.windows import Windows
from graphc.ops.copying import copied
from graphc.ops.linear.contraction import dot_general, free_axes

Axes = tuple[int, ...]


def arrange_products(results: Sequence[Tensor]) -> list[Tensor]:
    """The same values, where products sum over the axes of windows in the order of their memory."""
    return rebuild(results, _arranged)


def _arranged(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
    sides = [k for k, x in enumerate(inputs) if isinstance(x.node.op, Windows)]
    if node.op.name != "dot_general" or len(sides) != 1:
        return None
    (side,) = sides
    other = 1 - side
    batch, contract = node.attrs["batch"], node.attrs["contract"]
    rank = _places_in_memory(inputs[side])
    order = sorted(range(len(contract[side])), key=lambda k: rank[contract[side][k]])
    ours, theirs = (tuple(contract[s][k] for k in order) for s in (side, other))
    y = inputs[other]
    free = free_axes(y.ndim, batch[other], contract[other])
    lines = (*theirs, *free) if other == 1 else (*free, *theirs)
    wanted = (*batch[other], *lines)
    moved = copied(y, wanted)
    parts, pairs, sums = [moved, moved], [batch[side]] * 2, [ours] * 2
    parts[side] = inputs[side]
    pairs[other] = tuple(wanted.index(k) for k in batch[other])
    sums[other] = tuple(wanted.index(k) for k in theirs)
    return (dot_general(parts[0], parts[1], (pairs[0], pairs[1]), (sums[0], sums[1])),)


def _places_in_memory(x: Tensor) -> list[int]:
    """For each axis of windows the axis of their input along which it steps."""
    (y,), count = x.node.inputs, len(x.node.attrs["taps"])
    return [*range(x.ndim - count), *x.node.attrs["axes"]] if y.ndim else []
