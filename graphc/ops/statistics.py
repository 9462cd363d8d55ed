"""Means, variances, norms, and the stable forms of log(sum(exp(x))) and what follows from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.dim_values import product
from graphc.ir.dtypes import bool_, float32
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import absolute
from graphc.ops.axes import moveaxis
from graphc.ops.convert import TensorLike, as_tensor, cast, floating_of
from graphc.ops.custom import stop_gradient
from graphc.ops.exponential import exp, log
from graphc.ops.extent import extent
from graphc.ops.layout import expand_dims, normal_axes, normal_axis, reshape, squeeze
from graphc.ops.located import locate_errors
from graphc.ops.powers import power, sqrt
from graphc.ops.reduction import Axis, largest
from graphc.ops.reduction import max as greatest
from graphc.ops.reduction import min as smallest
from graphc.ops.reduction import sum as total
from graphc.ops.select import where


def _floating(x: TensorLike) -> Tensor:
    """x as floats; integers become float64, as NumPy's means do."""
    x = as_tensor(x)
    return x if x.dtype.is_float else cast(x, "float64")


def _widened(x: Tensor) -> Tensor:
    """16-bit floats as float32, so that sums neither overflow nor round on the way."""
    return cast(x, float32) if x.dtype.bits == 16 else x


@locate_errors
def mean(x: TensorLike, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """Arithmetic mean along axes; integers give float64, 16-bit floats are summed in float32."""
    x = _floating(x) if dtype is None else cast(as_tensor(x), dtype)
    return cast(_mean(_widened(x), normal_axes(axis, x.ndim), keepdims), x.dtype)


def _mean(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    return total(x, axes, keepdims=keepdims) / _count(x, axes)


def _count(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return extent(product(x.shape[a] for a in axes), x.dtype)


@locate_errors
def average(x: TensorLike, axis: Axis = None, weights: TensorLike | None = None) -> Tensor:
    """Mean along axes, weighted by `weights` (of the shape of x, or of its only averaged axis)."""
    x = _floating(x)
    if weights is None:
        return mean(x, axis)
    w = as_tensor(weights)
    axes = normal_axes(axis, x.ndim)
    if w.ndim == 1 and x.ndim > 1 and len(axes) == 1:
        w = reshape(w, tuple(w.shape[0] if k == axes[0] else 1 for k in range(x.ndim)))
        return total(x * w, axes) / squeeze(total(w, axes[0], keepdims=True))
    return total(x * w, axes) / total(w, axes)


@locate_errors
def var(x: TensorLike, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
    """Mean squared distance from the mean along axes, over the count less `correction`."""
    x = _floating(x)
    wide, axes = _widened(x), normal_axes(axis, x.ndim)
    centred = wide - _mean(wide, axes, keepdims=True)
    spread = total(centred * centred, axes, keepdims=keepdims)
    count = _count(wide, axes)
    return cast(spread / (count - correction if correction else count), x.dtype)


@locate_errors
def std(x: TensorLike, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
    """Square root of the variance along axes."""
    x = _floating(x)
    return cast(sqrt(var(_widened(x), axis, correction, keepdims)), x.dtype)


@locate_errors
def logsumexp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) along axes without overflow; -inf where every element is -inf (with a
    gradient of zeros).
    """
    x = _as_floats(x)
    wide, axes = _widened(x), normal_axes(axis, x.ndim)
    top = _finite_top(wide, axes)
    sums = total(exp(wide - top), axes, keepdims=True)
    empty = sums == 0
    result = cast(where(empty, -np.inf, log(where(empty, 1, sums))) + top, x.dtype)
    return result if keepdims else squeeze(result, axes)


@locate_errors
def softmax(x: TensorLike, axis: Axis = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along axes without overflow; NaN where every element is -inf.

    Beside an infinity all other elements are 0, their limit; the infinity itself gives NaN, and so
    does `log_softmax`, where others are -inf. (Elsewhere all of them may be NaN.)
    """
    x = _as_floats(x)
    wide, axes = _widened(x), normal_axes(axis, x.ndim)
    powers = exp(wide - _finite_top(wide, axes))
    return cast(powers * (1 / total(powers, axes, keepdims=True)), x.dtype)


@locate_errors
def log_softmax(x: TensorLike, axis: Axis = -1) -> Tensor:
    """log(softmax(x)) along axes, exact for elements far below the largest."""
    x = _as_floats(x)
    wide, axes = _widened(x), normal_axes(axis, x.ndim)
    shifted = wide - _finite_top(wide, axes)
    return cast(shifted - log(total(exp(shifted), axes, keepdims=True)), x.dtype)


def _finite_top(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The largest element along axes where that is finite, else 0: a constant for gradients, since
    the results that subtract it do not depend on it.
    """
    top = largest(stop_gradient(x), axes, keepdims=True)
    return where(top - top == 0, top, 0)  # infinities and NaN fail the test


def _as_floats(x: TensorLike) -> Tensor:
    """x in the float dtype in which NumPy computes its functions."""
    x = as_tensor(x)
    return x if x.dtype.is_float else cast(x, floating_of(x.dtype))


@locate_errors
def count_nonzero(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many elements along axes are not zero (int64)."""
    return total(cast(as_tensor(x), bool_), axis, keepdims=keepdims)


@locate_errors
def ptp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest less smallest element along axes."""
    return greatest(x, axis, keepdims) - smallest(x, axis, keepdims)


@locate_errors
def median(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The middle element along axes (None: of all), the mean of the two middle ones of an even
    count; NaN if one is.
    """
    from graphc.ops.indexing.gather import take
    from graphc.ops.reduction import any
    from graphc.ops.sorting.sort import sort

    x = _floating(x)
    axes = normal_axes(axis, x.ndim)
    if len(axes) != 1:
        rest = tuple(d for k, d in enumerate(x.shape) if k not in axes)
        line = moveaxis(x, axes, tuple(range(-len(axes), 0)))
        result = median(reshape(line, (*rest, product(x.shape[k] for k in axes))), -1)
        return expand_dims(result, axes) if keepdims else result
    (axis,) = axes
    n = x.shape[axis]
    if n == 0:
        raise ShapeError(f"the median of no elements has no value: axis {axis} of {x.type}")
    ordered = sort(x, axis=axis)
    low, high = (take(ordered, extent(k), axis=axis) for k in ((n - 1) // 2, n // 2))
    result = where(any(x != x, axis), np.nan, (low + high) / 2)
    return expand_dims(result, axis) if keepdims else result


@locate_errors
def norm(x: TensorLike, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """A vector norm along one axis (or of all elements), or a matrix norm over two axes.

    Vectors: `ord` is 2 (the default), 1, inf, -inf, 0 or any other power. Matrices: "fro" (the
    default), 1, -1, inf or -inf. The gradient of a norm of zeros is zero. 16-bit floats are summed
    in float32.
    """
    x = _floating(x)
    wide = _widened(x)
    axes = normal_axes(axis, x.ndim)
    if ord is None or ord == "fro":
        result = _euclidean(wide, axes, keepdims)
    elif len(axes) == 1:
        result = _vector_norm(wide, ord, axes, keepdims)
    elif len(axes) == 2:
        result = _matrix_norm(wide, ord, (axes if axis is None else axis), keepdims)
    else:
        raise ShapeError(f"a norm of order {ord} is over one or two axes, not {len(axes)}")
    return cast(result, x.dtype)


def _euclidean(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    squares = total(x * x, axes, keepdims=keepdims)
    flat = squares == 0
    return where(flat, 0, sqrt(where(flat, 1, squares)))


def _vector_norm(x: Tensor, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    if not isinstance(ord, (int, float)):
        raise DTypeError(f"{ord!r} is not an order of a vector norm")
    if ord == 2:
        return _euclidean(x, axes, keepdims)
    if ord == 0:
        return cast(count_nonzero(x, axes, keepdims), x.dtype)
    size = absolute(x)
    if ord in (np.inf, -np.inf):
        return (largest if ord > 0 else smallest)(size, axes, keepdims)
    if ord == 1:
        return total(size, axes, keepdims=keepdims)
    return power(total(power(size, ord), axes, keepdims=keepdims), 1 / ord)


def _matrix_norm(x: Tensor, ord: Any, axis: Any, keepdims: bool) -> Tensor:
    rows, columns = (normal_axis(a, x.ndim) for a in axis)
    if ord not in (1, -1, np.inf, -np.inf):
        raise DTypeError(f"{ord!r} is not an order of a matrix norm here: 'fro', 1, -1, inf, -inf")
    summed, compared = (rows, columns) if ord in (1, -1) else (columns, rows)
    sums = total(absolute(x), summed, keepdims=True)
    result = (largest if ord > 0 else smallest)(sums, compared, keepdims=True)
    return result if keepdims else squeeze(result, (rows, columns))
