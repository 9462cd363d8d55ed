"""Blocks of the lines that a reduction along leading axes combines."""

from __future__ import annotations

from functools import reduce

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim, floordiv, maximum, minimum
from graphc.ir.dtypes import DType, float64
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.machine import TYPICAL
from graphc.ops.convert import cast
from graphc.ops.indexing.slicing import strided
from graphc.ops.layout import reshape
from graphc.ops.line_blocks import line_blocks
from graphc.ops.reduction import sum as reduce_sum

Axes = tuple[int, ...]
#: Lines of a block, at most: those of a tile stay in a core's cache while it is read twice; and of
#: squares, for which it is not, and more blocks would have more to bring to the whole's.
LINES = TYPICAL.twice_read // TYPICAL.line_tile
LINES_OF_SQUARES = 4 * LINES
#: Blocks for two threads, and from which on threads have about equal shares, with the lines of one
#: at least where there are more for that reason alone: bringing its sum to the whole's takes the
#: time of a line.
SHARES = ((2, LINES // 6), (8, LINES // 4))
#: Elements of a long line: so many short ones as one fill vectors.
LONG = TYPICAL.line_tile // 2
#: Elements that the cache holds anyway.
FEW = TYPICAL.second // 4
#: Elements of which going twice through a cache that holds them takes no longer than blocks do.
FEW_EXPONENTIALS = LONG << 4


@dataclass(frozen=True)
class Blocks:
    """Lines of x, along what is left of its axes, in `number` blocks of `rows`: the `fewest` of
    `most` lines, or as many as threads share evenly; none where x has less than `few` elements.
    Short lines count as one, so many `together`. What does not fill another row of each block is
    left over.
    """

    x: Tensor
    axes: Axes
    few: int
    most: int

    @property
    def count(self) -> Dim:
        return product(self.x.shape[a] for a in self.axes)

    @property
    def rest(self) -> tuple[Dim, ...]:
        return self.x.shape[len(self.axes) :]

    @property
    def together(self) -> Dim:
        return maximum(1, floordiv(LONG, maximum(1, product(self.rest))))

    @property
    def lines(self) -> Dim:
        return floordiv(self.count, self.together)

    @property
    def fewest(self) -> Dim:
        return floordiv(self.lines + self.most - 1, self.most)

    @property
    def number(self) -> Dim:
        shares = (minimum(most, floordiv(self.lines, least)) for most, least in SHARES)
        enough = minimum(1, floordiv(self.x.size, self.few)) if self.few else 1
        return reduce(maximum, shares, self.fewest) * enough

    @property
    def rows(self) -> Dim:
        return floordiv(self.lines, maximum(1, self.number))

    @property
    def shared(self) -> Axes:
        """The axes, of what blocks give, along which that is combined."""
        return (0,) if self.together == 1 else (0, 1)

    def of(self, x: Tensor) -> Tensor:
        """x as (number, rows, *rest), or with `together` lines in a row before the rest."""
        lines = reshape(x, (self.count, *self.rest))
        if self.together == 1:
            return line_blocks(lines, self.number, self.rows)
        return line_blocks(lines, self.number, self.rows, self.together)

    def left_over(self, x: Tensor, least: int = 0) -> Tensor | None:
        """The lines of x after the blocks, or the `least` last ones if that is more; None if there
        are known to be none after the blocks.
        """
        first = self.number * self.rows * self.together
        if first == self.count:
            return None
        first = minimum(first, maximum(0, self.count - least))
        return self._lines(x, first, self.count - first)

    def _lines(self, x: Tensor, first: Dim, count: Dim) -> Tensor:
        lines = reshape(x, (self.count, *self.rest))
        starts = (first, *(0 for _ in self.rest))
        return strided(lines, starts, (count, *self.rest), (1,) * len(starts))

    def total(self, sums: Tensor, dtype: DType) -> Tensor:
        """What blocks give, added up; those are so few that float64 takes no time."""
        return cast(reduce_sum(cast(sums, float64), self.shared), dtype)


def of_exponentials(x: Tensor, axes: Axes) -> Blocks:
    """Those for sums of exponentials of x, and for what is largest."""
    return Blocks(x, axes, FEW_EXPONENTIALS, LINES)


def of_squares(x: Tensor, axes: Axes) -> Blocks:
    """Those for sums of squares of x, and for its mean."""
    return Blocks(x, axes, FEW, LINES_OF_SQUARES)
