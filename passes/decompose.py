"""Composites become what they are made of."""

from __future__ import annotations

from collections.abc import Sequence

import graphc.ops  # noqa: F401  # registers the composites
from graphc.ir.node import Node, Tensor
from graphc.ir.op import Op
from graphc.ir.walk import rebuild, with_inputs
from graphc.passes.graph import Graph, Pass


def decompose(graph: Graph) -> Graph:
    """The graph with every composite op written as other ops."""
    return graph.with_results(rebuild(graph.results, _composed))


def _composed(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
    if node.op.lowering != "composite":
        return None
    return node.op.compose(with_inputs(node, inputs))


def _composites() -> frozenset[str]:
    return frozenset(op.name for op in Op.registry.values() if op.lowering == "composite")


DECOMPOSE = Pass("decompose", decompose, "no composite op is left", forbids=_composites())
