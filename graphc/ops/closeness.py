"""Whether elements are nearly equal, and whether they are among others."""

from __future__ import annotations

from graphc.ir.dtypes import float64
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import absolute
from graphc.ops.classify import isfinite, isnan
from graphc.ops.comparison import equal, less_equal
from graphc.ops.convert import TensorLike, as_operand, as_tensor, common, common_dtype
from graphc.ops.layout import expand_dims, reshape
from graphc.ops.located import locate_errors
from graphc.ops.logic import logical_and, logical_or
from graphc.ops.reduction import all as every
from graphc.ops.reduction import any as some


@locate_errors
def isclose(
    x: TensorLike, y: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where |x - y| is at most atol + rtol |y|, as numpy.isclose: infinities are close to
    themselves alone, NaN to NaN if `equal_nan`. Integers are compared as float64.
    """
    x, y = common("isclose", (x, y), floating=float64)
    near = less_equal(absolute(x - y), atol + rtol * absolute(y))
    close = logical_or(logical_and(near, isfinite(y)), equal(x, y))
    return logical_or(close, logical_and(isnan(x), isnan(y))) if equal_nan else close


def allclose(
    x: TensorLike, y: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether `isclose` holds everywhere: a scalar."""
    return every(isclose(x, y, rtol, atol, equal_nan))


@locate_errors
def isin(x: TensorLike, values: TensorLike) -> Tensor:
    """Which elements of x are among the values; each is compared with each."""
    dtype = common_dtype("isin", (x, values))
    x, values = as_tensor(as_operand(x, dtype)), as_tensor(as_operand(values, dtype))
    return some(equal(expand_dims(x, x.ndim), reshape(values, -1)), axis=-1)
