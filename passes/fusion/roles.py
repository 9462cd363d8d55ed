"""The role that a value can have in a kernel."""

from __future__ import annotations

from typing import Literal, Protocol

from graphc.ir.dims import Dim
from graphc.ir.node import Tensor
from graphc.passes.fusion.access import domain_index, space

Role = Literal["map", "row", "rowmap", "column", "total"]


class Group(Protocol):
    """A kernel while it grows."""

    kind: Literal["nest", "contraction", "loops"]
    domain: tuple[Dim, ...]
    row_axes: tuple[int, ...] | None


def domain_of(x: Tensor) -> tuple[tuple[Dim, ...], tuple[int, ...] | None]:
    """The domain over which x is computed and, for a reduction, the axes of the domain that it
    reduces.
    """
    if x.node.op.lowering != "reduce":
        return space(x.shape), None
    shape = x.node.inputs[0].shape
    looped = [k for k, d in enumerate(shape) if d != 1]
    return space(shape), tuple(looped.index(a) for a in x.node.attrs["axes"] if a in looped)


def row_index(group: Group) -> tuple[Dim, ...]:
    """The loop variables of the axes that are no row axes."""
    rows = group.row_axes or ()
    return tuple(v for k, v in enumerate(domain_index(len(group.domain))) if k not in rows)


def gives_places(x: Tensor) -> bool:
    """Whether a reduction gives the place of an element instead of a combination of values."""
    return x.node.op.name.startswith("arg")


def shape_role(
    group: Group, x: Tensor, domain: tuple[Dim, ...], axes: tuple[int, ...] | None
) -> Role | None:
    """The role that fits the op and the shapes alone."""
    rows = group.row_axes
    if domain == group.domain:
        if axes is None:
            return "map"
        return None if group.kind == "contraction" else _reduction_role(group, x, axes)
    outer = tuple(d for k, d in enumerate(group.domain) if rows and k not in rows)
    return "rowmap" if rows and axes is None and domain == outer else None


def _reduction_role(group: Group, x: Tensor, axes: tuple[int, ...]) -> Role | None:
    ndim, rows = len(group.domain), group.row_axes
    others = tuple(k for k in range(ndim) if k not in axes)
    if rows is not None and axes == rows:
        return "row"
    if len(axes) == ndim and ndim > 0:
        return "total"
    leading = axes == tuple(range(len(axes)))
    if rows is None:
        return "column" if leading and axes else "row"
    return "column" if rows == others else None
