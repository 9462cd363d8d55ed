"""Composites become what they are made of."""

from __future__ import annotations

from collections.abc import Sequence

import graphc.ops  # noqa: F401  # registers the composites
from graphc.ir.node import Node, Tensor
from graphc.ir.op import Op
from graphc.ir.walk import rebuild, topological, with_inputs
from graphc.passes.graph import Graph, Pass
from graphc.passes.layouts.arrange import arrange_products
from graphc.passes.layouts.sink import sink_transpositions


def decompose(graph: Graph) -> Graph:
    """The graph with every composite op written as others, and values in the order in which these
    give them.
    """
    if not any(_is_arranged(node) for node in topological(graph.results)):
        return graph
    sunk = sink_transpositions(rebuild(graph.results, _composed))
    return graph.with_results(arrange_products(sunk))


#: Ops that take images with their channels last.
_ARRANGED = ("winograd", "winograd_kernels", "convolution_packed")


def _is_arranged(node: Node) -> bool:
    """Whether the order of values in memory is of the compiler's choice."""
    return node.op.lowering == "composite" or node.op.name in _ARRANGED


def _composed(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
    if node.op.lowering != "composite":
        return None
    return node.op.compose(with_inputs(node, inputs))


def _composites() -> frozenset[str]:
    return frozenset(op.name for op in Op.registry.values() if op.lowering == "composite")


DECOMPOSE = Pass("decompose", decompose, "no composite op is left", forbids=_composites())
