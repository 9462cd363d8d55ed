"""Products in loops read what all steps share line by line: an operand that they would read across
its lines is turned once, before the loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.node import Node, Tensor
from graphc.ir.subgraph import Subgraph
from graphc.ir.walk import rebuild, topological
from graphc.ops.layout import transpose
from graphc.ops.linear.contraction import dot_general
from graphc.ops.loops.control import SCAN, scan_node
from graphc.passes.derivatives.branch_gradients import like
from graphc.passes.graph import Graph, Pass

#: Steps from which on it pays to turn an operand before them.
FEWEST = 4


def straighten(graph: Graph) -> Graph:
    """The graph with matrices turned before the scans in which products read them."""
    return graph.with_results(rebuild(graph.results, _straight))


def _straight(scan: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
    """The scan with further operands, None where it needs none."""
    if scan.op is not SCAN:
        return None
    body, length = scan.attrs["body"], scan.attrs["length"]
    own = scan.attrs["carries"] + scan.attrs["stacks"]
    shared = dict(zip(body.inputs[own:], inputs[own:], strict=True))
    crossed = {}
    for node in topological(body.outputs):
        matrix = _crossed(node)
        if matrix is not None and matrix in shared:
            crossed[node] = matrix
    if not crossed or (isinstance(length, int) and length < FEWEST):
        return None
    turned = {x: like(transpose(x).type, "turned") for x in dict.fromkeys(crossed.values())}

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        if node not in crossed:
            return None
        (axes, _) = node.attrs["contract"]
        symbol = turned[crossed[node]]
        return (dot_general(operands[0], symbol, node.attrs["batch"], (axes, (0,))),)

    outputs = tuple(rebuild(body.outputs, visit))
    inner = Subgraph((*body.inputs, *turned.values()), outputs)
    count = scan.attrs["carries"]
    matrices = [transpose(shared[x]) for x in turned]
    return scan_node(
        inner, inputs[:count], inputs[count:own], (*inputs[own:], *matrices), length,
        scan.attrs["reverse"],
    )  # fmt: skip


def _crossed(node: Node) -> Tensor | None:
    """The matrix along whose lines a product adds up, as its right operand."""
    if node.op.name != "dot_general" or node.attrs["batch"][0]:
        return None
    x, (_, axes) = node.inputs[1], node.attrs["contract"]
    if x.ndim != 2 or len(axes) != 1:
        return None
    (axis,) = axes
    while x.node.op.name == "transpose":
        axis, x = x.node.attrs["axes"][axis], x.node.inputs[0]
    return x if axis == 1 else None


STRAIGHTEN = Pass(
    "straighten",
    straighten,
    "products in a scan read the lines of what all steps share",
)
