"""From what users write (numbers, lists, arrays, tensors) to tensors of one dtype and shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.dims import DimExpr
from graphc.ir.dtypes import DType, float16, float32, float64, promote
from graphc.ir.errors import DTypeError, GraphError
from graphc.ir.node import Tensor, located
from graphc.ops.extent import extent
from graphc.ops.layout import broadcast, broadcast_shapes, broadcast_to
from graphc.ops.source import constant

TensorLike = (
    Tensor | np.ndarray | np.generic | bool | int | float | DimExpr | list[Any] | tuple[Any, ...]
)


def as_tensor(value: TensorLike, dtype: Any = None) -> Tensor:
    """`value` as a tensor: tensors stay, lengths are int64 scalars, anything else becomes a
    constant.
    """
    if isinstance(value, Tensor):
        return value if dtype is None else cast(value, dtype)
    if isinstance(value, DimExpr):
        return extent(value, dtype or "int64")
    if hasattr(value, "as_graphc_tensor"):
        return as_tensor(value.as_graphc_tensor(), dtype)
    return constant(value, dtype)


def is_weak(value: Any) -> bool:
    """Whether a value adopts the dtype of the other operands: a Python number."""
    return isinstance(value, (bool, int, float)) and not isinstance(value, np.generic)


def common(
    name: str, operands: tuple[TensorLike, ...], floating: bool | DType = False
) -> tuple[Tensor, ...]:
    """The operands with one dtype, by NumPy's promotion, and one shape.

    `floating` lifts integers and bools to floats of this dtype, or of one for their size.
    """
    try:
        dtype = common_dtype(name, operands, floating)
        tensors = tuple(as_operand(x, dtype) for x in operands)
    except DTypeError as error:
        given = [x for x in operands if isinstance(x, Tensor)]
        raise located(error, name, given) from None
    return broadcast_all(name, tensors)


def common_dtype(
    name: str, operands: tuple[TensorLike, ...], floating: bool | DType = False
) -> DType:
    """NumPy's result type of the operands, Python numbers and lengths being weak."""
    numbers = [0 if isinstance(x, DimExpr) else x for x in operands]
    dtypes: list[Any] = [x if is_weak(x) else as_tensor(x).dtype for x in numbers]
    dtype = promote(*dtypes)
    if all(is_weak(x) for x in numbers) and dtype is float64:
        return float32
    if isinstance(floating, DType):
        return dtype if dtype.is_float else floating
    return floating_of(dtype) if floating else dtype


def floating_of(dtype: DType) -> DType:
    """The float in which NumPy computes a function of this dtype.

    Floats stay; 8 bits and bool need float16, 16 bits float32, more float64.
    """
    if dtype.is_float:
        return dtype
    return float16 if dtype.bits <= 8 else float32 if dtype.bits == 16 else float64


def as_operand(value: TensorLike, dtype: DType) -> Tensor:
    """A tensor of exactly this dtype."""
    if isinstance(value, DimExpr):
        return extent(value, dtype)
    if is_weak(value):
        if isinstance(value, int) and dtype.is_integer:
            info = np.iinfo(dtype.numpy)
            if not info.min <= value <= info.max:
                shown = value if abs(value) < 2**64 else f"an integer of {value.bit_length()} bits"
                raise DTypeError(f"{shown} does not fit {dtype}")
        return constant(value, dtype)
    return cast(as_tensor(value), dtype)


def broadcast_all(name: str, operands: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The operands broadcast to their common shape; a mismatch names the op and the operands."""
    shapes = {x.type.shape for x in operands}
    if len(shapes) == 1:
        return operands
    if len(shapes) == 2 and () in shapes:
        shape = max(shapes, key=len)
        return tuple(broadcast(x, shape, ()) if x.type.shape == () else x for x in operands)
    try:
        shape = broadcast_shapes(*(x.shape for x in operands))
        return tuple(broadcast_to(x, shape) for x in operands)
    except GraphError as error:
        raise located(error, name, operands) from None


def cast(x: Tensor, dtype: Any) -> Tensor:
    """x with elements converted as by NumPy's astype."""
    from graphc.ops.cast import astype

    return astype(x, dtype)
