"""Zeros around what windows see, so that every tap sees an element."""

from __future__ import annotations

from dataclasses import replace

from graphc.ir.dims import Dim, bounds
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.ir.types import Shape
from graphc.ops.convolutions.windows import Step, windows
from graphc.ops.padding import place


@dataclass(frozen=True)
class View:
    """Windows along some axes: how many positions and taps, and where they lie."""

    axes: tuple[int, ...]
    out: Shape
    taps: Shape
    steps: tuple[Step, ...]

    def of(self, x: Tensor) -> Tensor:
        """The windows of a tensor."""
        return windows(x, self.axes, tuple(self.out), self.taps, self.steps)


def padded(x: Tensor, view: View) -> tuple[Tensor, View]:
    """x within zeros for whatever taps see beyond its edges, and the same windows of that.

    As it was, if taps fall between elements or the number of zeros has no known bound.
    """
    shape, starts, steps = list(x.shape), [0] * x.ndim, list(view.steps)
    for k, axis in enumerate(view.axes):
        move, reach, offset, every = view.steps[k]
        low, high = _ends(view, k)
        _, beyond = bounds(high - (x.shape[axis] - 1))
        if every != 1 or not isinstance(low, int) or beyond is None:
            return x, view
        before = max(0, -low)
        shape[axis], starts[axis] = x.shape[axis] + (before + max(0, beyond)), before
        steps[k] = (move, reach, offset + before, every)
    wide = place(x, tuple(shape), tuple(starts), (1,) * x.ndim)
    return wide, replace(view, steps=tuple(steps))


def _ends(view: View, k: int) -> tuple[Dim, Dim]:
    """The first and the last place along an axis that any tap sees."""
    move, reach, offset, _ = view.steps[k]
    last, far = (view.out[k] - 1) * move, (view.taps[k] - 1) * reach
    return (offset + far, offset + last) if reach < 0 else (offset, offset + last + far)
