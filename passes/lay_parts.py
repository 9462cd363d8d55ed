"""Concatenations of many arrays copy one array after the other.

As an op that is read, a concatenation finds out for each vector of elements of which array it is,
and computes what all of them have there: that takes longer, the more arrays there are. Along the
axis of the vectors, loops tell a few apart; some small arrays are not worth kernels of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphc.ir.dims import bounds
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import blame, rebuild, topological
from graphc.ops.joining import Concat
from graphc.ops.laying import lay
from graphc.ops.layout import Reshape, reshape
from graphc.passes.graph import Graph, Pass

#: Arrays from which on a loop for each is better, along the last axis and along others.
MANY_LAST, MANY = 9, 4
#: Elements of an array, on average, below which its loop is not worth a kernel for the array.
FEW_ELEMENTS = 16
#: Arrays from which on that is quicker however small they are, and far quicker to compile.
MANY_SMALL = 32


def lay_parts(graph: Graph) -> Graph:
    """The graph with such concatenations laid out part by part."""
    if not any(_is_wide(node) for node in topological(graph.results)):
        return graph

    def visit(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        if not _is_wide(node):
            return None
        axis = node.attrs["axis"]
        parts = [_flat(_without(x, axis), axis) for x in inputs]
        found = reshape(lay(parts, axis, axis + 1), node.types[0].shape)
        blame(found, node)
        return (found,)

    return graph.with_results(rebuild(graph.results, visit))


def _is_wide(node: Node) -> bool:
    if type(node.op) is not Concat:
        return False
    count, run = len(node.inputs), math.prod(node.types[0].shape[node.attrs["axis"] + 1 :], start=1)
    if count < (MANY_LAST if run == 1 else MANY):
        return False
    _, most = bounds(node.types[0].size)
    return most is None or most >= FEW_ELEMENTS * count or count >= MANY_SMALL


def _without(x: Tensor, axis: int) -> Tensor:
    """What a part was before it was given the axis, if it was."""
    if not isinstance(x.node.op, Reshape):
        return x
    source = x.node.inputs[0]
    return source if x.shape == (*source.shape[:axis], 1, *source.shape[axis:]) else x


def _flat(x: Tensor, axis: int) -> Tensor:
    """The part with one axis instead of those from `axis` on: its elements there lie in a row."""
    if x.ndim == axis:
        return x
    return reshape(x, (*x.shape[:axis], math.prod(x.shape[axis:], start=1)))


LAY_PARTS = Pass("lay_parts", lay_parts, "many arrays are put together array by array")
