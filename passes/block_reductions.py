"""A reduction that depends on another one of the same elements is made of blocks of lines.

    sum(exp(x - repeated m), 0), where m = max(x, 0)
    sum(square(x - repeated k), 0), where k = sum(x, 0) / n

need all of x twice: once for m or k, and once more. Of a block of lines that the cache holds, the
second reading is free: the block has an m or k of its own, and its sum is brought to the whole's m
or k afterwards. Only roundings change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from graphc.ir.dims import Dim, floordiv, maximum, minimum, product
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import blame, rebuild, topological, users
from graphc.ops.convert import cast
from graphc.ops.creation import arange
from graphc.ops.extent import extent
from graphc.ops.layout import broadcast, reshape
from graphc.ops.padding import place
from graphc.ops.reduction import max as reduce_max
from graphc.ops.reduction import sum as reduce_sum
from graphc.ops.select import where
from graphc.passes.differentiate import zeros_like
from graphc.passes.graph import Graph, Pass
from graphc.passes.roots import is_buffer
from graphc.passes.share_reductions import (
    is_shifted,
    rescaled,
    shifted_parts,
    squared,
    squares_about,
)

Axes = tuple[int, ...]
#: Elements of a block: what stays in a core's cache while it is read twice.
BLOCK = 2**15
#: Elements of a line that are at work at once.
TILE = 512
#: Elements that the cache holds anyway.
FEW = 2**18


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
            reduce = reduce_max if node.op.name == "max" else reduce_sum
            least = -float("inf") if node.op.name == "max" else 0.0
            blocks = _Blocks(inputs[0], node.attrs["axes"])
            whole = reduce(reduce(blocks.of(inputs[0], least), 1), 0)
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
    if isinstance(x.size, int) and (x.size < FEW or _Blocks(x, axes).number == 1):
        return None
    return x if len(axes) == 1 or is_buffer(x) else None


def _most_rows(line: Dim) -> Dim:
    """Lines of so many elements in a block."""
    return floordiv(BLOCK, maximum(1, minimum(TILE, line)))


@dataclass(frozen=True)
class _Blocks:
    """Lines of x, along what is left of its axes, in `number` blocks of `rows`: as few as hold them
    in the cache, none empty, the last filled up.
    """

    x: Tensor
    axes: Axes

    @property
    def count(self) -> Dim:
        return product(self.x.shape[a] for a in self.axes)

    @property
    def rest(self) -> tuple[Dim, ...]:
        return self.x.shape[len(self.axes) :]

    @property
    def number(self) -> Dim:
        most = _most_rows(product(self.rest))
        return maximum(1, floordiv(self.count + most - 1, most))

    @property
    def rows(self) -> Dim:
        return floordiv(self.count + self.number - 1, self.number)

    def of(self, x: Tensor, fill: float) -> Tensor:
        """x as (number, rows, *rest), with `fill` where there is none."""
        lines = reshape(x, (self.count, *self.rest))
        shape = (self.number * self.rows, *self.rest)
        zeros = (0,) * len(shape)
        whole = place(lines, shape, zeros, (1,) * len(shape), fill)
        return reshape(whole, (self.number, self.rows, *self.rest))

    @property
    def even(self) -> bool:
        """Whether every block is known to be full."""
        return self.number * self.rows == self.count

    def lengths(self) -> Tensor:
        """How many lines each block has, as numbers of x's dtype."""
        rows = broadcast(extent(self.rows, self.x.dtype), (self.number,), ())
        if self.even:
            return rows
        first = arange(self.number) * extent(self.rows)
        left = cast(extent(self.count) - first, self.x.dtype)
        return where(left < rows, left, rows)


def _exponentials(e: Tensor, axes: Axes) -> Tensor:
    """sum(e, axes) of e = exp(x - repeated m)."""
    x, m = shifted_parts(e)
    blocks = _Blocks(x, axes)
    return reduce_sum(rescaled(blocks.of(x, -float("inf")), m, (1,), (0,)), 0, x.dtype)


def _squares(y: Tensor, axes: Axes) -> Tensor:
    """sum(y, axes) of y = square(x - repeated k)."""
    about = _About(*_centre(y.node.inputs[0]), axes)
    moved = squares_about(about.shift, about.deviations, about.lengths, (1,))
    return reduce_sum(about.checked(moved), 0)


def _deviations(d: Tensor, axes: Axes) -> Tensor:
    """sum(d, axes) of d = x - repeated k."""
    about = _About(*_centre(d), axes)
    moved = reduce_sum(about.deviations, 1) + about.lengths * about.shift
    return reduce_sum(about.checked(moved), 0)


def _centre(d: Tensor) -> tuple[Tensor, Tensor]:
    """x and k of d = x - repeated k."""
    x, repeated = d.node.inputs
    return x, repeated.node.inputs[0]


class _About:
    """The elements of each block about its own mean: `deviations`, in blocks; `lengths` of the
    blocks and the `shift` from k to their means, for each block and element of a line.
    """

    def __init__(self, x: Tensor, k: Tensor, axes: Axes):
        blocks = _Blocks(x, axes)
        n = blocks.lengths()
        shape = (blocks.number, blocks.rows, *blocks.rest)
        total = reduce_sum(blocks.of(x, 0.0), 1)
        mean = total * broadcast(1 / n, total.shape, (0,))
        d = blocks.of(x, 0.0) - broadcast(mean, shape, (0, *range(2, len(shape))))
        if not blocks.even:
            d = where(blocks.of(broadcast(extent(1, "bool"), x.shape, ()), False), d, zeros_like(d))
        self.deviations, self.lengths = d, broadcast(n, total.shape, (0,))
        self.shift = mean - broadcast(k, mean.shape, tuple(range(1, mean.ndim)))
        self._never_empty = isinstance(blocks.count, int)

    def checked(self, moved: Tensor) -> Tensor:
        """What the blocks give; nothing, where there are no elements and so no mean."""
        if self._never_empty:
            return moved
        return where(self.lengths > 0, moved, zeros_like(moved))


BLOCK_REDUCTIONS = Pass(
    "block_reductions",
    block_reductions,
    "no sum along leading axes waits for another reduction of the same elements",
)
