"""In which branches of switches values are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from graphc.ir.node import Node, Tensor
from graphc.ir.walk import topological
from graphc.ops.loops.control import SWITCH

Owner = TypeVar("Owner")


def paths(
    nodes: Sequence[Node], results: Sequence[Tensor], owner: Callable[[Node, int], Owner]
) -> dict[Node, tuple[Owner, ...]]:
    """Where each node is needed: in the branches that all who read it have in common, from the
    outermost on, each as its `owner`. Memory that exists before is needed nowhere in particular.
    """
    found: dict[Node, tuple[Owner, ...]] = {x.node: () for x in results}
    for node in reversed(nodes):
        path = found.setdefault(node, ())
        if node.op.lowering == "source" or not node.inputs:
            found[node] = ()
        ends = _ends(node) if node.op is SWITCH else {}
        for x in dict.fromkeys(node.inputs):
            here = (*path, owner(node, ends[x])) if x in ends else path
            found[x.node] = _common(found[x.node], here) if x.node in found else here
    return found


def _ends(node: Node) -> dict[Tensor, int]:
    """The branch of a switch that reads an operand, where it is one alone."""
    readers: dict[Tensor, set[int]] = {x: set() for x in node.inputs[1:]}
    for k, branch in enumerate(node.attrs["branches"]):
        read = {y for n in topological(branch.outputs) for y in (*n.inputs, *n.outputs)}
        for x, symbol in zip(node.inputs[1:], branch.inputs, strict=True):
            if symbol in read:
                readers[x].add(k)
    readers.pop(node.inputs[0], None)
    return {x: min(found) for x, found in readers.items() if len(found) == 1}


def _common(a: tuple[Owner, ...], b: tuple[Owner, ...]) -> tuple[Owner, ...]:
    same = 0
    while same < min(len(a), len(b)) and a[same] == b[same]:
        same += 1
    return a[:same]
