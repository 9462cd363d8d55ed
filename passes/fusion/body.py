"""What fusion makes: the bodies of kernels."""

from __future__ import annotations

from collections.abc import Container
from typing import Literal

from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.ops.copying import copy
from graphc.passes.fusion.access import Access, domain_index, full_index, space
from graphc.passes.fusion.roles import Role


@dataclass(frozen=True, eq=False)
class Root:
    """A value of a kernel. "map": one element per point of the domain; "row": a reduction over the
    row axes; "rowmap": one element per row; "column": a reduction over the outer axes; "total":
    over all. `level` orders the loops over a row. `accesses` are the elements that it reads at
    domain index (i0, i1, ...), of values of the kernel too; `opaque` are index expressions whose
    value it uses.
    """

    tensor: Tensor
    role: Role
    level: int
    accesses: tuple[Access, ...]
    opaque: tuple[Dim, ...] = ()


@dataclass(frozen=True, eq=False)
class Body:
    """What a kernel computes.

    A "nest" loops over `domain`, of which `row_axes` are the inner ones; a "contraction" is a
    product (the first root) whose other roots are maps over its result; "loops" is one node that
    writes its own loops.
    """

    kind: Literal["nest", "contraction", "loops"]
    domain: tuple[Dim, ...]
    row_axes: tuple[int, ...]
    roots: tuple[Root, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def node(self) -> Node:
        return self.roots[0].tensor.node


def copy_body(x: Tensor, others: Container[Tensor] = ()) -> Body:
    """The kernel that copies x, which lies in memory, into memory of its own, under a name that
    none of the others has.
    """
    y, domain = copy(x), space(x.shape)
    while y in others:
        y = copy(y)
    access = Access(x, full_index(x.shape, domain_index(len(domain))))
    return Body("nest", domain, (), (Root(y, "map", 0, (access,)),), (x,), (y,))
