"""Reductions of what is there: elements that are NaN are left out."""

from __future__ import annotations

import numpy as np

from graphc.ir.node import Tensor
from graphc.ops.classify import isnan
from graphc.ops.convert import TensorLike, as_operand, as_tensor
from graphc.ops.located import locate_errors
from graphc.ops.logic import invert
from graphc.ops.reduction import Axis
from graphc.ops.reduction import all as every
from graphc.ops.reduction import max as greatest
from graphc.ops.reduction import min as smallest
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.ops.statistics import mean


def _filled(x: Tensor, value: float) -> Tensor:
    return where(isnan(x), as_operand(value, x.dtype), x)


@locate_errors
def nansum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum along axes of the elements that are not NaN; 0 where all are."""
    x = as_tensor(x)
    return total(_filled(x, 0) if x.dtype.is_float else x, axis, keepdims=keepdims)


@locate_errors
def nanmean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean along axes of the elements that are not NaN; NaN where all are."""
    x = as_tensor(x)
    if not x.dtype.is_float:
        return mean(x, axis, keepdims=keepdims)
    return nansum(x, axis, keepdims) / total(invert(isnan(x)), axis, keepdims=keepdims).astype(
        x.dtype
    )


@locate_errors
def nanmax(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The greatest element along axes that is not NaN; NaN where all are."""
    x = as_tensor(x)
    if not x.dtype.is_float:
        return greatest(x, axis, keepdims)
    found = greatest(_filled(x, -np.inf), axis, keepdims)
    return where(every(isnan(x), axis, keepdims), as_operand(np.nan, x.dtype), found)


@locate_errors
def nanmin(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element along axes that is not NaN; NaN where all are."""
    x = as_tensor(x)
    if not x.dtype.is_float:
        return smallest(x, axis, keepdims)
    found = smallest(_filled(x, np.inf), axis, keepdims)
    return where(every(isnan(x), axis, keepdims), as_operand(np.nan, x.dtype), found)
