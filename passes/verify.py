"""The checker that runs after every pass: a wrong graph is found where it was made."""

from __future__ import annotations

import weakref
from collections.abc import Collection

from graphc.ir import dim_values
from graphc.ir.node import Node
from graphc.ir.op import Op
from graphc.ir.subgraph import free_tensors
from graphc.ir.types import is_static
from graphc.ir.walk import topological
from graphc.ops.loops.control import Control
from graphc.passes.graph import Graph

_sound: weakref.WeakKeyDictionary[Node, bool] = weakref.WeakKeyDictionary()
"""The nodes that were looked at, and whether they speak of named sizes."""


def verify(graph: Graph, forbids: Collection[str] = ()) -> None:
    """Raises AssertionError, naming a node, where the graph is unsound or holds a forbidden op."""
    inputs = {x.node for x in graph.inputs}
    known = graph.sizes
    for node in topological(graph.results):
        assert node.op.name not in forbids, f"{node!r} should not have survived"
        assert node.op.name != "placeholder" or node in inputs, f"{node!r} is not among the inputs"
        named = _sound.get(node)
        if named is None:
            _verify_node(node)
            named = _sound[node] = not all(is_static(type_.shape) for type_ in node.types)
        if named:
            _verify_sizes(node, known)
    for variable, new in graph.updates:
        assert variable.node.op.name == "variable", f"{variable!r} is updated but no variable"
        assert new.type == variable.type, f"{variable!r} cannot become {new!r}"
    seen = [variable.node for variable, _ in graph.updates]
    assert len(set(seen)) == len(seen), "a variable is updated twice"


def _verify_node(node: Node) -> None:
    """Nodes never change, so that each is looked at once."""
    assert Op.registry.get(node.op.name) is node.op, f"{node!r} has an unregistered op"
    for x in node.inputs:
        assert x.node.outputs[x.index] is x, f"{node!r} reads a tensor that its node does not make"
        assert x.node.serial < node.serial, f"{node!r} is older than its input {x!r}"
    for name, value in node.attrs.items():
        assert getattr(value, "__hash__", None), f"attribute {name} of {node!r} cannot be hashed"
    if node.op.lowering == "source":
        return
    types = tuple(node.op.infer(*(x.type for x in node.inputs), **node.attrs))
    assert types == node.types, f"{node!r} should have the types {', '.join(map(str, types))}"
    for body in node.op.bodies(node.attrs) if isinstance(node.op, Control) else ():
        free = free_tensors(body.outputs, body.inputs)
        assert not free, f"a body of {node!r} reads {free[0]!r}, which is not among its inputs"


def _verify_sizes(node: Node, known: frozenset[str]) -> None:
    """Every named size is the length of some axis of an input: it is known when a call begins."""
    for type_ in node.types:
        for d in type_.shape:
            if not isinstance(d, int):
                unknown = dim_values.sizes(d) - known
                assert not unknown, f"{node!r} depends on sizes {sorted(unknown)} of no input"
