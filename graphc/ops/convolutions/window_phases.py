"""The gradient of windows that overlap and move by several elements: the sums of what the taps of
each phase of the elements see, and these put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product as combinations
from math import prod

from graphc.ir.dims import Dim, floordiv
from graphc.ir.node import Node, Tensor
from graphc.ops.convolutions.axes import Line
from graphc.ops.convolutions.phases import MOST_PHASES, Phase, phases_of, stacked
from graphc.ops.convolutions.tiles import untile
from graphc.ops.convolutions.windows import unwindows
from graphc.ops.indexing.slicing import strided
from graphc.ops.layout import broadcast
from graphc.ops.reduction import sum
from graphc.ops.source import constant


def has_phases(node: Node) -> bool:
    """Whether the gradient of windows is put together from phases."""
    taps, steps = node.attrs["taps"], node.attrs["steps"]
    plain = all(
        isinstance(k, int) and isinstance(offset, int) and reach == every == 1
        for k, (_, reach, offset, every) in zip(taps, steps, strict=True)
    )
    return plain and 1 < prod(move for move, *_ in steps) <= MOST_PHASES


def seen_by(g: Tensor, node: Node) -> Tensor:
    """The sum, for each element, of what g holds of the windows and taps that see it."""
    (x,), a = node.inputs, node.attrs
    phases = [
        phases_of(Line(move, 1, -offset), taps)
        for taps, (move, _, offset, _) in zip(a["taps"], a["steps"], strict=True)
    ]
    shape = list(x.shape)
    for axis, each in zip(a["axes"], phases, strict=True):
        shape[axis] = floordiv(shape[axis] + len(each) - 1, len(each))
    parts = [_part(g, a["axes"], chosen, tuple(shape)) for chosen in combinations(*phases)]
    sizes = tuple(x.shape[axis] for axis in a["axes"])
    together = stacked(parts, [len(each) for each in phases], x.ndim)
    return untile(together, a["axes"], sizes, (0,) * len(sizes))


def _part(
    g: Tensor, axes: Sequence[int], phases: Sequence[Phase], shape: tuple[Dim, ...]
) -> Tensor:
    """All elements of a phase along each axis; zeros where no tap sees them."""
    taps = tuple(p.taps for p in phases)
    if 0 in taps:
        return broadcast(constant(0, g.dtype), shape, ())
    rest = g.ndim - len(taps)
    starts: tuple[Dim, ...] = (*(0 for _ in range(rest)), *(p.first for p in phases))
    of_taps = (*(1 for _ in range(rest)), *(p.step for p in phases))
    seen = strided(g, starts, (*g.shape[:rest], *taps), of_taps)
    steps = tuple((1, -1, p.before, 1) for p in phases)
    back = unwindows(seen, tuple(axes), tuple(shape[axis] for axis in axes), steps)
    return sum(back, axis=tuple(range(rest, back.ndim)))
