"""Random floats: uniform bits made into the distributions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.dtypes import DType, as_dtype, float32, float64
from graphc.ir.errors import DTypeError, GraphError
from graphc.ir.node import Tensor
from graphc.ops.convert import TensorLike, as_operand, as_tensor, cast
from graphc.ops.exponential import log, log1p
from graphc.ops.layout import broadcast_to, normal_axis
from graphc.ops.randomness.generator import KeyLike, bits
from graphc.ops.reduction import argmax
from graphc.ops.select import where
from graphc.ops.source import as_shape, constant
from graphc.ops.special import erfinv

_PRECISION = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def _float(dtype: Any) -> DType:
    kind = as_dtype(dtype)
    if not kind.is_float:
        raise DTypeError(f"random floats are of a floating dtype, not {kind}")
    return kind


def _steps(key: KeyLike, shape: Any, digits: int) -> Tensor:
    """Uniform integers in [0, 2**digits), exact as floats of that precision."""
    wide = digits > 32
    words = bits(key, shape, "uint64" if wide else "uint32")
    return cast(words >> ((64 if wide else 32) - digits), "int64" if wide else "int32")


def unit_floats(key: KeyLike, shape: Any, dtype: DType) -> Tensor:
    """Uniform multiples of 2**-precision in [0, 1)."""
    digits = _PRECISION[dtype.name]
    wide = float32 if dtype.bits == 16 else dtype
    return cast(cast(_steps(key, shape, digits), wide) * 2.0**-digits, dtype)


def _symmetric(key: KeyLike, shape: Any, dtype: DType) -> Tensor:
    """Uniform odd multiples of 2**(1 - precision) in (-1, 1): never 0, never an end."""
    digits = _PRECISION[dtype.name] - 1
    odd = _steps(key, shape, digits) * 2 + (1 - 2**digits)
    return cast(odd, dtype) * 2.0**-digits


def _open(key: KeyLike, shape: Any, dtype: DType) -> Tensor:
    """Uniform in (0, 1): never an end."""
    return _symmetric(key, shape, dtype) * 0.5 + 0.5


def _computed(dtype: DType) -> DType:
    """The dtype in which numbers of `dtype` are computed."""
    return float32 if dtype.bits == 16 else dtype


def uniform(
    key: KeyLike,
    shape: Any = (),
    low: TensorLike = 0.0,
    high: TensorLike = 1.0,
    dtype: Any = "float32",
) -> Tensor:
    """Uniform in [low, high): 24 random bits for float32, 53 for float64, as many as the dtype
    holds for others. All are low if that is high.
    """
    kind = _float(dtype)
    unit = unit_floats(key, shape, kind)
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)):
        return unit * (as_operand(high, kind) - as_operand(low, kind)) + as_operand(low, kind)
    if low == 0 and high == 1:
        return unit
    if low > high:
        raise GraphError(f"no number is in [{low}, {high})")
    scaled = unit * (high - low) + low
    return _below(scaled, high) if low < high else scaled


def _below(x: Tensor, high: float) -> Tensor:
    """x, where rounding took it up to `high` the number before."""
    top = np.asarray(high, x.dtype.numpy)
    return where(x < constant(top), x, constant(np.nextafter(top, np.asarray(-np.inf, top.dtype))))


def normal(
    key: KeyLike,
    shape: Any = (),
    mean: TensorLike = 0.0,
    std: TensorLike = 1.0,
    dtype: Any = "float32",
) -> Tensor:
    """Normal, by the inverse of its distribution function; float32 reaches 5.4 standard deviations,
    float64 8.2.
    """
    kind = _float(dtype)
    x = erfinv(_symmetric(key, shape, _computed(kind))) * math.sqrt(2)
    return cast(x, kind) * as_operand(std, kind) + as_operand(mean, kind)


def truncated_normal(
    key: KeyLike, shape: Any = (), low: float = -2.0, high: float = 2.0, dtype: Any = "float32"
) -> Tensor:
    """Standard normal under the condition that it lies in [low, high]."""
    if not low < high:
        raise GraphError(f"the bounds of a truncated normal must ascend: {low}, {high}")
    kind = _float(dtype)
    left, right = math.erf(low / math.sqrt(2)), math.erf(high / math.sqrt(2))
    place = _open(key, shape, _computed(kind)) * (right - left) + left
    x = erfinv(place) * math.sqrt(2)
    inside = where(x < low, low, where(x > high, high, x))
    return cast(inside, kind)


def exponential(
    key: KeyLike, shape: Any = (), scale: TensorLike = 1.0, dtype: Any = "float32"
) -> Tensor:
    """Exponential with mean `scale`, in [0, inf)."""
    kind = _float(dtype)
    x = -log1p(-unit_floats(key, shape, _computed(kind)))
    return cast(x, kind) * as_operand(scale, kind)


def laplace(key: KeyLike, shape: Any = (), dtype: Any = "float32") -> Tensor:
    """Laplace: exponential with a random sign."""
    kind = _float(dtype)
    side = _symmetric(key, shape, _computed(kind))
    return cast(where(side < 0, log1p(side), -log1p(-where(side < 0, 0, side))), kind)


def gumbel(key: KeyLike, shape: Any = (), dtype: Any = "float32") -> Tensor:
    """Standard Gumbel: the maximum of many; -log(-log(uniform))."""
    kind = _float(dtype)
    return cast(-log(-log(_open(key, shape, _computed(kind)))), kind)


def bernoulli(key: KeyLike, p: TensorLike = 0.5, shape: Any = None) -> Tensor:
    """True with probability p (to within 2**-24), a bool for each element of `shape` (None: that of
    p).
    """
    chance = as_tensor(p)
    kind = chance.dtype if chance.dtype in (float32, float64) else float32
    full = chance.shape if shape is None else as_shape(shape)
    return unit_floats(key, full, kind) < broadcast_to(cast(chance, kind), full)


def categorical(key: KeyLike, logits: Tensor, axis: int = -1, shape: Any = ()) -> Tensor:
    """Positions (int64) along `axis`, with probabilities softmax(logits); `shape` draws of each, in
    leading axes.
    """
    kind = float64 if logits.dtype is float64 else float32
    axis = normal_axis(axis, logits.ndim) - logits.ndim
    noise = gumbel(key, (*as_shape(shape), *logits.shape), kind)
    return argmax(noise + cast(logits, kind), axis=noise.ndim + axis)
