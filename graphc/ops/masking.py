"""Cotangents that are zero outside a mask.

Where a value was not chosen its cotangent is 0, and 0 times an infinite derivative would be NaN.
So a mask is not multiplied through the derivatives but carried past them: a derivative is linear
in the cotangent, and masking its result instead of its argument gives the same zeros and no NaN.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.ir.dtypes import bool_
from graphc.ir.node import Tensor, apply
from graphc.ir.op import Op
from graphc.ops.layout import broadcast_to
from graphc.ops.source import constant, constant_value

_MAX_TERMS = 16  # of a sum of cotangents that is searched for a common mask


def masked(mask: Tensor, g: Tensor) -> Tensor:
    """g where the mask holds, else 0; masks of masks become one."""
    inner = split_mask(g)
    if inner is not None:
        mask, g = apply(Op.registry["bitwise_and"], mask, inner[0]).outputs[0], inner[1]
    zeros = broadcast_to(constant(0, g.dtype), g.shape)
    return apply(Op.registry["where"], mask, g, zeros).outputs[0]


def split_mask(g: Tensor, terms: int = _MAX_TERMS) -> tuple[Tensor, Tensor] | None:
    """(mask, h) where g was written as `masked(mask, h)` or as a sum of such with one mask."""
    node = g.node
    if node.op.name == "where":
        mask, value, other = node.inputs
        return (mask, value) if _is_zero(other) else None
    if node.op.name != "add" or terms == 0 or g.dtype is bool_:
        return None
    first, second = (split_mask(x, terms - 1) for x in node.inputs)
    if first is None or second is None or first[0] is not second[0]:
        return None
    return first[0], apply(node.op, first[1], second[1]).outputs[0]


def carried(
    g: Tensor,
    move: Callable[[Tensor], Tensor],
    past: Callable[[Tensor], Tensor | None] | None = None,
) -> Tensor:
    """What `move`, which is linear, makes of g. `past` gives what a mask of g becomes, or None
    where its zeros mix with others; without it, the mask is moved like g.
    """
    found = split_mask(g)
    mask = None if found is None else (past or move)(found[0])
    return move(g) if found is None or mask is None else masked(mask, move(found[1]))


def _is_zero(x: Tensor) -> bool:
    """Whether x is written as the number 0, repeated or not."""
    while x.node.op.name == "broadcast":
        x = x.node.inputs[0]
    value = constant_value(x)
    return value is not None and value.shape == () and not value.any()
