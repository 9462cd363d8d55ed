"""What follows from normal distributions that are given by mean (D,) and covariance (D, D)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.linalg import inv, slogdet, solve
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import TensorLike
from graphc.ops.diagonal import eye
from graphc.ops.layout import expand_dims
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import sum as total


def gaussian_given(
    mean: Tensor, covariance: Tensor, places: Sequence[int], values: TensorLike
) -> tuple[Tensor, Tensor]:
    """(mean, covariance) of the other variables, in their order, when those at `places` have these
    values: m1 + S12 S22^-1 (x2 - m2) and S11 - S12 S22^-1 S21.
    """
    size = mean.shape[0]
    assert isinstance(size, int), "the number of variables must be known"
    seen = list(places)
    if len(set(seen)) < len(seen) or not all(0 <= k < size for k in seen):
        raise ShapeError(f"places of {size} variables, each at most once, needed; not {seen}")
    rest = [k for k in range(size) if k not in seen]
    across = covariance[rest][:, seen]
    gain = matrix_transpose(solve(covariance[seen][:, seen], matrix_transpose(across)))
    middle = mean[rest] + matmul(gain, values - mean[seen])
    return middle, covariance[rest][:, rest] - matmul(gain, matrix_transpose(across))


def gaussian_product(
    mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor
) -> tuple[Tensor, Tensor]:
    """(mean, covariance) of the law whose density is proportional to the product of two."""
    gain = matrix_transpose(solve(covariance + other_covariance, covariance))
    return mean + matmul(gain, other_mean - mean), covariance - matmul(gain, covariance)


def gaussian_map(
    mean: Tensor, covariance: Tensor, A: Tensor, b: TensorLike = 0.0
) -> tuple[Tensor, Tensor]:
    """(mean, covariance) of A x + b."""
    return matmul(A, mean) + b, matmul(A, matmul(covariance, matrix_transpose(A)))


def gaussian_network(weights: Tensor, bias: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """(mean, covariance) of x_i = sum_j weights[i, j] x_j + bias_i + noise of variance
    variances_i, where j runs over the parents of i: there is an order in which all weights are
    below the diagonal.
    """
    back = eye(bias.shape[0], dtype=weights.dtype) - weights
    spread = inv(back)
    return matmul(spread, bias), matmul(spread * variances, matrix_transpose(spread))


def gaussian_field(J: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """(mean, covariance) of p(x) proportional to exp(-x J x / 2 + g x), J positive definite: x_i
    and x_j are independent given the others where J[i, j] is 0.
    """
    covariance = inv(J)
    return matmul(covariance, g), covariance


def gaussian_field_log_partition(J: Tensor, g: Tensor) -> Tensor:
    """log of the integral of exp(-x J x / 2 + g x)."""
    size = g.shape[0]
    assert isinstance(size, int), "the number of variables must be known"
    square = total(g * solve(J, expand_dims(g, -1))[:, 0])
    return (square - slogdet(J)[1] + size * math.log(2 * math.pi)) / 2
