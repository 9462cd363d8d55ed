"""Covariances and correlations of variables, from samples of them."""

from __future__ import annotations

from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import TensorLike, as_tensor, cast
from graphc.ops.diagonal import diagonal
from graphc.ops.extent import extent
from graphc.ops.layout import expand_dims
from graphc.ops.linear.contraction import matmul
from graphc.ops.located import locate_errors
from graphc.ops.powers import sqrt
from graphc.ops.select import clip
from graphc.ops.statistics import mean


@locate_errors
def cov(x: TensorLike, rowvar: bool = True, ddof: int = 1) -> Tensor:
    """The covariances of the rows of a matrix (its columns unless `rowvar`), whose other axis are
    samples; the variance of a vector. Sums are divided by the number of samples less `ddof`.
    """
    x = as_tensor(x)
    x = x if x.dtype.is_float else cast(x, "float64")
    if x.ndim not in (1, 2):
        raise ShapeError(f"cov: variables are rows of a matrix, or one vector, not {x.type}")
    rows = expand_dims(x, 0) if x.ndim == 1 else x if rowvar else matrix_transpose(x)
    apart = rows - mean(rows, axis=1, keepdims=True)
    found = matmul(apart, matrix_transpose(apart)) / (extent(rows.shape[1], x.dtype) - ddof)
    return found[0, 0] if x.ndim == 1 else found


@locate_errors
def corrcoef(x: TensorLike, rowvar: bool = True) -> Tensor:
    """The correlations of the rows of a matrix (its columns unless `rowvar`), in [-1, 1]; NaN for
    what does not vary.
    """
    c = cov(x, rowvar)
    if c.ndim == 0:
        return c / c
    scale = sqrt(diagonal(c))
    return clip(c / expand_dims(scale, 1) / expand_dims(scale, 0), -1, 1)
