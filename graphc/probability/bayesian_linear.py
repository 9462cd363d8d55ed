"""Linear regression with a normal prior: the weights' posterior, in closed form. Bishop (2006),
chapter 3.
"""

from __future__ import annotations

from graphc.ir.node import Tensor
from graphc.linalg import inv
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import TensorLike, as_operand
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import sum as total
from graphc.probability.gaussian_process import gp_log_evidence, linear_kernel


def linear_posterior(
    features: Tensor, y: Tensor, noise: TensorLike, prior: Tensor
) -> tuple[Tensor, Tensor]:
    """(mean μ (D,), covariance Σ (D, D)) of the weights of y (N,) = features (N, D) · w + normal
    noise of variance `noise`, where w is N(0, prior) before:

        Σ = (XᵀX / noise + prior⁻¹)⁻¹,  μ = Σ Xᵀ y / noise.
    """
    level = as_operand(noise, features.dtype)
    across = matrix_transpose(features)
    covariance = inv(matmul(across, features) / level + inv(prior))
    return matmul(covariance, matmul(across, y) / level), covariance


def linear_predict(features: Tensor, mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """(mean (M,), variance (M,)) of x · w at rows x; add the noise's variance for that of y."""
    return matmul(features, mean), total(matmul(features, covariance) * features, -1)


def linear_log_evidence(features: Tensor, y: Tensor, noise: TensorLike, prior: Tensor) -> Tensor:
    """log p(y | features) with the weights integrated out: log N(y; 0, X prior Xᵀ + noise I)."""
    return gp_log_evidence(lambda a, b: linear_kernel(a, b, prior), features, y, noise)
