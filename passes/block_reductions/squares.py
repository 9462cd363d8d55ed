"""Sums of squares by blocks: about the mean of the first lines of each."""

from __future__ import annotations

from collections.abc import Callable

from graphc.ir.dims import minimum
from graphc.ir.dtypes import float64
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import add
from graphc.ops.arithmetic import maximum as elementwise_maximum
from graphc.ops.arithmetic import minimum as elementwise_minimum
from graphc.ops.convert import cast
from graphc.ops.extent import extent
from graphc.ops.indexing.slicing import narrow
from graphc.ops.layout import broadcast, reshape
from graphc.ops.powers import square
from graphc.ops.reduction import sum as reduce_sum
from graphc.ops.rounding import coarsened
from graphc.ops.select import where
from graphc.ops.source import constant
from graphc.ops.wide_sum import wide_sum
from graphc.passes.block_reductions.blocks import Axes, of_squares
from graphc.passes.derivatives.differentiate import zeros_like
from graphc.passes.share_reductions import squares_about

#: Lines of a block about whose mean its squares are taken, a power of two. About that of two, the
#: squares were half again those about the mean of all, and rounded as much more.
FIRST = 8


def sum_of_squares(y: Tensor, axes: Axes) -> Tensor:
    """sum(y, axes) of y = square(x - repeated k)."""
    about = _About(*_centre(y.node.inputs[0]), axes)
    squared, total = about.sums(square), about.sums(lambda d: d)
    return about.from_k(squares_about(about.shift, squared, total, about.length), square)


def sum_of_deviations(d: Tensor, axes: Axes) -> Tensor:
    """sum(d, axes) of d = x - repeated k. The factors are in another order than in `squares_about`:
    what both sums read would be stored, and columns that are stored are not taken in by lines.
    """
    about = _About(*_centre(d), axes)
    moved = about.sums(lambda d: d) + about.shift * about.length
    return about.from_k(moved, lambda d: d)


def _centre(d: Tensor) -> tuple[Tensor, Tensor]:
    """x and k of d = x - repeated k."""
    x, repeated = d.node.inputs
    return x, repeated.node.inputs[0]


def less(x: Tensor, k: Tensor) -> Tensor:
    """x - k, repeated along the first axis."""
    return x - broadcast(k, x.shape, tuple(range(1, x.ndim)))


class Deviations:
    """The elements of each block about a `pivot` near them: `deviations`, in blocks; `length` of a
    block, for each block and element of a line, in float64.
    """

    def __init__(self, x: Tensor, axes: Axes):
        self.blocks, self.x = of_squares(x, axes), x
        parts = self.blocks.of(x)
        pivot = _pivot(parts)
        others = (0, *range(2, parts.ndim))
        self.deviations = parts - broadcast(pivot, parts.shape, others)
        self.length = broadcast(extent(self.blocks.rows, float64), pivot.shape, ())
        self.pivot = cast(pivot, float64)

    def sums(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        """What a function of the deviations comes to in each block."""
        return wide_sum(of(self.deviations), 1)

    def total_of_all(self) -> Tensor:
        """The sum of x itself."""
        return self.total(self.sums(lambda d: d) + self.pivot * self.length, lambda x: x)

    def total(self, moved: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
        """What the blocks give, and what is left over; nothing of empty blocks, without a pivot."""
        if not isinstance(self.blocks.count, int):
            moved = where(self.length > 0, moved, zeros_like(moved))
        whole, rest = self.blocks.total(moved, self.x.dtype), self.blocks.left_over(self.x)
        return whole if rest is None else whole + reduce_sum(of(rest), 0)


class _About(Deviations):
    """These, with the `shift` from k to the pivot, like `length`."""

    def __init__(self, x: Tensor, k: Tensor, axes: Axes):
        super().__init__(x, axes)
        kept = tuple(range(len(self.blocks.shared), self.pivot.ndim))
        self.k = k
        self.shift = self.pivot - broadcast(cast(k, float64), self.pivot.shape, kept)

    def from_k(self, moved: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
        """`total`, with what is left over as deviations from k."""
        return self.total(moved, lambda rest: of(less(rest, self.k)))


def _pivot(parts: Tensor) -> Tensor:
    """The mean of the first lines of each block, of which the last one may count repeatedly, coarse
    beside what they span: next to no deviation from a number of few bits is rounded. 0 where lines
    are infinite or NaN, as a deviation from that would be NaN.
    """
    number, rows, *rest = parts.shape
    lines = [narrow(parts, 1, minimum(k, rows - 1), 1) for k in range(FIRST)]
    mean = _combined(add, lines) * _number(1 / FIRST, lines[0])
    span = _combined(elementwise_maximum, lines) - _combined(elementwise_minimum, lines)
    return reshape(coarsened(mean, span), (number, *rest))


def _combined(combine: Callable[[Tensor, Tensor], Tensor], lines: list[Tensor]) -> Tensor:
    while len(lines) > 1:
        lines = [combine(a, b) for a, b in zip(lines[::2], lines[1::2], strict=True)]
    return lines[0]


def _number(value: float, like: Tensor) -> Tensor:
    return broadcast(constant(value, like.dtype), like.shape, ())
