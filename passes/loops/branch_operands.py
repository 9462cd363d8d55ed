"""What only one branch of a switch reads is computed in that branch: where another one is taken,
it costs nothing.

Whether a call fails does not depend on it. What was written outside of the branches is checked in
any case, so this comes after the checks of the graph as written became results.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.ir.subgraph import Subgraph, literal_nodes
from graphc.ir.walk import rebuild, substitute, topological, with_inputs
from graphc.ops.loops.control import SWITCH, switch_node
from graphc.ops.source import placeholder
from graphc.passes.graph import Graph, Pass
from graphc.passes.lengths import demands_within
from graphc.passes.loops.branch_paths import paths

#: A branch: a switch, and which one of it.
Owner = tuple[Node, int]


@dataclass(frozen=True)
class Wider:
    """Branches that compute more by themselves, of other operands."""

    branches: tuple[Subgraph, ...]
    operands: tuple[Tensor, ...]


def move_into_branches(graph: Graph) -> Graph:
    """The graph with each value that one branch alone needs made in that branch."""
    nodes = topological(graph.results)
    if not any(node.op is SWITCH for node in nodes):
        return graph
    needed = paths(nodes, graph.results, lambda switch, k: (switch, k))
    inside = {node: path[0] for node, path in needed.items() if path}
    switches = {node for node, _ in inside.values() if node not in inside}
    literal = literal_nodes(graph.results)
    wider = {node: _wider(node, inside, literal) for node in switches}
    new: dict[Tensor, Tensor] = {}

    def visit(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor]:
        if node in wider:
            operands = [new.get(x, x) for x in wider[node].operands]
            results = switch_node(inputs[0], wider[node].branches, operands)
        else:
            results = with_inputs(node, inputs).outputs
        new.update(zip(node.outputs, results, strict=True))
        return results

    return graph.with_results(rebuild(graph.results, visit)) if wider else graph


def _wider(switch: Node, inside: Mapping[Node, Owner], literal: Collection[Node]) -> Wider:
    """The branches of a switch with the nodes that are needed in them."""
    pairs = list(zip(switch.inputs[1:], switch.attrs["branches"][0].inputs, strict=True))
    symbols = {x: symbol for x, symbol in pairs if not _is_moved(x.node, switch, inside)}
    for node, (owner, _) in inside.items():
        if owner is switch:
            for x in node.inputs:
                if x.node not in literal and not _is_moved(x.node, switch, inside):
                    symbols.setdefault(x, placeholder("operand", x.shape, x.dtype))
    bodies = tuple(_body(switch, k, symbols, inside) for k in range(len(switch.attrs["branches"])))
    return Wider(bodies, tuple(symbols))


def _is_moved(node: Node, switch: Node, inside: Mapping[Node, Owner]) -> bool:
    return node in inside and inside[node][0] is switch


def _body(
    switch: Node, k: int, symbols: Mapping[Tensor, Tensor], inside: Mapping[Node, Owner]
) -> Subgraph:
    """Branch k as a function of all symbols. It refuses what it did: what moves into it was asked
    for when the call began.
    """
    branch, operands = switch.attrs["branches"][k], switch.inputs[1:]
    here = [x for x in operands if inside.get(x.node) == (switch, k)]
    made = dict(symbols) | dict(zip(here, substitute(here, symbols), strict=True))
    given = {s: made[x] for s, x in zip(branch.inputs, operands, strict=True) if x in made}
    outputs = tuple(substitute(branch.outputs, given))
    return Subgraph(tuple(symbols.values()), outputs, demands_within(SWITCH, branch))


BRANCH_OPERANDS = Pass(
    "branch_operands", move_into_branches, "what one branch alone needs is made in it"
)
