"""What nodes and kernels compute, as text that is equal in every process."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from graphc.ir.node import Node, Tensor
from graphc.ir.op import Op
from graphc.ir.subgraph import Subgraph
from graphc.ir.walk import topological
from graphc.ops.literal import Literal
from graphc.ops.source import State

if TYPE_CHECKING:
    from graphc.passes.fusion.body import Body


def line_of(node: Node, number: dict[Node, int], where: bool = True) -> str:
    """A node as a line of text, with the numbers of the nodes it reads; `where` it was written is
    told of nodes whose errors say so.
    """
    inputs = ",".join(reference(x, number) for x in node.inputs)
    attrs = ";".join(f"{name}={_canonical(value)}" for name, value in sorted(node.attrs.items()))
    types = ",".join(map(str, node.types))
    source = node.source
    place = ""
    if where and source is not None and node.op.checks(node):
        place = f"{source} {source.function} {source.axes}"
    return f"{node.op.name}({inputs}){{{attrs}}}:{types}{place}\n"


def reference(x: Tensor, number: dict[Node, int]) -> str:
    """The number of the node that gives x, and which of its outputs x is."""
    return f"{number[x.node]}.{x.index}"


def identity_of(body: Body) -> str | None:
    """A hash of what a kernel computes over which loops, of operands of which types; None if some
    of its ops are not graphc's own, whose code may change unseen.
    """
    number: dict[Node, int] = {}
    lines: list[str] = []
    given, stored = set(body.inputs), set(body.outputs)
    for node in within(body):
        known = not given.isdisjoint(node.outputs)
        if not known and not is_own(node.op):
            return None
        number[node] = len(number)
        types = ",".join(map(str, node.types))
        lines.append(f"given:{types}\n" if known else line_of(node, number, where=False))
    for root in body.roots:
        kept = root.tensor in stored
        lines.append(f"{reference(root.tensor, number)} {root.role} {root.level} {kept}\n")
    loops = f"{body.kind} {'x'.join(map(str, body.domain))} {body.row_axes}"
    return hashlib.sha256("".join([*lines, loops]).encode()).hexdigest()[:16]


def within(body: Body) -> list[Node]:
    """The nodes that a kernel computes and those that give its operands, these before those."""
    given = {x.node for x in body.inputs} - {root.tensor.node for root in body.roots}
    order: dict[Node, None] = {}
    stack = [(root.tensor.node, False) for root in reversed(body.roots)]
    while stack:
        node, expanded = stack.pop()
        if node in order:
            continue
        if expanded or node in given:
            order[node] = None
            continue
        stack.append((node, True))
        stack.extend((x.node, False) for x in reversed(node.inputs))
    return list(order)


def _canonical(value: Any) -> str:
    if isinstance(value, Literal):
        return value.digest.hex()
    if isinstance(value, State):
        return f"state {value.trainable}"
    if isinstance(value, Subgraph):
        return _subgraph(value)
    if isinstance(value, (tuple, list)):
        return f"({','.join(map(_canonical, value))})"
    return type(value).__name__ if callable(value) else repr(value)


def _subgraph(body: Subgraph) -> str:
    """The lines of a graph inside a node."""
    number: dict[Node, int] = {}
    lines: list[str] = []
    for node in topological([*body.inputs, *body.outputs]):
        number[node] = len(number)
        lines.append(line_of(node, number) if is_own(node.op) else os.urandom(16).hex())
    ends = (
        ",".join(reference(x, number) for x in tensors) for tensors in (body.inputs, body.outputs)
    )
    return "".join(lines) + "|".join(ends)


@functools.lru_cache(maxsize=4096)
def is_own(op: Op) -> bool:
    """Whether the code of an op is part of graphc, so that graphc's version stands for it."""
    parts: Iterable[Any] = (type(op), *vars(op).values())
    return all(
        str(getattr(p, "__module__", "graphc")).split(".")[0] in _KNOWN
        for p in parts
        if callable(p)
    )


_KNOWN = {
    "graphc",
    "numpy",
    "scipy",
    "builtins",
    "functools",
    "operator",
    "_operator",
    "math",
    "None",
}
