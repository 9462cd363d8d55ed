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

#: A branch: a switch, and which one of it.
Owner = tuple[Node, int]
#: The branches that a value is needed in, from the outermost on.
Path = tuple[Owner, ...]


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
    inside = {node: path[0] for node, path in _paths(nodes, graph.results).items() if path}
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


def _paths(nodes: Sequence[Node], results: Sequence[Tensor]) -> dict[Node, Path]:
    """Where each node is needed: in the branches that all who read it have in common. Memory that
    exists before is needed nowhere in particular.
    """
    found: dict[Node, Path] = {x.node: () for x in results}
    for node in reversed(nodes):
        path = found.setdefault(node, ())
        if node.op.lowering == "source" or not node.inputs:
            found[node] = ()
        ends = _ends(node) if node.op is SWITCH else {}
        for x in dict.fromkeys(node.inputs):
            here = (*path, *ends.get(x, ()))
            found[x.node] = _common(found[x.node], here) if x.node in found else here
    return found


def _ends(node: Node) -> dict[Tensor, Path]:
    """The branch of a switch that reads an operand, where it is one alone."""
    readers: dict[Tensor, set[int]] = {x: set() for x in node.inputs[1:]}
    for k, branch in enumerate(node.attrs["branches"]):
        read = {y for n in topological(branch.outputs) for y in (*n.inputs, *n.outputs)}
        for x, symbol in zip(node.inputs[1:], branch.inputs, strict=True):
            if symbol in read:
                readers[x].add(k)
    readers.pop(node.inputs[0], None)
    return {x: tuple((node, k) for k in found) for x, found in readers.items() if len(found) == 1}


def _common(a: Path, b: Path) -> Path:
    same = 0
    while same < min(len(a), len(b)) and a[same] == b[same]:
        same += 1
    return a[:same]


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
    """Branch k as a function of all symbols."""
    branch, operands = switch.attrs["branches"][k], switch.inputs[1:]
    here = [x for x in operands if inside.get(x.node) == (switch, k)]
    made = dict(symbols) | dict(zip(here, substitute(here, symbols), strict=True))
    given = {s: made[x] for s, x in zip(branch.inputs, operands, strict=True) if x in made}
    return Subgraph(tuple(symbols.values()), tuple(substitute(branch.outputs, given)))


BRANCH_OPERANDS = Pass(
    "branch_operands", move_into_branches, "what one branch alone needs is made in it"
)
