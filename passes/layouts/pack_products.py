"""Constant matrices are laid out in the order in which products read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.ir.dtypes import float32, float64
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import blame, rebuild, topological
from graphc.ops.convolutions.windows import Windows
from graphc.ops.linear.contraction import Axes, DotGeneral, free_axes
from graphc.ops.linear.packed import PANEL, packed_product
from graphc.ops.recipes import made
from graphc.ops.source import is_constant
from graphc.passes.graph import Graph, Pass

#: Elements of the panels at most, for each one of the matrix.
MOST_PADDING = 1.25


def pack_products(graph: Graph) -> Graph:
    """The graph with products by matrices that nobody reads otherwise replaced."""
    panels = _panels(graph.results)

    def visit(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        u = panels.get(inputs[1]) if isinstance(node.op, DotGeneral) else None
        if u is None:
            return None
        columns = node.types[0].shape[-1]
        assert isinstance(columns, int), "a constant's lengths are known"
        y = packed_product(inputs[0], u, node.attrs["contract"][0], columns)
        blame(y, node)
        return (y,)

    return graph.with_results(rebuild(graph.results, visit) if panels else graph.results)


def _panels(results: Sequence[Tensor]) -> Mapping[Tensor, Tensor]:
    """The panels of each matrix that is laid out."""
    uses: dict[Tensor, set[Axes | None]] = {x: {None} for x in results}
    for node in topological(results):
        for k, x in enumerate(node.inputs):
            if is_constant(x):
                summed = node.attrs["contract"][1] if k == 1 and _pays(node) else None
                uses.setdefault(x, set()).add(summed)
    found: dict[Tensor, Tensor] = {}
    for x, ways in uses.items():
        way = ways.pop()
        if is_constant(x) and way is not None and not ways:
            found[x] = made("panels", x, way)
    return found


def _pays(node: Node) -> bool:
    """Whether a product of rows, not of a vector alone, reads a matrix that fills panels."""
    if not isinstance(node.op, DotGeneral) or node.attrs["batch"] != ((), ()):
        return False
    (x, w), (ours, theirs) = node.inputs, node.attrs["contract"]
    free = free_axes(w.ndim, theirs)
    if w.dtype not in (float32, float64) or len(free) != 1 or 0 in w.shape:
        return False
    columns = w.shape[free[0]]
    if isinstance(x.node.op, Windows):
        return False
    if not isinstance(columns, int) or -(-columns // PANEL) * PANEL > MOST_PADDING * columns:
        return False
    return x.ndim > len(ours)


PACK_PRODUCTS = Pass("pack_products", pack_products, "constant matrices lie as products read them")
