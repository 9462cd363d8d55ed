"""Gradients of branches, and symbols for the bodies that gradients are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.ir.node import Node, Tensor
from graphc.ir.subgraph import Subgraph
from graphc.ir.types import TensorType
from graphc.ops.layout import broadcast
from graphc.ops.loops.control import switch_node
from graphc.ops.source import constant, placeholder

Pullback = Callable[[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]], list[Tensor]]
Gradients = Sequence[Tensor | None]


def pull_switch(
    node: Node, cotangents: Gradients, wanted: Sequence[bool], pullback: Pullback
) -> Gradients:
    """Cotangents of a switch's inputs; `wanted` says which are needed."""
    index, *operands = node.inputs
    active = [k for k, x in enumerate(operands) if wanted[k + 1] and x.dtype.is_float]
    given = [(k, g) for k, g in enumerate(cotangents) if g is not None]
    symbols = [like(g.type, f"cotangent{k}") for k, g in given]
    bodies = []
    for branch in node.attrs["branches"]:
        outputs = [branch.outputs[k] for k, _ in given]
        grads = pullback(outputs, [branch.inputs[k] for k in active], symbols)
        bodies.append(Subgraph((*branch.inputs, *symbols), tuple(grads)))
    results = switch_node(index, bodies, [*operands, *(g for _, g in given)]) if active else ()
    found: list[Tensor | None] = [None] * len(node.inputs)
    for k, g in zip(active, results, strict=True):
        found[k + 1] = g
    return found


def like(type_: TensorType, name: str) -> Tensor:
    """A symbol of a type."""
    return placeholder(name, type_.shape, type_.dtype)


def zeros(type_: TensorType) -> Tensor:
    """Nothing of a type yet added up."""
    return broadcast(constant(0, type_.dtype), type_.shape, ())
