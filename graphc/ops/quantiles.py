"""Quantiles by sorting."""

from __future__ import annotations

import numpy as np

from graphc.ir.dim_values import product
from graphc.ir.dtypes import float64, int64
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import minimum
from graphc.ops.axes import moveaxis
from graphc.ops.cast import astype
from graphc.ops.classify import isnan
from graphc.ops.comparison import equal
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.extent import extent
from graphc.ops.indexing.gather import take
from graphc.ops.layout import expand_dims, normal_axes, reshape
from graphc.ops.located import locate_errors
from graphc.ops.logic import logical_and, logical_or
from graphc.ops.reduction import Axis
from graphc.ops.reduction import any as some
from graphc.ops.rounding import floor
from graphc.ops.select import clip, where
from graphc.ops.sorting.sort import sort


@locate_errors
def quantile(x: TensorLike, q: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """What a share q of the elements along axes (None: of all) lies below, between two of them by a
    straight line, as numpy.quantile; NaN if an element is. The axes of q come first. A q outside of
    0 to 1 is refused if it is a number, and gives NaN if it is computed. Infinities are as any
    large number, where NumPy's quantiles beside them are NaN.
    """
    x, q = as_tensor(x), _shares(q)
    x = x if x.dtype.is_float else astype(x, float64)
    axes = normal_axes(axis, x.ndim)
    rest = tuple(d for k, d in enumerate(x.shape) if k not in axes)
    n = product(x.shape[k] for k in axes)
    if n == 0:
        raise ShapeError(f"no elements have no quantiles: {x.type}")
    line = reshape(moveaxis(x, axes, tuple(range(len(axes)))), (n, *rest))
    result = _between(sort(line, axis=0), q)
    result = where(some(isnan(line), axis=0), np.nan, result)
    return expand_dims(result, tuple(q.ndim + k for k in axes)) if keepdims else result


def percentile(x: TensorLike, q: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """`quantile` of q hundredths."""
    shares = q / 100 if isinstance(q, Tensor) else np.asarray(q, np.float64) / 100
    return quantile(x, shares, axis, keepdims)


def _shares(q: TensorLike) -> Tensor:
    """q as float64: numbers with all of their digits, and refused outside of 0 to 1."""
    if not isinstance(q, Tensor):
        q = np.asarray(q, np.float64)
        if not ((q >= 0) & (q <= 1)).all():
            raise ShapeError(f"a quantile is of a share from 0 to 1, not {q}")
    return astype(as_tensor(q), float64)


def _between(ordered: Tensor, q: Tensor) -> Tensor:
    """The elements at q of the way along the first axis, whose places the axes of q take."""
    last = extent(ordered.shape[0] - 1)
    place = clip(q, 0, 1) * last
    low = floor(place)
    first = astype(low, int64)
    a, b = (take(ordered, k, axis=0) for k in (first, minimum(first + 1, last)))
    beside = (*q.shape, *(1,) * (ordered.ndim - 1))
    t = astype(reshape(place - low, beside), ordered.dtype)
    inside = reshape(logical_and(q >= 0, q <= 1), beside)
    line = where(t < 0.5, a + (b - a) * t, b - (b - a) * (1 - t))
    return where(inside, where(logical_or(equal(a, b), equal(t, 0)), a, line), np.nan)
