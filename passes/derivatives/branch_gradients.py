"""Gradients of branches, and symbols for the bodies that gradients are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.ir.node import Node, Tensor
from graphc.ir.subgraph import Subgraph, free_tensors
from graphc.ir.types import TensorType
from graphc.ir.walk import substitute
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
    branches = node.attrs["branches"]
    flat: list[Tensor] = []
    for branch in branches:
        outputs = [branch.outputs[k] for k, _ in given]
        flat += pullback(outputs, [branch.inputs[k] for k in active], symbols)
    flat, captured = closed(flat, [*symbols, *(x for branch in branches for x in branch.inputs)])
    bodies = [
        Subgraph((*branch.inputs, *symbols, *captured.values()), tuple(flat[k : k + len(active)]))
        for branch, k in zip(branches, range(0, len(flat), len(active) or 1), strict=False)
    ]
    operands += [*(g for _, g in given), *captured]
    results = switch_node(index, bodies, operands) if active else ()
    found: list[Tensor | None] = [None] * len(node.inputs)
    for k, g in zip(active, results, strict=True):
        found[k + 1] = g
    return found


def closed(
    grads: Sequence[Tensor], inputs: Sequence[Tensor]
) -> tuple[list[Tensor], dict[Tensor, Tensor]]:
    """The gradients of a body as functions of its inputs and of symbols, by what these stand for:
    whatever else they read, as they may by rules that the user gave.
    """
    captured = {x: like(x.type, "captured") for x in free_tensors(grads, inputs)}
    return (substitute(grads, captured) if captured else list(grads)), captured


def like(type_: TensorType, name: str) -> Tensor:
    """A symbol of a type."""
    return placeholder(name, type_.shape, type_.dtype)


def zeros(type_: TensorType) -> Tensor:
    """Nothing of a type yet added up."""
    return broadcast(constant(0, type_.dtype), type_.shape, ())
