"""One loop instead of several: scans of the same body over the same operands run once and give all
their outputs; outputs of a scan that nobody reads are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.node import Node, Tensor
from graphc.ir.subgraph import Subgraph
from graphc.ir.walk import rebuild, topological
from graphc.ops.loops.control import SCAN, scan_node
from graphc.passes.derivatives.loop_gradients import family
from graphc.passes.graph import Graph, Pass


def merge_scans(graph: Graph) -> Graph:
    """The graph with each family of scans merged, and without unread outputs of scans."""
    families: dict[tuple[object, ...], list[Node]] = {}
    nodes = topological(graph.results)
    used = {x for node in nodes for x in node.inputs} | set(graph.results)
    for node in nodes:
        if node.op is SCAN:
            families.setdefault(family(node), []).append(node)
    replaced: dict[Node, Subgraph] = {}
    for members in families.values():
        wanted = _wanted(members, used)
        if len(members) > 1 or len(wanted) < len(members[0].outputs):
            body = Subgraph(members[0].attrs["body"].inputs, tuple(wanted))
            replaced.update(dict.fromkeys(members, body))
    if not replaced:
        return graph

    def visit(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        return _merged(node, inputs, replaced[node]) if node in replaced else None

    return graph.with_results(rebuild(graph.results, visit))


def _wanted(members: Sequence[Node], used: set[Tensor]) -> list[Tensor]:
    """The outputs of the common body: every carry, and the rows that somebody reads."""
    first = members[0]
    count = first.attrs["carries"]
    rows: dict[Tensor, None] = {}
    for node in members:
        for result, row in zip(
            node.outputs[count:], node.attrs["body"].outputs[count:], strict=True
        ):
            if result in used:
                rows[row] = None
    return [*first.attrs["body"].outputs[:count], *rows]


def _merged(node: Node, inputs: tuple[Tensor, ...], body: Subgraph) -> Sequence[Tensor]:
    """The results of the common loop in the order of the node's own outputs; unread ones are any of
    the same type.
    """
    attrs = node.attrs
    count, stacks = attrs["carries"], attrs["stacks"]
    operands = inputs[:count], inputs[count : count + stacks], inputs[count + stacks :]
    results = scan_node(body, *operands, attrs["length"], attrs["reverse"])
    place = {row: results[count + k] for k, row in enumerate(body.outputs[count:])}
    rows = [place.get(row) for row in attrs["body"].outputs[count:]]
    return [
        *results[:count],
        *(x if r is None else r for r, x in zip(rows, node.outputs[count:], strict=True)),
    ]


MERGE_SCANS = Pass(
    "merge_scans",
    merge_scans,
    "no two scans of one body over the same operands; every row of a scan is read",
)
