"""Simplification: rewriting by every rule until none applies."""

from __future__ import annotations

from graphc.passes.fold import constants_folded
from graphc.passes.graph import Graph, Pass
from graphc.passes.rewrite import rewrite


def simplify(graph: Graph) -> Graph:
    """The graph in a form to which no rule applies; relaxed rules take part if the graph allows."""
    from graphc.passes.rules import RULES  # hundreds: not to be made by a mere import of graphc

    rules = [law for law in RULES if graph.relaxed or not law.relaxed]
    return graph.with_results(rewrite(graph.results, [constants_folded, *rules]))


SIMPLIFY = Pass("simplify", simplify, "no rule of graphc.passes.rules applies")
