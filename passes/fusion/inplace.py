"""When a variable's new value may be written over the old one, and the order of kernels that makes
it so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from graphc.ir.dim_values import substitute
from graphc.ir.node import Tensor
from graphc.passes.fusion.access import domain_index, full_index
from graphc.passes.fusion.body import Body
from graphc.passes.fusion.roots import base

#: The value that a symbolic size is given when kernels are compared.
TYPICAL = 128
#: Ops whose kernels write what changes of their first input alone.
PARTIAL = ("block_write", "scatter_write")


def settle_order(
    bodies: Sequence[Body], targets: Mapping[Tensor, Tensor], failing: Set[Body] = frozenset()
) -> list[Body]:
    """The bodies in a valid order in which kernels that write variables come after all other
    readers of the old values and after all kernels whose checks can fail, where that can be.
    `targets` gives the variable of each new value.
    """
    maker = {x: k for k, body in enumerate(bodies) for x in body.outputs}
    needs = [
        {maker[base(x)] for x in body.inputs if base(x) in maker} - {k}
        for k, body in enumerate(bodies)
    ]
    readers: dict[Tensor, set[int]] = {}
    for k, body in enumerate(bodies):
        for x in body.inputs:
            readers.setdefault(base(x), set()).add(k)
    fail = {k for k, body in enumerate(bodies) if body in failing}
    waits: list[set[int]] = [set() for _ in bodies]
    for x, variable in targets.items():
        if x in maker:
            waits[maker[x]] |= (readers.get(variable, set()) | fail) - {maker[x]}
    return [bodies[k] for k in _ordered(needs, waits, _Memory(bodies, maker, readers))]


class _Memory:
    """Bytes that kernels free, as far as known while they are put in order; every symbolic size
    counts as `TYPICAL`.
    """

    def __init__(
        self,
        bodies: Sequence[Body],
        maker: Mapping[Tensor, int],
        readers: Mapping[Tensor, set[int]],
    ):
        self.made = [sum(_typical(x) for x in body.outputs if x in readers) for body in bodies]
        self.reads = [{base(x) for x in body.inputs if base(x) in maker} for body in bodies]
        self.left = {x: len(found) for x, found in readers.items()}

    def freed(self, k: int) -> int:
        """Bytes of values that only kernel k still reads, less those that it makes."""
        return sum(_typical(x) for x in self.reads[k] if self.left[x] == 1) - self.made[k]

    def run(self, k: int) -> None:
        """Kernel k has its place."""
        for x in self.reads[k]:
            self.left[x] -= 1


def _typical(x: Tensor) -> int:
    found = substitute(x.type.bytes, lambda a: TYPICAL if a.kind == "size" else None)
    return found if isinstance(found, int) else TYPICAL


def _ordered(needs: Sequence[set[int]], waits: Sequence[set[int]], memory: _Memory) -> list[int]:
    """Numbers in an order in which each comes after its needs, and after what it waits for unless
    nothing else can go on. What frees memory comes first, then the smallest number.
    """
    unmet, pending = [len(n) for n in needs], [len(w) for w in waits]
    users, waiters = _inverse(needs), _inverse(waits)
    free = [k for k, n in enumerate(unmet) if not n and not pending[k]]
    held = {k for k, n in enumerate(unmet) if not n and pending[k]}
    order: list[int] = []
    while free or held:
        done = min(free or held, key=lambda k: (min(0, -memory.freed(k)), k))
        free = [k for k in free if k != done]
        held.discard(done)
        order.append(done)
        memory.run(done)
        for k in users[done]:
            unmet[k] -= 1
            if not unmet[k]:
                held.add(k)
        for k in waiters[done]:
            pending[k] -= 1
        for k in [k for k in held if not pending[k]]:
            held.remove(k)
            free.append(k)
    return order


def _inverse(sets: Sequence[set[int]]) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in sets]
    for k, members in enumerate(sets):
        for j in members:
            found[j].append(k)
    return found


def overwrites(bodies: Sequence[Body], position: int, x: Tensor, variable: Tensor) -> bool:
    """Whether x, made by bodies[position], may be stored where the variable lies: nobody reads the
    old value later, and this kernel reads of it exactly the element that it is about to write.
    """
    if any(base(y) is variable for body in bodies[position + 1 :] for y in body.inputs):
        return False
    body = bodies[position]
    if all(base(y) is not variable for y in body.inputs):
        return True
    if writes_part(body):
        old, *others = body.node.inputs
        return old is variable and all(base(y) is not variable for y in others)
    return body.kind != "loops" and _reads_only_own_element(body, x, variable)


def writes_part(body: Body) -> bool:
    """Whether the kernel writes a part alone, of an array that is in the result's memory."""
    return body.node.op.name in PARTIAL


def _reads_only_own_element(body: Body, x: Tensor, variable: Tensor) -> bool:
    own = next(root for root in body.roots if root.tensor is x)
    here = full_index(x.shape, domain_index(len(body.domain)))
    for root in body.roots:
        for access in root.accesses:
            if base(access.tensor) is variable:
                same = access.tensor is variable and access.index == here
                if (
                    not same
                    or own.role != "map"
                    or root.level != own.level
                    or root.role == "rowmap"
                ):
                    return False
    return True
