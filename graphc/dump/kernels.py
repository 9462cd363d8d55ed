"""What each kernel fuses, computes and moves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from graphc.backends.program import Program
from graphc.executable import KernelInfo
from graphc.ir.dims import Dim
from graphc.ir.node import Node
from graphc.passes.fusion.body import Body

#: Ops that move or shape values: a kernel is named after them only if it does nothing else.
QUIET = {
    *("broadcast", "cast", "checked_index", "copy", "equal", "extent", "iota", "negative"),
    *("not_equal", "reshape", "slice", "stop_gradient", "transpose", "where"),
}
TITLE_OPS = 4
_SHORT = {"dot_general": "dot", "dot_packed": "dot"}


def kernel_infos(program: Program) -> tuple[KernelInfo, ...]:
    """One record for each fused body, in the order in which they run."""
    return tuple(kernel_info(k, body) for k, body in enumerate(program.bodies))


def kernel_info(number: int, body: Body) -> KernelInfo:
    """The record of one body; its name is its number and its title."""
    nodes = list(fused_nodes(body))
    flops: Dim = 0
    moved: Dim = 0
    for node in nodes:
        flops = flops + node.op.cost(node)
    for x in (*body.inputs, *body.outputs):
        moved = moved + x.type.bytes
    ops = tuple(node.op.name for node in nodes)
    words = re.sub(r"\W+", "_", title_of(nodes)).strip("_")
    return KernelInfo(f"{number}_{words}", body.kind, ops, flops, moved)


def title_of(nodes: Sequence[Node]) -> str:
    """What a kernel does, in the ops that count: products and reductions, costly functions, the
    last one; such as "dot + add + maximum".
    """
    telling = [n for n in nodes if n.op.name not in QUIET] or list(nodes)
    chosen = sorted(range(len(telling)), key=lambda k: (-_weight(telling, k), -k))
    names: dict[str, None] = {}
    for k in chosen:
        if len(names) < TITLE_OPS:
            names[telling[k].op.name] = None
    in_order = dict.fromkeys(n.op.name for n in telling if n.op.name in names)
    left = {n.op.name for n in telling} - names.keys()
    return " + ".join(_SHORT.get(n, n) for n in in_order) + (" + ..." if left else "")


def _weight(nodes: Sequence[Node], k: int) -> int:
    op = nodes[k].op
    if op.lowering in ("contraction", "reduce", "loops"):
        return 3
    if k == len(nodes) - 1:
        return 2
    return 1 if getattr(op, "flops", 1) > 2 else 0


def fused_nodes(body: Body) -> Iterator[Node]:
    """The nodes that a kernel evaluates, inputs before users; literals and values from memory are
    not among them.
    """
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
        stack.extend(
            (x.node, False)
            for x in reversed(node.inputs)
            if x not in memory and x.node not in done and _is_computed(x.node)
        )


def _is_computed(node: Node) -> bool:
    return node.op.name != "constant" and node.op.lowering != "source"
