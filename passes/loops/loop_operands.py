"""What a loop reads of values that do not change in it: not what is only repeated from something
smaller, where the functions of its body can repeat that themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from graphc.ir.node import Node, Tensor
from graphc.ir.subgraph import free_tensors, literal_nodes
from graphc.ir.walk import topological
from graphc.ops.elementwise import Elementwise
from graphc.ops.reducing import Reduction

#: Operations per element that are done in every step rather than read from memory, at most.
CHEAP = 4
_LAYOUT = ("broadcast", "reshape", "transpose")


def loop_operands(outputs: Sequence[Tensor], inputs: Sequence[Tensor], begin: int) -> list[Tensor]:
    """What a body with these inputs reads of values that do not depend on them.

    A cheap function of repeated values is computed in the body, from what is repeated: fused there,
    it takes no memory. What has a serial below `begin` was made outside of the body, and stays so.
    """
    free = free_tensors(outputs, inputs)
    readers: dict[Tensor, list[Node]] = {x: [] for x in outputs}
    for node in topological(outputs):
        for x in node.inputs:
            readers.setdefault(x, []).append(node)
    literal, ends = literal_nodes(outputs), set(outputs)
    found: dict[Tensor, None] = {}
    for x in free:
        small = repeated_from(x, literal, begin) if _is_fused(x, readers, ends) else None
        found.update(dict.fromkeys([x] if small is None else small))
    return list(found)


def _is_fused(x: Tensor, readers: dict[Tensor, list[Node]], ends: set[Tensor]) -> bool:
    """Whether x is read by functions of elements alone, maybe turned before."""
    if x in ends:
        return False
    for node in readers[x]:
        if node.op.name in _LAYOUT:
            if not _is_fused(node.outputs[0], readers, ends):
                return False
        elif not isinstance(node.op, Elementwise | Reduction):
            return False
    return True


def repeated_from(
    x: Tensor, literal: set[Node], begin: int, flops: int = CHEAP, summed: int = 0
) -> dict[Tensor, None] | None:
    """The smaller tensors that x is repeated from; None where it is not, or not cheaply: with more
    operations per element than `flops`, or sums of more than `summed` repeated values.
    """
    node = x.node
    if node.serial < begin:
        return None
    if node.op.name == "broadcast":
        (y,) = node.inputs
        if y.node in literal:
            return {}
        if _repetitions(node) == 1:
            return repeated_from(y, literal, begin, flops, summed)
        return repeated_from(y, literal, begin, flops, summed) or {y: None}
    if node.op.name not in _LAYOUT:
        needed = _operations(node, summed)
        if needed is None or needed > flops:
            return None
        flops -= needed
    found: dict[Tensor, None] = {}
    for y in node.inputs:
        if y.node not in literal:
            part = repeated_from(y, literal, begin, flops, summed)
            if part is None:
                return None
            found.update(part)
    return found


def _operations(node: Node, summed: int) -> int | None:
    """For each element; None for what is no function of elements, or of too many."""
    if isinstance(node.op, Elementwise):
        return node.op.flops
    if not isinstance(node.op, Reduction):
        return None
    count = prod(node.inputs[0].shape[k] for k in node.attrs["axes"])
    return count if isinstance(count, int) and count <= summed else None


def _repetitions(node: Node) -> object:
    """How often a broadcast has each value, by the axes that it adds."""
    shape, kept = node.types[0].shape, node.attrs["axes"]
    return prod(d for k, d in enumerate(shape) if k not in kept)
