"""Choosing between values: where, clip, nan_to_num."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dtypes import ALL, bool_
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike, as_operand, as_tensor, broadcast_all, cast, common_dtype
from graphc.ops.elementwise import Elementwise, uniform


class Where(Elementwise):
    """yes where the condition holds, else no. The value not chosen leaves no trace: neither NaN nor gradient."""

    def __call__(self, *operands: TensorLike) -> Tensor:
        condition, yes, no = operands
        dtype = common_dtype(self.name, (yes, no))
        parts = (cast(as_tensor(condition), bool_), as_operand(yes, dtype), as_operand(no, dtype))
        return apply(self, *broadcast_all(self.name, parts)).outputs[0]

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        condition, yes, no = inputs
        if condition.dtype is not bool_ or yes.dtype is not no.dtype:
            raise DTypeError(f"a bool and two values of one dtype needed, not {condition}, {yes}, {no}")
        if not condition.shape == yes.shape == no.shape:
            raise ShapeError(f"operands of one shape needed, not {condition}, {yes}, {no}")
        return (yes,)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        return np.where(*inputs)

    def samples(self) -> Sequence[Sample]:
        draw = uniform(-5, 5)[0]
        return tuple(
            Sample(
                lambda rng, d=d: (rng.random((3, 5)) < 0.5, *(draw(rng, d, (3, 5)) for _ in "ab")),
                note=str(d),
            )
            for d in ALL
        )


def _where_grad(node: Node, g: Tensor) -> Sequence[Tensor | None]:
    condition = node.inputs[0]
    return None, where(condition, g, 0), where(condition, 0, g)


where = Where(
    "where",
    reference=np.where,
    emit=lambda b, condition, yes, no: b.select(condition, yes, no),
    grad=_where_grad,
)
