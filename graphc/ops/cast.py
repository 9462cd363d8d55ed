"""Conversion between element types."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.dtypes import ALL, DType, as_dtype
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.elementwise import Elementwise, uniform


class Cast(Elementwise):
    """Every element converted to the attribute `dtype`.

    Float to integer truncates towards zero and is undefined out of range; integers wrap; anything
    to bool is `!= 0`; float to a narrower float rounds to nearest, ties to even.
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        return (TensorType(attrs["dtype"], inputs[0].shape),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(inputs[0]).astype(attrs["dtype"].numpy)

    def samples(self) -> Sequence[Sample]:
        return tuple(
            Sample(partial(_draw, source, target), {"dtype": target}, note=f"{source}-{target}")
            for source in ALL
            for target in ALL
            if source is not target
        )


def _draw(source: DType, target: DType, rng: Any) -> tuple[np.ndarray, ...]:
    """Values that both types can hold, whole numbers aside."""
    low = 0 if "u" in (source.kind, target.kind) else -100
    return (uniform(low, 100)[0](rng, source, (3, 5)),)


def _cast_grad(node: Node, g: Tensor) -> Sequence[Tensor | None]:
    (x,) = node.inputs
    return (astype(g, x.dtype) if x.dtype.is_float else None,)


_CAST = Cast(
    "cast",
    reference=np.asarray,
    emit=lambda b, x, dtype: b.cast(x, dtype),
    grad=_cast_grad,
    flops=0,
)


def astype(x: TensorLike, dtype: Any) -> Tensor:
    """x with elements converted as by NumPy's astype; x itself when it has the dtype already."""
    tensor = as_tensor(x)
    target: DType = as_dtype(dtype)
    return tensor if tensor.dtype is target else apply(_CAST, tensor, dtype=target).outputs[0]
