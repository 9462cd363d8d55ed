"""Arrays made from nothing but a shape and numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, DimExpr, floordiv, maximum
from graphc.ir.dtypes import as_dtype, float32, float64, int64
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Tensor
from graphc.ops.comparison import equal
from graphc.ops.convert import TensorLike, as_tensor, cast, common_dtype, is_weak
from graphc.ops.extent import extent
from graphc.ops.layout import broadcast, normal_axis
from graphc.ops.located import locate_errors
from graphc.ops.select import where
from graphc.ops.source import as_shape, constant, iota


@locate_errors
def full(shape: Any, value: TensorLike, dtype: Any = None) -> Tensor:
    """An array of one number, by default in the number's dtype (float32 for a Python float)."""
    filled = constant(value, dtype) if is_weak(value) else as_tensor(value, dtype)
    if filled.ndim:
        raise ShapeError(f"one value needed, not {filled.type}")
    return broadcast(filled, as_shape(shape), ())


def zeros(shape: Any, dtype: Any = "float32") -> Tensor:
    """An array of zeros."""
    return full(shape, 0, dtype)


def ones(shape: Any, dtype: Any = "float32") -> Tensor:
    """An array of ones."""
    return full(shape, 1, dtype)


def empty(shape: Any, dtype: Any = "float32") -> Tensor:
    """An array whose values do not matter; they are zeros, so that runs repeat."""
    return zeros(shape, dtype)


def full_like(x: TensorLike, value: TensorLike, dtype: Any = None) -> Tensor:
    """An array of one number in the shape of x and, unless `dtype` says otherwise, its dtype."""
    x = as_tensor(x)
    return full(x.shape, value, x.dtype if dtype is None else dtype)


def zeros_like(x: TensorLike, dtype: Any = None) -> Tensor:
    """Zeros in the shape and dtype of x."""
    return full_like(x, 0, dtype)


def ones_like(x: TensorLike, dtype: Any = None) -> Tensor:
    """Ones in the shape and dtype of x."""
    return full_like(x, 1, dtype)


def empty_like(x: TensorLike, dtype: Any = None) -> Tensor:
    """As `empty`, in the shape and dtype of x."""
    return full_like(x, 0, dtype)


@locate_errors
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Tensor:
    """The numbers from start on in steps, below stop; with one bound, from 0.

    Bounds are numbers or, with a number for the step, sizes such as x.shape[0]; one alone is how
    many numbers there are, and calls that make it negative are refused. By default int64, or
    float32 where a bound or the step is a float (computed in float64).
    """
    alone = stop is None
    if alone:
        start, stop = 0, start
    for part in (start, stop, step):
        if isinstance(part, Tensor):
            raise ShapeError(
                "a tensor cannot say how long an array is\n  hint: give a size or a number"
            )
        if not isinstance(part, (int, float, np.number, DimExpr)):
            raise DTypeError(f"a bound or step is a number or a size, not {part!r:.80}")
    if step == 0:
        raise ShapeError("the step cannot be 0")
    if any(isinstance(part, float) for part in (start, stop, step)):
        return _float_range(start, stop, step, as_dtype(dtype or float32))
    whole = alone and isinstance(stop, DimExpr) and step == 1
    positions = iota((stop if whole else _count(start, stop, step),))
    first = start if isinstance(start, int) else extent(start)
    return cast(positions * step + first, dtype or int64)


def _count(start: Dim, stop: Dim, step: Any) -> Dim:
    if isinstance(step, DimExpr):
        raise ShapeError(f"the step must be a number, not {step}")
    span = stop - start if step > 0 else start - stop
    return maximum(floordiv(span + (abs(step) - 1), abs(step)), 0)


def _float_range(start: Any, stop: Any, step: Any, dtype: Any) -> Tensor:
    if any(isinstance(part, DimExpr) for part in (start, stop, step)):
        raise DTypeError(f"sizes and floats do not mix: {start}, {stop}, {step}")
    count = max(math.ceil((stop - start) / step), 0)
    return cast(iota((count,), dtype=float64) * float(step) + float(start), dtype)


@locate_errors
def linspace(
    start: TensorLike, stop: TensorLike, num: Any = 50, endpoint: bool = True, dtype: Any = None
) -> Tensor:
    """`num` evenly spaced numbers from start to stop, which is the last one unless `endpoint` is
    false.

    Numbers and scalar tensors; float32 for plain numbers, computed in float64.
    """
    (count,) = as_shape(num)
    plain = is_weak(start) and is_weak(stop)
    work = float64 if plain else common_dtype("linspace", (start, stop), floating=True)
    first, last = (full((), x, work) for x in (start, stop))
    parts = maximum(count - 1 if endpoint else count, 1)
    position = iota((count,))
    line = cast(position, work) * ((last - first) / extent(parts, work)) + first
    if endpoint:
        line = where(equal(position, extent(maximum(count - 1, 1))), last, line)
    return cast(line, dtype or (float32 if plain else work))


@locate_errors
def meshgrid(*arrays: TensorLike, indexing: str = "xy") -> list[Tensor]:
    """Each vector spread over the grid that all span; "xy" exchanges the first two axes."""
    if indexing not in ("xy", "ij"):
        raise ShapeError(f'indexing is "xy" or "ij", not {indexing!r}')
    xs = [as_tensor(x) for x in arrays]
    for x in xs:
        if x.ndim > 1:
            raise ShapeError(f"vectors needed, not {x.type}")
    order = list(range(len(xs)))
    if indexing == "xy" and len(xs) > 1:
        order[0], order[1] = 1, 0
    sizes = [x.size for x in xs]
    shape = tuple(sizes[k] for k in order)
    return [broadcast(x, shape, (order.index(k),) if x.ndim else ()) for k, x in enumerate(xs)]


@locate_errors
def one_hot(x: TensorLike, num_classes: Any, dtype: Any = "float32", axis: int = -1) -> Tensor:
    """A new axis of `num_classes` numbers: 1 at the position that x says, else 0.

    An x outside [0, num_classes) gives zeros.
    """
    x = as_tensor(x)
    if not x.dtype.is_integer:
        raise DTypeError(f"positions are integers, not {x.type}")
    (count,) = as_shape(num_classes)
    axis = normal_axis(axis, x.ndim + 1)
    shape = (*x.shape[:axis], count, *x.shape[axis:])
    kept = tuple(k for k in range(x.ndim + 1) if k != axis)
    spread = broadcast(cast(x, int64), shape, kept)
    return cast(equal(spread, iota(shape, axis)), dtype)
