"""Errors do not depend on optimisations: a call fails of an index out of range wherever the graph
as written computes with one, whether or not a rewrite finds that the element is not needed.

The checks of the graph as written become results of their own, so that rewrites carry them along.
Afterwards those that remain in what is computed anyway, and is not known to be empty, are let go;
for the others, the first result waits. What no result needs as it was written is not computed, nor
checked; nor is an index into lines whose named length turns out to be 0, as nothing is read there.
In loops and branches this holds for each body by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

from graphc.ir.node import Node, Tensor
from graphc.ir.walk import blame, topological
from graphc.ops.barrier import after
from graphc.ops.checked import CheckedIndex
from graphc.ops.reduction import sum as total
from graphc.passes.graph import Graph, Pass

#: Ops that may read a part of their first input.
PARTIAL = frozenset({
    "affine_take", "diagonal", "dynamic_slice", "dynamic_update_slice", "gather", "shift", "slice",
    "windows",
})  # fmt: skip


def hold_checks(graph: Graph) -> Graph:
    """The graph with every check of a node as a result."""
    return replace(graph, checks=tuple(dict.fromkeys(_checks(topological(graph.results)))))


def keep_checks(graph: Graph) -> Graph:
    """The graph without results for checks; one waits for those that nothing else makes."""
    plain = replace(graph, checks=())
    if not graph.checks:
        return plain
    nodes = topological(plain.results)
    somewhere, whole = _read(nodes, plain.results, ()), _read(nodes, plain.results, PARTIAL)
    made = {_key(c) for c in _checks(somewhere) if not c.ndim} | {_key(c) for c in _checks(whole)}
    wanted = [x.outputs[0] for x in topological(graph.checks) if isinstance(x.op, CheckedIndex)]
    lost = [c for c in wanted if _key(c) not in made]
    return _waiting(plain, [total(c) if c.ndim else c for c in lost]) if lost else plain


def _checks(nodes: Iterable[Node]) -> Iterator[Tensor]:
    for node in nodes:
        for check in node.op.checks(node):
            blame(check, node)
            yield check


def _key(check: Tensor) -> Hashable:
    """What is checked, whoever it is for."""
    attrs = check.node.attrs
    return check.node.op, check.node.inputs, attrs["extent"], attrs.get("room")


def _read(nodes: Sequence[Node], results: Sequence[Tensor], partial: Collection[str]) -> list[Node]:
    """The nodes of which elements are computed: every one, if those of ops in `partial` do not
    count, which read only some of their first inputs.
    """
    read = {x.node for x in results}
    found: list[Node] = []
    for node in reversed(nodes):
        if node in read and _is_run(node):
            partly = node.op.name in partial and not _takes_all(node)
            read.update(x.node for x in node.inputs[partly:])
            found.append(node)
    return found[::-1]


def _is_run(node: Node) -> bool:
    """Whether there may be steps of the node's loops, which a scatter has for every index."""
    return node.op.name == "scatter" or any(t.size != 0 for t in node.types)


def _takes_all(node: Node) -> bool:
    """Whether a slice only turns its input round."""
    return node.op.name == "slice" and node.types[0].shape == node.inputs[0].shape


def _waiting(graph: Graph, checks: Sequence[Tensor]) -> Graph:
    """The graph with a result that comes after the checks."""
    results = list(graph.results)
    computed = [k for k, x in enumerate(results) if x.node.op.lowering != "source"]
    k = computed[0] if computed else 0
    results[k] = after(results[k], checks)
    return graph.with_results(results)


HOLD_CHECKS = Pass("hold_checks", hold_checks, "every check is a result")
KEEP_CHECKS = Pass("keep_checks", keep_checks, "no check of the graph as written is lost")
