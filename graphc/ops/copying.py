"""A copy: a value of its own, where a result would otherwise share memory with something else."""

from __future__ import annotations

import numpy as np

from graphc.ir.node import Tensor, apply
from graphc.ops.elementwise import elementwise, uniform
from graphc.ops.layout import transpose
from graphc.ops.source import constant, constant_value

_COPY = elementwise(
    "copy",
    reference=lambda x: x,
    emit=lambda b, x: x,
    grad=lambda node, g: (g,),
    sample=uniform(-3, 3),
    flops=0,
    doc="The same values in memory of their own.",
)


def copy(x: Tensor) -> Tensor:
    """x, computed into memory of its own."""
    return apply(_COPY, x).outputs[0]


def copied(x: Tensor, order: tuple[int, ...]) -> Tensor:
    """x with its axes in this order, in memory of its own unless they are in order already."""
    if order == tuple(range(x.ndim)):
        return x
    value = constant_value(x)
    if value is not None:
        return constant(np.ascontiguousarray(value.transpose(order)))
    return copy(transpose(x, order))
