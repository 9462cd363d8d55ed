"""What rules know of a tensor from how it is written."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from graphc.ir.dim_values import is_unit
from graphc.ir.dtypes import DType, bool_
from graphc.ir.node import Tensor
from graphc.ir.types import Shape
from graphc.ops.layout import broadcast
from graphc.ops.source import constant, constant_value
from graphc.passes.pattern import literal

#: Functions whose value is a number above or at +0, or NaN.
NONNEGATIVE = frozenset({
    "absolute", "arccos", "cosh", "erfc", "exp", "exp2", "hypot", "sigmoid", "softplus", "square",
})  # fmt: skip
WHOLE = frozenset({"ceil", "floor", "rint", "trunc"})


def number(c: Tensor) -> float:
    """The number that a scalar constant is."""
    value = constant_value(c)
    assert value is not None, f"{c!r} is no constant"
    return float(value)


def number_of(x: Tensor) -> float | None:
    """The number that x is or repeats; None for other tensors."""
    c = literal(x)
    return None if c is None else number(c)


def full(value: Any, like: Tensor, dtype: DType | None = None) -> Tensor:
    """A number repeated to the shape of another tensor, at its dtype unless one is given."""
    return broadcast(constant(value, dtype or like.dtype), like.shape, ())


def made_by(x: Tensor, *ops: str) -> bool:
    """Whether x comes from one of these ops."""
    return x.node.op.name in ops


def is_nonnegative(x: Tensor) -> bool:
    """Whether every element of x is +0, above it, or NaN, as its op alone tells."""
    if made_by(x, "cast"):
        return x.dtype.is_float and x.node.inputs[0].dtype.kind in "bu"
    return x.dtype.kind == "u" or (x.dtype.is_float and x.node.op.name in NONNEGATIVE)


def is_never_minus_zero(x: Tensor) -> bool:
    """Whether no element of x can be -0.0."""
    if made_by(x, "add", "subtract"):
        return any(number_of(y) not in (None, 0.0) for y in x.node.inputs)
    if made_by(x, "cast"):
        return not x.node.inputs[0].dtype.is_float
    return is_nonnegative(x) or made_by(x, "extent")


def is_whole(x: Tensor) -> bool:
    """Whether every element of x is a whole number, infinite or NaN."""
    if made_by(x, "cast"):
        return not x.node.inputs[0].dtype.is_float
    return made_by(x, *WHOLE)


def is_lossless(source: DType, target: DType) -> bool:
    """Whether every value of one dtype is one of another."""
    if source is target or source is bool_:
        return True
    if target is bool_:
        return False
    if source.is_float:
        return target.is_float and _covers(source, target)
    digits = source.bits - (source.kind == "i")
    if target.is_float:
        return digits <= _finfo(target).nmant + 1 and 2.0**digits <= float(_finfo(target).max)
    if source.kind == "i" and target.kind == "u":
        return False
    return digits <= target.bits - (target.kind == "i")


def _covers(source: DType, target: DType) -> bool:
    ours, theirs = _finfo(source), _finfo(target)
    wider: bool = ours.nmant <= theirs.nmant and ours.maxexp <= theirs.maxexp
    return wider and ours.minexp >= theirs.minexp


def _finfo(dtype: DType) -> Any:
    return ml_dtypes.finfo(dtype.numpy)  # type: ignore[no-untyped-call]


def fits(value: float, dtype: DType) -> bool:
    """Whether a number is exactly one of a float dtype, neither subnormal nor infinite nor 0."""
    with np.errstate(all="ignore"):
        rounded = float(np.float64(value).astype(dtype.numpy))
    return rounded == value and math.isfinite(value) and abs(value) >= float(_finfo(dtype).tiny)


def is_finite_number(c: Tensor) -> bool:
    """Whether a scalar constant is neither infinite nor NaN."""
    return math.isfinite(number(c))


def without_units(shape: Shape) -> Shape:
    """A shape without its axes of length 1."""
    return tuple(d for d in shape if not is_unit(d))


def moves_units(x: Tensor) -> bool:
    """Whether x is a reshape that only adds or drops axes of length 1."""
    return made_by(x, "reshape") and without_units(x.shape) == without_units(x.node.inputs[0].shape)
