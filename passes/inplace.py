"""When a variable's new value may be written over the old one, and the order of kernels that makes
it so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.ir.node import Tensor
from graphc.passes.access import domain_index, full_index
from graphc.passes.fusion import Body
from graphc.passes.roots import base


def settle_order(bodies: Sequence[Body], targets: Mapping[Tensor, Tensor]) -> list[Body]:
    """The bodies in a valid order in which kernels that write variables come after all other
    readers of the old values,
    where that can be. `targets` gives the variable of each new value.
    """
    maker = {x: k for k, body in enumerate(bodies) for x in body.outputs}
    needs = [
        {maker[base(x)] for x in body.inputs if base(x) in maker} - {k}
        for k, body in enumerate(bodies)
    ]
    waits: list[set[int]] = [set() for _ in bodies]
    for x, variable in targets.items():
        if x in maker:
            readers = {
                k for k, body in enumerate(bodies) if any(base(y) is variable for y in body.inputs)
            }
            waits[maker[x]] |= readers - {maker[x]}
    done: list[int] = []
    left = list(range(len(bodies)))
    while left:
        ready = [k for k in left if needs[k] <= set(done)]
        k = next((k for k in ready if waits[k] <= set(done)), ready[0])
        done.append(k)
        left.remove(k)
    return [bodies[k] for k in done]


def overwrites(bodies: Sequence[Body], position: int, x: Tensor, variable: Tensor) -> bool:
    """Whether x, made by bodies[position], may be stored where the variable lies: nobody reads the
    old value later, and this
    kernel reads of it exactly the element that it is about to write.
    """
    if any(base(y) is variable for body in bodies[position + 1 :] for y in body.inputs):
        return False
    body = bodies[position]
    if all(base(y) is not variable for y in body.inputs):
        return True
    return body.kind != "loops" and _reads_only_own_element(body, x, variable)


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
