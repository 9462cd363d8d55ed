"""Log densities, divergences and distances of distributions that are given by their parameters."""

from __future__ import annotations

import math

from graphc.ir.dims import Dim
from graphc.ir.node import Tensor
from graphc.linalg import cholesky, slogdet, solve, sqrtm, triangular_solve
from graphc.nn.losses import binary_cross_entropy
from graphc.nn.margins import gaussian_nll
from graphc.ops.arithmetic import absolute
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import TensorLike, as_operand
from graphc.ops.cumulative import trace
from graphc.ops.diagonal import diagonal
from graphc.ops.exponential import exp, log
from graphc.ops.extent import extent
from graphc.ops.layout import expand_dims
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import sum as total
from graphc.ops.statistics import mean


def normal_log_density(x: Tensor, mean: TensorLike = 0.0, log_variance: TensorLike = 0.0) -> Tensor:
    """log N(x; mean, exp(log_variance)) of each element."""
    return -gaussian_nll(x, as_operand(mean, x.dtype), as_operand(log_variance, x.dtype), "none")


def laplace_log_density(x: Tensor, rate: TensorLike = 1.0, mean: TensorLike = 0.0) -> Tensor:
    """log(rate / 2) - rate |x - mean| of each element."""
    rate = as_operand(rate, x.dtype)
    return log(rate / 2) - rate * absolute(x - mean)


def bernoulli_log_probability(x: TensorLike, logits: Tensor) -> Tensor:
    """The log probability of each x, 0 or 1, of a coin that shows 1 with chance sigmoid(logits)."""
    return -binary_cross_entropy(logits, x, "none")


def multivariate_normal_log_density(x: Tensor, mean: TensorLike, covariance: Tensor) -> Tensor:
    """log N(x; mean, covariance) of rows (N, D), by a Cholesky factor."""
    factor = cholesky(covariance)
    error = triangular_solve(factor, matrix_transpose(x - mean))
    half_log_det = total(log(diagonal(factor)))
    constant = 0.5 * math.log(2 * math.pi) * _float(covariance.shape[-1])
    return -0.5 * total(error * error, 0) - half_log_det - constant


def _float(size: Dim) -> float:
    assert isinstance(size, int), "the size of a covariance must be known"
    return float(size)


def gaussian_kl(
    mean: Tensor,
    log_variance: Tensor,
    other_mean: TensorLike = 0.0,
    other_log_variance: TensorLike = 0.0,
) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(other_mean, exp(other_log_variance))) of each element;
    that of independent components is their sum.
    """
    other = as_operand(other_log_variance, mean.dtype)
    distance = mean - other_mean
    ratio = log_variance - other
    return 0.5 * (exp(ratio) + distance * distance * exp(-other) - 1 - ratio)


def multivariate_gaussian_kl(
    mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor
) -> Tensor:
    """KL(N(mean, covariance) || N(other_mean, other_covariance)):
    ½ (tr(S₂⁻¹ S₁) + dᵀ S₂⁻¹ d - k + log det S₂ - log det S₁) with d the means' difference.
    """
    d = expand_dims(other_mean - mean, -1)
    spread = trace(solve(other_covariance, covariance), axis1=-2, axis2=-1)
    moved = total(d * solve(other_covariance, d), (-2, -1))
    logs = slogdet(other_covariance)[1] - slogdet(covariance)[1]
    return 0.5 * (spread + moved - _float(covariance.shape[-1]) + logs)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (D,) and the covariance (D, D), divided by N, of rows (N, D)."""
    middle = mean(x, 0)
    centred = x - middle
    return middle, matmul(matrix_transpose(centred), centred) / extent(x.shape[0], x.dtype)


def frechet_distance(
    mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor
) -> Tensor:
    """|m₁ - m₂|² + tr(S₁ + S₂ - 2 (S₁^½ S₂ S₁^½)^½): the squared Wasserstein-2 distance of two
    Gaussians (Dowson and Landau, 1982). Of two sets of features of images it is the Fréchet
    inception distance (Heusel et al., 2017), with `moments` for each.
    """
    d = mean - other_mean
    root = sqrtm(covariance)
    cross = sqrtm(matmul(matmul(root, other_covariance), root))
    return total(d * d, -1) + trace(covariance + other_covariance - 2 * cross, axis1=-2, axis2=-1)


def log_laplace_integral(least: Tensor, hessian: Tensor, scale: TensorLike = 1.0) -> Tensor:
    """Laplace's approximation of log ∫ exp(-scale · l(x)) dx from the least value of l and its
    Hessian (p, p) there: -scale · l* + ½ p log(2π / scale) - ½ log det H.
    """
    n = as_operand(scale, least.dtype)
    half = 0.5 * _float(hessian.shape[-1])
    return -n * least + half * (math.log(2 * math.pi) - log(n)) - 0.5 * slogdet(hessian)[1]
