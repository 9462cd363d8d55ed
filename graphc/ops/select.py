"""Choosing between values: where, select, clip, nan_to_num."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np

from graphc.ir.dtypes import ALL, DType, bool_
from graphc.ir.errors import DTypeError, GraphError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import (
    TensorLike,
    as_operand,
    as_tensor,
    broadcast_all,
    cast,
    common,
    common_dtype,
)
from graphc.ops.elementwise import Elementwise, uniform
from graphc.ops.logic import invert
from graphc.ops.masking import masked


class Where(Elementwise):
    """yes where the condition holds, else no.

    The value not chosen leaves no trace in the result; nor does its derivative in the gradient, be
    it infinite or NaN, as far back as elementwise functions, sums and layout lead.
    """

    def __call__(self, *operands: TensorLike) -> Tensor:
        if len(operands) != 3:
            raise GraphError(
                f"where takes a condition and two values, not {len(operands)} operands\n"
                "  hint: gc.nonzero(mask, size) gives the positions where a mask is true"
            )
        condition, yes, no = operands
        dtype = common_dtype(self.name, (yes, no))
        parts = (cast(as_tensor(condition), bool_), as_operand(yes, dtype), as_operand(no, dtype))
        return apply(self, *broadcast_all(self.name, parts)).outputs[0]

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        condition, yes, no = inputs
        if condition.dtype is not bool_ or yes.dtype is not no.dtype:
            raise DTypeError(f"a bool and two of one dtype needed, not {condition}, {yes}, {no}")
        if not condition.shape == yes.shape == no.shape:
            raise ShapeError(f"operands of one shape needed, not {condition}, {yes}, {no}")
        return (yes,)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        return np.where(*inputs)

    def samples(self) -> Sequence[Sample]:
        return tuple(Sample(partial(_draw, d), note=str(d)) for d in ALL)


def _draw(dtype: DType, rng: Any) -> tuple[np.ndarray, ...]:
    yes, no = (draw(rng, dtype, (3, 5)) for draw in uniform(-5, 5, 2))
    return rng.random((3, 5)) < 0.5, yes, no


def _where_grad(node: Node, g: Tensor) -> Sequence[Tensor | None]:
    condition = node.inputs[0]
    return None, masked(condition, g), masked(invert(condition), g)


where = Where(
    "where",
    reference=np.where,
    emit=lambda b, condition, yes, no: b.select(condition, yes, no),
    grad=_where_grad,
)


def select(
    conditions: Sequence[TensorLike], choices: Sequence[TensorLike], default: TensorLike = 0
) -> Tensor:
    """Of each element the choice whose condition is the first that holds; `default` where none
    does. No choice that is not taken leaves a trace, as with `where`.
    """
    if len(conditions) != len(choices) or not conditions:
        raise GraphError(
            f"select takes as many choices as conditions, not {len(choices)} for {len(conditions)}"
        )
    found = as_operand(default, common_dtype("select", (default, *choices)))
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        found = where(condition, choice, found)
    return found


def clip(x: TensorLike, low: TensorLike | None = None, high: TensorLike | None = None) -> Tensor:
    """x limited to [low, high] (None: no limit); NaN stays.

    The gradient passes where x is taken, the limits included.
    """
    from graphc.ops.arithmetic import maximum, minimum

    raised = as_tensor(x) if low is None else maximum(x, low)
    return raised if high is None else minimum(raised, high)


def nan_to_num(
    x: TensorLike,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """x with NaN replaced by `nan`, infinities by `posinf` and `neginf`.

    None means the extreme finite number of that sign.
    """
    x = as_tensor(x)
    if not x.dtype.is_float:
        return x
    greatest = float(ml_dtypes.finfo(x.dtype.numpy).max)  # type: ignore[no-untyped-call]
    finite = where(x == np.inf, greatest if posinf is None else posinf, x)
    finite = where(finite == -np.inf, -greatest if neginf is None else neginf, finite)
    return where(x != x, nan, finite)


def heaviside(x: TensorLike, at_zero: TensorLike) -> Tensor:
    """0 below 0, 1 above, `at_zero` at 0; NaN stays. Its gradient with respect to x is zero."""
    x, middle = common("heaviside", (x, at_zero), floating=True)
    step = where(x > 0, as_operand(1, x.dtype), as_operand(0, x.dtype))
    return where(x != x, x, where(x == 0, middle, step))
