"""A sum of float32 as float64: few elements come together in float32, what they give in float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dtypes import float32, float64
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.types import TensorType
from graphc.ops.convert import cast
from graphc.ops.reducing import Reduction
from graphc.ops.reduction import spread
from graphc.ops.reduction import sum as reduce_sum


class WideSum(Reduction):
    """`sum` of float32 that is not rounded to float32 at the end; how many elements are added up in
    float32 before they join the others is the lowering's choice, and the same for the same shapes.
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (narrow,) = super().infer(*inputs, **attrs)
        return (TensorType(float64, narrow.shape),)

    def _made(self, dtype: Any) -> Any:
        return float64.numpy


def _grad(node: Node, g: Tensor) -> Sequence[Tensor | None]:
    (x,) = node.inputs
    return (spread(cast(g, x.dtype), x, node.attrs["axes"]),)


WIDE_SUM = WideSum(
    "wide_sum",
    combine="sum",
    identity=lambda d: 0,
    reference=lambda x, axes: np.sum(x, axis=axes, dtype=float64.numpy),
    takes=(float32,),
    grad=_grad,
)


def wide_sum(x: Tensor, *axes: int) -> Tensor:
    """The sum of x along these axes in float64; x is float32 or float64."""
    if x.dtype is float32:
        return apply(WIDE_SUM, x, axes=axes).outputs[0]
    return cast(reduce_sum(x, axes), float64)
