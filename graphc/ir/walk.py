"""Iterative walks over graphs; a graph of 100,000 nodes is no error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import is_

from graphc.ir.node import Node, Tensor, apply


def topological(outputs: Iterable[Tensor], since: int = 0) -> list[Node]:
    """Every node that the outputs depend on, inputs before users, in a fixed order.

    Nodes with a serial below `since`, which cannot depend on newer ones, are left out.
    """
    order: list[Node] = []
    done: set[Node] = set()
    begun: set[Node] = set()
    stack = [x.node for x in outputs if x.node.serial >= since]
    stack.reverse()
    while stack:
        node = stack.pop()
        if node in done:
            continue
        if node.inputs and node not in begun:
            waiting = [n for x in node.inputs if (n := x.node) not in done and n.serial >= since]
            if waiting:
                begun.add(node)
                waiting.append(node)
                waiting.reverse()
                stack += waiting
                continue
        done.add(node)
        order.append(node)
    return order


def users(outputs: Iterable[Tensor]) -> dict[Tensor, list[Node]]:
    """For each tensor, the nodes that read it (once per node), in topological order."""
    found: dict[Tensor, list[Node]] = {}
    for node in topological(outputs):
        for x in dict.fromkeys(node.inputs):
            found.setdefault(x, []).append(node)
    return found


def rebuild(
    outputs: Iterable[Tensor],
    visit: Callable[[Node, tuple[Tensor, ...]], Iterable[Tensor] | None],
    replaced: Mapping[Tensor, Tensor] | None = None,
    since: int = 0,
) -> list[Tensor]:
    """The graph with every node replaced by `visit(node, new_inputs)`; where that gives None, the
    node is rebuilt on its new inputs. Nodes with a serial below `since` stay as they are.
    """
    new: dict[Tensor, Tensor] = dict(replaced or {})
    outputs = list(outputs)
    for node in topological(outputs, since):
        if new and all(map(new.__contains__, node.outputs)):
            continue
        inputs = tuple(map(new.get, node.inputs, node.inputs))
        result = visit(node, inputs)
        results = with_inputs(node, inputs).outputs if result is None else tuple(result)
        for old, replacement in zip(node.outputs, results, strict=True):
            if old.label and not replacement.label:
                replacement.label = old.label
            new.setdefault(old, replacement)
    return [new.get(x, x) for x in outputs]


def with_inputs(node: Node, inputs: tuple[Tensor, ...]) -> Node:
    """The same op and attributes on other inputs; the node itself if they are its own."""
    if len(inputs) == len(node.inputs) and all(map(is_, inputs, node.inputs)):
        return node
    new = apply(node.op, *inputs, **node.attrs)
    if node.source is not None:
        new.source = node.source
    return new


def interned(
    outputs: Iterable[Tensor], replaced: Mapping[Tensor, Tensor], since: int
) -> list[Tensor]:
    """The outputs with some tensors replaced, in which nodes from the serial `since` on, made
    `apart`, are again those that equal ones are everywhere.
    """

    def visit(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor]:
        if node.op.lowering == "source":
            return node.outputs
        new = apply(node.op, *inputs, **node.attrs)
        new.source = node.source or new.source
        return new.outputs

    return rebuild(outputs, visit, replaced, since)


def blame(new: Tensor, old: Node) -> None:
    """The user's line of the old node for those made just now in its place."""
    stack = [new.node]
    while stack:
        node = stack.pop()
        if node.serial > old.serial and node.source is not old.source:
            node.source = old.source
            stack.extend(x.node for x in node.inputs)


def substitute(outputs: Iterable[Tensor], replaced: Mapping[Tensor, Tensor]) -> list[Tensor]:
    """The outputs with some tensors replaced by others."""
    oldest = min((x.node.serial for x in replaced), default=0)
    return rebuild(outputs, lambda node, inputs: None, replaced, since=oldest)
