"""One way to write what can be written in several: fewer rules match more, and equals meet."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.node import Node, Tensor, apply
from graphc.ir.walk import rebuild
from graphc.passes.graph import Graph, Pass
from graphc.passes.pattern import literal


def canonicalise(graph: Graph) -> Graph:
    """The graph in canonical form: numbers stand on the right of commutative ops, other operands in
    the order in which they are first computed; ops that do nothing, or that only differentiation
    heeds, are gone.
    """
    rank: dict[Tensor, int] = {}

    def visit(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        result = _canonical(node, inputs, rank)
        for x in node.outputs if result is None else result:
            rank.setdefault(x, len(rank))
        return result

    return graph.with_results(rebuild(graph.results, visit))


def _canonical(
    node: Node, inputs: tuple[Tensor, ...], rank: dict[Tensor, int]
) -> Sequence[Tensor] | None:
    if node.op.name == "with_gradient":
        return inputs[: node.attrs["count"]]
    if node.op.name == "stop_gradient" or _does_nothing(node):
        return inputs
    if node.op.commutative:
        inputs = tuple(sorted(inputs, key=lambda x: (literal(x) is not None, rank[x])))
    if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
        return node.outputs
    moved = apply(node.op, *inputs, **node.attrs)
    moved.source = node.source
    return moved.outputs


def _does_nothing(node: Node) -> bool:
    """Whether a cast, reshape, broadcast or transposition keeps its input as it is."""
    if node.op.name not in ("cast", "reshape", "broadcast", "transpose"):
        return False
    if node.op.name == "transpose":
        return bool(node.attrs["axes"] == tuple(range(len(node.attrs["axes"]))))
    return node.types[0] == node.inputs[0].type


CANONICALISE = Pass(
    "canonicalise",
    canonicalise,
    "numbers on the right, operands in a fixed order, nothing that does nothing",
    forbids=frozenset({"stop_gradient", "with_gradient"}),
)
