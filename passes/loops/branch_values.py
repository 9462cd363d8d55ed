"""What several switches read in the branch that one index takes, as a `cond` and its gradient do,
is computed by a switch of its own before them: where another branch is taken, it is zeros, which
nobody reads.

What one switch alone reads in a branch is made in that branch, by the pass that follows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from graphc.ir.dim_values import evaluate, sizes
from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor
from graphc.ir.subgraph import Subgraph, literal_nodes
from graphc.ir.walk import substitute, topological
from graphc.ops.linear.einsum import NOMINAL
from graphc.ops.loops.control import SWITCH, switch_node
from graphc.ops.source import placeholder
from graphc.passes.derivatives.differentiate import zeros_like
from graphc.passes.graph import Graph, Pass
from graphc.passes.loops.branch_paths import paths

#: The node that makes an index and which of its outputs that is (`==` of tensors is an op), how
#: many branches it chooses from, and which of them it takes.
Case = tuple[Node, int, int, int]
#: Operations for each element that is kept from which on it pays to keep zeros instead.
WORTH = 8


def make_in_branches(graph: Graph) -> Graph:
    """The graph with a switch for what others need in one branch of the same index."""
    while True:
        nodes = topological(graph.results)
        if sum(node.op is SWITCH for node in nodes) < 2:
            return graph
        made = _made(nodes, graph.results)
        if not made:
            return graph
        graph = graph.with_results(substitute(graph.results, made))


def _made(nodes: Sequence[Node], results: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """What one group of nodes gives, and what a switch gives instead."""
    for case, group in _groups(nodes, results):
        inside = set(group)
        read = {x for node in nodes if node not in inside for x in node.inputs}
        kept = [y for node in group for y in node.outputs if y in read]
        if _is_worth(group, kept):
            return dict(zip(kept, _switch(case, inside, kept), strict=True))
    return {}


def _groups(nodes: Sequence[Node], results: Sequence[Tensor]) -> list[tuple[Case, list[Node]]]:
    """Nodes that several switches need in one case, those apart that a switch lies between."""
    alone = paths(nodes, results, lambda switch, k: (switch, k))
    cases = paths(nodes, results, _case)
    found: dict[tuple[Case, int], list[Node]] = {}
    depths: dict[Node, int] = {}
    for node in nodes:
        below = max((depths[x.node] for x in node.inputs), default=0)
        depths[node] = below + (node.op is SWITCH)
        if cases[node] and not alone[node] and not _chooses(node, cases[node][0]):
            found.setdefault((cases[node][0], below), []).append(node)
    return [(case, group) for (case, _), group in found.items()]


def _case(switch: Node, branch: int) -> Case:
    index = switch.inputs[0]
    return index.node, index.index, len(switch.attrs["branches"]), branch


def _chooses(node: Node, case: Case) -> bool:
    """Whether a node takes a branch by the index of a case itself."""
    return node.op is SWITCH and _case(node, case[-1]) == case


def _is_worth(group: Sequence[Node], kept: Sequence[Tensor]) -> bool:
    work: Dim = sum((node.op.cost(node) for node in group), 0)
    elements: Dim = sum((y.size for y in kept), 0)
    more = work - WORTH * elements
    return evaluate(more, dict.fromkeys(sizes(more), NOMINAL)) > 0


def _switch(case: Case, group: Collection[Node], kept: Sequence[Tensor]) -> Sequence[Tensor]:
    """What is kept of a group of nodes, as a switch makes it."""
    maker, output, count, taken = case
    literal = literal_nodes(kept)
    outer = dict.fromkeys(
        x for node in group for x in node.inputs if x.node not in group and x.node not in literal
    )
    symbols = tuple(placeholder("operand", x.shape, x.dtype) for x in outer)
    made = tuple(substitute(kept, dict(zip(outer, symbols, strict=True))))
    nothing = tuple(map(zeros_like, kept))
    bodies = [Subgraph(symbols, made if k == taken else nothing, ()) for k in range(count)]
    return switch_node(maker.outputs[output], bodies, tuple(outer))


BRANCH_VALUES = Pass(
    "branch_values", make_in_branches, "what switches need in one case alone is made in that case"
)
