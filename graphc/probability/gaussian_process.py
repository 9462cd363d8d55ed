"""Gaussian processes: functions whose values at any points are jointly normal. Rasmussen and
Williams (2006), chapter 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from graphc.ir.node import Tensor
from graphc.linalg import cholesky, triangular_solve
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import TensorLike, as_operand
from graphc.ops.diagonal import diagonal, eye
from graphc.ops.exponential import exp, log
from graphc.ops.layout import expand_dims
from graphc.ops.linear.contraction import matmul
from graphc.ops.powers import sqrt
from graphc.ops.reduction import sum as total
from graphc.ops.special import erfc
from graphc.passes.derivatives.batch import vmap

Kernel = Callable[[Tensor, Tensor], Tensor]


def rbf_kernel(a: Tensor, b: Tensor, scale: TensorLike = 1.0, height: TensorLike = 1.0) -> Tensor:
    """height · exp(-|a_i - b_j|² / (2 scale²)) of rows (N, D) and (M, D): (N, M). A `scale` (D,)
    has one length for each column.
    """
    gaps = (expand_dims(a, 1) - expand_dims(b, 0)) / as_operand(scale, a.dtype)
    return as_operand(height, a.dtype) * exp(-0.5 * total(gaps * gaps, -1))


def linear_kernel(a: Tensor, b: Tensor, prior: Tensor | None = None) -> Tensor:
    """aᵀ S b of rows, with S (D, D) the prior covariance of a linear function's weights (the
    identity unless given).
    """
    return matmul(a if prior is None else matmul(a, prior), matrix_transpose(b))


def variances(kernel: Kernel, x: Tensor) -> Tensor:
    """k(x_i, x_i) of each row, without the other pairs."""
    each: Tensor = vmap(lambda row: kernel(expand_dims(row, 0), expand_dims(row, 0))[0, 0])(x)
    return each


def gp_predict(
    kernel: Kernel, x: Tensor, y: Tensor, noise: TensorLike, at: Tensor
) -> tuple[Tensor, Tensor]:
    """(mean (M,), variance (M,)) of the function at rows `at` (M, D), known at rows x (N, D) to be
    y (N,) within normal noise of variance `noise`:

        mean = k_xᵀ (K + noise I)⁻¹ y,  variance = k_xx - k_xᵀ (K + noise I)⁻¹ k_x.

    Add `noise` to the variance for that of a new observation.
    """
    factor = _factor(kernel(x, x), noise)
    cross = triangular_solve(factor, kernel(x, at))
    weights = triangular_solve(factor, expand_dims(y, 1))
    mean = total(cross * weights, 0)
    return mean, variances(kernel, at) - total(cross * cross, 0)


def gp_log_evidence(kernel: Kernel, x: Tensor, y: Tensor, noise: TensorLike) -> Tensor:
    """log N(y; 0, K + noise I): what is maximised for the kernel's own parameters."""
    factor = _factor(kernel(x, x), noise)
    weights = triangular_solve(factor, expand_dims(y, 1))
    logs = total(log(diagonal(factor)) + 0.5 * math.log(2 * math.pi))
    return -0.5 * total(weights * weights) - logs


def _factor(gram: Tensor, noise: TensorLike) -> Tensor:
    level = as_operand(noise, gram.dtype)
    return cholesky(gram + level * eye(gram.shape[0], dtype=gram.dtype))


def expected_improvement(mean: Tensor, variance: Tensor, best: TensorLike) -> Tensor:
    """E max(best - f, 0) for a normal f: (best - mean) Φ(z) + s φ(z), z = (best - mean) / s
    (Mockus, 1975): how far a new point is expected to get below the best value so far.
    """
    s = sqrt(variance)
    z = (as_operand(best, mean.dtype) - mean) / s
    below = 0.5 * erfc(z * -math.sqrt(0.5))
    return s * (z * below + exp(-0.5 * z * z) * (1 / math.sqrt(2 * math.pi)))
