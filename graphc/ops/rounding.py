"""Rounding to whole numbers: floor, ceil, trunc, rint, round; and to parts of a span. Their
gradients are zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.dtypes import FLOATS, float32, float64
from graphc.ir.node import Tensor
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.elementwise import Elementwise, elementwise, uniform


class Rounding(Elementwise):
    """A function to whole numbers; integers and bools are returned unchanged."""

    def __init__(self, name: str, doc: str):
        super().__init__(
            name,
            reference=getattr(np, name),
            emit=lambda b, x: getattr(b, name)(x),
            grad=lambda node, g: (None,),
            takes=FLOATS,
            sample=uniform(-9, 9),
            doc=doc,
        )

    def __call__(self, *operands: TensorLike) -> Tensor:
        (x,) = map(as_tensor, operands)
        return super().__call__(x) if x.dtype.is_float else x


floor = Rounding("floor", "The greatest whole number not above x")
ceil = Rounding("ceil", "The least whole number not below x")
trunc = Rounding("trunc", "x without its fraction: towards zero")
rint = Rounding("rint", "The whole number nearest to x, halves to even")


def round(x: TensorLike, decimals: int = 0) -> Tensor:
    """x rounded to so many decimals, halves to even; by scaling with a power of ten, as NumPy."""
    tensor = as_tensor(x)
    if decimals == 0 or not (tensor.dtype.is_float or decimals < 0):
        return rint(tensor)
    scale = 10.0 ** abs(decimals)
    if not tensor.dtype.is_float:
        return rint(tensor / scale).astype(tensor.dtype) * int(scale)
    return rint(tensor * scale) / scale if decimals > 0 else rint(tensor / scale) * scale


#: The part of a span that `coarsened` gives multiples of, about.
PART = 1 / 4


def _coarsened(x: np.ndarray, span: np.ndarray) -> np.ndarray:
    large = span * x.dtype.type(PART / np.finfo(x.dtype).eps)
    found = (x + large) - large
    return np.where(np.isfinite(found), found, 0)


def _emit_coarsened(b: Any, x: Any, span: Any) -> Any:
    large = span * (PART / float(np.finfo(x.dtype.numpy).eps))
    found = (x + large) - large  # whose last bit is that of the larger one
    return b.select(b.absolute(found) < np.inf, found, 0.0)


coarsened = elementwise(
    "coarsened",
    reference=_coarsened,
    emit=_emit_coarsened,
    grad=lambda node, g: (None, None),
    takes=(float32, float64),
    sample=uniform(-9, 9, 2),
    flops=5,
    doc="x as a multiple of about a quarter of a span: few bits; 0 if that is not finite",
)
