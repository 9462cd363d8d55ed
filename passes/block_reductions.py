"""A reduction that depends on another one of the same elements is made of blocks of lines.

    sum(exp(x - repeated m), 0), where m = max(x, 0)
    sum(square(x - repeated k), 0), where k = sum(x, 0) / n

need all of x twice: once for m or k, and once more. Of a block of lines that the cache holds, the
second reading is free: the block has an m of its own, and its sum is brought to the whole's m
afterwards. Squares are not read twice at all: a block takes them about the mean of its first few
lines. That is as far from the mean of all as the deviations of those lines are, so of n lines about
the mean of f, no more than n / f times the squares themselves cancel when they are brought to the
whole's mean, and about as much as they in all but odd cases. Only roundings change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim, floordiv, maximum, minimum
from graphc.ir.dtypes import DType, float64
from graphc.ir.node import Node, Tensor
from graphc.ir.op import Op
from graphc.ir.record import dataclass
from graphc.ir.walk import blame, rebuild, topological, users
from graphc.machine import TYPICAL
from graphc.ops.arithmetic import add
from graphc.ops.arithmetic import maximum as elementwise_maximum
from graphc.ops.arithmetic import minimum as elementwise_minimum
from graphc.ops.convert import cast
from graphc.ops.exponential import exp
from graphc.ops.extent import extent
from graphc.ops.indexing.slicing import narrow, strided
from graphc.ops.layout import broadcast, reshape
from graphc.ops.line_blocks import line_blocks
from graphc.ops.powers import square
from graphc.ops.reduction import largest
from graphc.ops.reduction import sum as reduce_sum
from graphc.ops.rounding import coarsened
from graphc.ops.select import where
from graphc.ops.source import constant
from graphc.ops.wide_sum import wide_sum
from graphc.passes.derivatives.differentiate import zeros_like
from graphc.passes.fusion.roots import is_buffer
from graphc.passes.graph import Graph, Pass
from graphc.passes.share_reductions import (
    is_shifted,
    rescaled,
    shifted_parts,
    squared,
    squares_about,
)

Axes = tuple[int, ...]
#: Lines of a block, at most: those of a tile stay in a core's cache while it is read twice; and of
#: squares, for which it is not, and more blocks would have more to bring to the whole's.
LINES = TYPICAL.twice_read // TYPICAL.line_tile
LINES_OF_SQUARES = 4 * LINES
#: Blocks for two threads, and from which on threads have about equal shares, with the lines of one
#: at least where there are more for that reason alone: bringing its sum to the whole's takes the
#: time of a line.
SHARES = ((2, LINES // 6), (8, LINES // 4))
#: Lines of a block about whose mean its squares are taken, a power of two. About that of two, the
#: squares were half again those about the mean of all, and rounded as much more.
FIRST = 8
#: Elements of a long line: so many short ones as one fill vectors.
LONG = TYPICAL.line_tile // 2
#: Elements that the cache holds anyway.
FEW = TYPICAL.second // 4
#: Elements of which going twice through a cache that holds them takes no longer than blocks do.
FEW_EXPONENTIALS = LONG << 4


def block_reductions(graph: Graph) -> Graph:
    """The graph with such reductions replaced."""
    found = _Found(graph)
    if not found.dependent:
        return graph
    return graph.with_results(rebuild(graph.results, found.visit))


class _Found:
    """The reductions to replace: those that depend on others, and those others."""

    def __init__(self, graph: Graph):
        self.dependent: dict[Node, Callable[[Tensor, Axes], Tensor]] = {}
        self.first: set[tuple[str, Tensor, Axes]] = set()
        readers = users(graph.results)
        wanted = set(graph.results)
        for node in topological(graph.results):
            x = _blocked(node)
            alone = len(readers.get(node.inputs[0], ())) == 1 if x is not None else False
            if x is None or not alone or node.inputs[0] in wanted:
                continue
            kind = "max" if is_shifted(node) else "sum"
            self.dependent[node] = _exponentials if kind == "max" else _squares
            self.first.add((kind, x, node.attrs["axes"]))
            if kind == "sum":
                self._centred(readers, node)

    def _centred(self, readers: Mapping[Tensor, list[Node]], squares: Node) -> None:
        """Takes the sum of what is squared too, if there is one, and nothing else reads that."""
        (d,) = squares.inputs[0].node.inputs
        for node in readers[d]:
            if node.op is squares.op and node.attrs == squares.attrs and len(readers[d]) == 2:
                self.dependent[node] = _deviations

    def visit(self, node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        """The output of a reduction by way of blocks."""
        make = self.dependent.get(node)
        if make is not None:
            whole = make(inputs[0], node.attrs["axes"])
        elif (node.op.name, *node.inputs[:1], node.attrs.get("axes")) in self.first:
            whole = _first(node.op, inputs[0], node.attrs["axes"])
        else:
            return None
        blame(whole, node)
        return (whole,)


def _blocked(node: Node) -> Tensor | None:
    """The x whose elements node combines, if it does so along leading axes and depends on another
    reduction of x along them; None for other nodes.
    """
    if node.op.name != "sum" or node.attrs["axes"] != tuple(range(len(node.attrs["axes"]))):
        return None
    x = shifted_parts(node.inputs[0])[0] if is_shifted(node) else squared(node)
    if x is None or x.dtype.bits < 32:
        return None
    axes = node.attrs["axes"]
    if isinstance(x.size, int) and _stays(x, axes, is_shifted(node)):
        return None
    return x if len(axes) == 1 or is_buffer(x) else None


def _stays(x: Tensor, axes: Axes, exponentials: bool) -> bool:
    """Whether all of x is better gone through twice."""
    few, block = (FEW_EXPONENTIALS, 0) if exponentials else (FEW, 1)
    return x.size < few or _Blocks(x, axes, few, LINES).fewest <= block


@dataclass(frozen=True)
class _Blocks:
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


def _of_exponentials(x: Tensor, axes: Axes) -> _Blocks:
    return _Blocks(x, axes, FEW_EXPONENTIALS, LINES)


def _of_squares(x: Tensor, axes: Axes) -> _Blocks:
    return _Blocks(x, axes, FEW, LINES_OF_SQUARES)


def _first(op: Op, x: Tensor, axes: Axes) -> Tensor:
    """The largest, or the sum, of x along the axes."""
    if op.name == "max":
        parts = _of_exponentials(x, axes)
        whole = largest(largest(parts.of(x), 1), parts.shared)
        rest = parts.left_over(x, least=1)
        return whole if rest is None else elementwise_maximum(whole, largest(rest, 0))
    return _Deviations(x, axes).total_of_all()


def _exponentials(e: Tensor, axes: Axes) -> Tensor:
    """sum(e, axes) of e = exp(x - repeated m)."""
    x, m = shifted_parts(e)
    parts = _of_exponentials(x, axes)
    whole = parts.total(rescaled(parts.of(x), m, (1,), parts.shared), e.dtype)
    rest = parts.left_over(x)
    return whole if rest is None else whole + reduce_sum(exp(_less(rest, m)), 0)


def _squares(y: Tensor, axes: Axes) -> Tensor:
    """sum(y, axes) of y = square(x - repeated k)."""
    about = _About(*_centre(y.node.inputs[0]), axes)
    squares, total = about.sums(square), about.sums(lambda d: d)
    return about.from_k(squares_about(about.shift, squares, total, about.length), square)


def _deviations(d: Tensor, axes: Axes) -> Tensor:
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


def _less(x: Tensor, k: Tensor) -> Tensor:
    """x - k, repeated along the first axis."""
    return x - broadcast(k, x.shape, tuple(range(1, x.ndim)))


class _Deviations:
    """The elements of each block about a `pivot` near them: `deviations`, in blocks; `length` of a
    block, for each block and element of a line, in float64.
    """

    def __init__(self, x: Tensor, axes: Axes):
        self.blocks, self.x = _of_squares(x, axes), x
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


class _About(_Deviations):
    """These, with the `shift` from k to the pivot, like `length`."""

    def __init__(self, x: Tensor, k: Tensor, axes: Axes):
        super().__init__(x, axes)
        kept = tuple(range(len(self.blocks.shared), self.pivot.ndim))
        self.k = k
        self.shift = self.pivot - broadcast(cast(k, float64), self.pivot.shape, kept)

    def from_k(self, moved: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
        """`total`, with what is left over as deviations from k."""
        return self.total(moved, lambda rest: of(_less(rest, self.k)))


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


BLOCK_REDUCTIONS = Pass(
    "block_reductions",
    block_reductions,
    "no sum along leading axes waits for another reduction of the same elements",
)
