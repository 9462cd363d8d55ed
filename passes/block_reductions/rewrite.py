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

from graphc.ir.node import Node, Tensor
from graphc.ir.op import Op
from graphc.ir.walk import blame, rebuild, topological, users
from graphc.ops.arithmetic import maximum as elementwise_maximum
from graphc.ops.exponential import exp
from graphc.ops.reduction import largest
from graphc.ops.reduction import sum as reduce_sum
from graphc.passes.block_reductions import blocks
from graphc.passes.block_reductions.blocks import Axes, Blocks, of_exponentials
from graphc.passes.block_reductions.squares import (
    Deviations,
    less,
    sum_of_deviations,
    sum_of_squares,
)
from graphc.passes.fusion.roots import is_buffer
from graphc.passes.graph import Graph, Pass
from graphc.passes.share_reductions import is_shifted, rescaled, shifted_parts, squared


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
            self.dependent[node] = _exponentials if kind == "max" else sum_of_squares
            self.first.add((kind, x, node.attrs["axes"]))
            if kind == "sum":
                self._centred(readers, node)

    def _centred(self, readers: Mapping[Tensor, list[Node]], squares: Node) -> None:
        """Takes the sum of what is squared too, if there is one, and nothing else reads that."""
        (d,) = squares.inputs[0].node.inputs
        for node in readers[d]:
            if node.op is squares.op and node.attrs == squares.attrs and len(readers[d]) == 2:
                self.dependent[node] = sum_of_deviations

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
    few, block = (blocks.FEW_EXPONENTIALS, 0) if exponentials else (blocks.FEW, 1)
    return x.size < few or Blocks(x, axes, few, blocks.LINES).fewest <= block


def _first(op: Op, x: Tensor, axes: Axes) -> Tensor:
    """The largest, or the sum, of x along the axes."""
    if op.name == "max":
        parts = of_exponentials(x, axes)
        whole = largest(largest(parts.of(x), 1), parts.shared)
        rest = parts.left_over(x, least=1)
        return whole if rest is None else elementwise_maximum(whole, largest(rest, 0))
    return Deviations(x, axes).total_of_all()


def _exponentials(e: Tensor, axes: Axes) -> Tensor:
    """sum(e, axes) of e = exp(x - repeated m)."""
    x, m = shifted_parts(e)
    parts = of_exponentials(x, axes)
    whole = parts.total(rescaled(parts.of(x), m, (1,), parts.shared), e.dtype)
    rest = parts.left_over(x)
    return whole if rest is None else whole + reduce_sum(exp(less(rest, m)), 0)


BLOCK_REDUCTIONS = Pass(
    "block_reductions",
    block_reductions,
    "no sum along leading axes waits for another reduction of the same elements",
)
