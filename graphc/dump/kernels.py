"""What each kernel fuses, computes and moves."""

from __future__ import annotations

from collections.abc import Iterator

from graphc.backends.program import Program
from graphc.executable import KernelInfo
from graphc.ir.dims import Dim
from graphc.ir.node import Node
from graphc.passes.fusion import Body


def kernel_infos(program: Program) -> tuple[KernelInfo, ...]:
    """One record for each fused body, in the order in which they run."""
    return tuple(kernel_info(k, body) for k, body in enumerate(program.bodies))


def kernel_info(number: int, body: Body) -> KernelInfo:
    """The record of one body."""
    nodes = list(fused_nodes(body))
    flops: Dim = 0
    moved: Dim = 0
    for node in nodes:
        flops = flops + node.op.cost(node)
    for x in (*body.inputs, *body.outputs):
        moved = moved + x.type.bytes
    ops = tuple(node.op.name for node in nodes)
    return KernelInfo(f"{number}_{body.roots[-1].tensor.node.op.name}", body.kind, ops, flops, moved)


def fused_nodes(body: Body) -> Iterator[Node]:
    """The nodes that a kernel evaluates, inputs before users; literals and values from memory are not among them."""
    memory = set(body.inputs)
    done: set[Node] = set()
    stack = [(root.tensor.node, False) for root in reversed(body.roots)]
    while stack:
        node, expanded = stack.pop()
        if node in done:
            continue
        if expanded:
            done.add(node)
            yield node
            continue
        stack.append((node, True))
        for x in reversed(node.inputs):
            if x not in memory and x.node not in done and x.node.op.name not in ("constant",) and x.node.op.lowering != "source":
                stack.append((x.node, False))
