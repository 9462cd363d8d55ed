"""The passes in the order in which they run; a checker holds each to its promise."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from graphc.ir.errors import GraphError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op
from graphc.ir.source import on_one_line
from graphc.ir.subgraph import Subgraph
from graphc.ir.walk import rebuild, topological
from graphc.ops.loops.bands import BANDS as BANDS_OP
from graphc.ops.loops.blocks import BLOCKS
from graphc.ops.loops.control import Control
from graphc.passes.bands.form import BANDS
from graphc.passes.block_reductions.rewrite import BLOCK_REDUCTIONS
from graphc.passes.block_writes import WRITE_BLOCKS
from graphc.passes.canonicalise import CANONICALISE
from graphc.passes.decompose import DECOMPOSE
from graphc.passes.drop import DROP
from graphc.passes.factor_inverses import FACTOR_INVERSES
from graphc.passes.fold import FOLD
from graphc.passes.graph import Graph, Pass
from graphc.passes.hold_checks import HOLD_CHECKS, KEEP_CHECKS
from graphc.passes.lay_parts import LAY_PARTS
from graphc.passes.layouts.pack_kernels import PACK_KERNELS
from graphc.passes.layouts.pack_products import PACK_PRODUCTS
from graphc.passes.layouts.winograd import WINOGRAD, takes_kernel_gradients
from graphc.passes.lengths import demands_within
from graphc.passes.loops.block_loops import BLOCK_LOOPS
from graphc.passes.loops.branch_operands import BRANCH_OPERANDS
from graphc.passes.loops.branch_values import BRANCH_VALUES
from graphc.passes.loops.merge_scans import MERGE_SCANS
from graphc.passes.loops.straighten import STRAIGHTEN
from graphc.passes.loops.strips import STRIPS
from graphc.passes.reciprocate import RECIPROCATE
from graphc.passes.share_reductions import SHARE_REDUCTIONS
from graphc.passes.simplify import SIMPLIFY
from graphc.passes.verify import verify

__all__ = ["PIPELINE", "Graph", "Pass", "Trace", "optimise"]

#: Called after each pass with its name, the graph it gave, and the seconds it took.
Trace = Callable[[str, Graph, float], None]

PIPELINE: tuple[Pass, ...] = (
    HOLD_CHECKS,
    CANONICALISE,
    FOLD,
    SIMPLIFY,
    CANONICALISE,
    MERGE_SCANS,
    DROP,
    BRANCH_VALUES,
    BRANCH_OPERANDS,
    KEEP_CHECKS,
    STRAIGHTEN,
    BLOCK_LOOPS,
    STRIPS,
    BANDS,
    SHARE_REDUCTIONS,
    BLOCK_REDUCTIONS,
    RECIPROCATE,
    FACTOR_INVERSES,
    WINOGRAD,
    PACK_KERNELS,
    DECOMPOSE,
    PACK_PRODUCTS,
    LAY_PARTS,
    WRITE_BLOCKS,
)


#: What remains to be done with the body that a pass made of optimised nodes.
REMAINING: Mapping[Op, Sequence[Pass]] = MappingProxyType(
    {
        BLOCKS: PIPELINE[PIPELINE.index(BLOCK_LOOPS) + 1 :],
        BANDS_OP: PIPELINE[PIPELINE.index(BANDS) + 1 :],
    }
)


def optimise(
    graph: Graph,
    disable: Collection[str] = (),
    trace: Trace | None = None,
    steps: Sequence[Pass] | None = None,
) -> Graph:
    """The graph after every pass (or those of `steps`) whose name is not in `disable`, bodies too.

    The graph is verified at the beginning and after each pass, and what a pass forbids is looked
    for from then on. Raises GraphError for a name in `disable` that no pass has.
    """
    if graph.trained is None:
        graph = replace(graph, trained=takes_kernel_gradients(graph.results))
    with on_one_line():
        return _with_bodies(_run(graph, disable, trace, steps or PIPELINE), disable)


def _with_bodies(graph: Graph, disable: Collection[str]) -> Graph:
    """The graph with the bodies of its loops and branches optimised too."""
    if not any(isinstance(node.op, Control) for node in topological(graph.results)):
        return graph
    known: dict[Subgraph, Subgraph] = {}

    def better(attribute: Any, steps: Sequence[Pass], op: Op) -> Any:
        if isinstance(attribute, tuple):
            return tuple(better(part, steps, op) for part in attribute)
        if isinstance(attribute, Subgraph) and attribute not in known:
            body = Graph(
                attribute.inputs,
                attribute.outputs,
                relaxed=graph.relaxed,
                outer=graph.sizes,
                trained=graph.trained,
            )
            inner = optimise(body, disable, None, steps)
            known[attribute] = Subgraph(inner.inputs, inner.outputs, demands_within(op, attribute))
        return known[attribute] if isinstance(attribute, Subgraph) else attribute

    def visit(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        if not isinstance(node.op, Control):
            return None
        steps = REMAINING.get(node.op, PIPELINE)
        attrs = {k: better(a, steps, node.op) for k, a in node.attrs.items()}
        return apply(node.op, *inputs, **attrs).outputs

    return graph.with_results(rebuild(graph.results, visit))


def _run(
    graph: Graph, disable: Collection[str], trace: Trace | None, steps: Sequence[Pass]
) -> Graph:
    names = list(dict.fromkeys(step.name for step in PIPELINE))
    for name in disable:
        if name not in names:
            raise GraphError(f"there is no pass {name!r}; the passes are {', '.join(names)}")
    verify(graph)
    forbidden: frozenset[str] = frozenset()
    for step in steps:
        if step.name in disable:
            continue
        begin = time.perf_counter()
        before, graph = graph, step.run(graph)
        seconds = time.perf_counter() - begin
        if graph is not before or not step.forbids <= forbidden:
            forbidden |= step.forbids
            verify(graph, forbidden)
        if trace is not None:
            trace(step.name, graph, seconds)
    return graph
