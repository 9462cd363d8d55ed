"""Linear factor models: x = W h + b + noise with independent factors h; W is (features, factors)
and x has rows (N, features).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from graphc.ir.node import Tensor
from graphc.linalg import eigh, inv, slogdet, solve, svd
from graphc.ops.arithmetic import maximum
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import TensorLike, as_operand
from graphc.ops.cumulative import trace
from graphc.ops.diagonal import diag, diagonal, eye
from graphc.ops.extent import extent
from graphc.ops.indexing.slicing import flip
from graphc.ops.linear.contraction import matmul
from graphc.ops.powers import sqrt
from graphc.ops.randomness.distributions import normal
from graphc.ops.randomness.generator import KeyLike, split
from graphc.ops.statistics import mean

Sampler = Callable[..., Tensor]


class PCA(NamedTuple):
    """Principal axes of data: the mean (D,), the columns (D, k) along which the variance is
    largest, and the variances (D,) along all axes, the largest first.
    """

    mean: Tensor
    axes: Tensor
    variances: Tensor

    def encode(self, x: Tensor) -> Tensor:
        """Coordinates (N, k) of rows along the axes."""
        return matmul(x - self.mean, self.axes)

    def decode(self, z: Tensor) -> Tensor:
        """Rows with these coordinates."""
        return matmul(z, matrix_transpose(self.axes)) + self.mean

    def whiten(self, x: Tensor) -> Tensor:
        """Coordinates over their deviations: of the data, their covariance is I."""
        return self.encode(x) / sqrt(self.variances[: self.axes.shape[-1]])


def covariance(x: Tensor) -> Tensor:
    """The covariance of rows, of which the mean is taken (no correction)."""
    centred = x - mean(x, 0)
    return matmul(matrix_transpose(centred), centred) / extent(x.shape[0], x.dtype)


def pca(x: Tensor, k: int | None = None) -> PCA:
    """The first k principal axes of rows x (all, unless given), by singular values of the centred
    data, of which there are at least as many rows as columns.
    """
    middle = mean(x, 0)
    _, s, vt = svd(x - middle)
    return PCA(middle, matrix_transpose(vt)[:, :k], s * s / extent(x.shape[0], x.dtype))


def probabilistic_pca(S: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """(W, variance of the noise) of greatest likelihood for data of covariance S, where the noise
    has one variance: the mean of the smallest eigenvalues, which the others exceed by the squares
    of W's columns (Tipping and Bishop, 1999).
    """
    values, vectors = eigh(S)
    values, vectors = flip(values, axis=0), flip(vectors, axis=1)
    noise = mean(values[k:])
    return vectors[:, :k] * sqrt(maximum(values[:k] - noise, 0)), noise


def factor_sample(
    key: KeyLike,
    count: int,
    W: Tensor,
    b: TensorLike = 0.0,
    variances: TensorLike = 0.0,
    factors: Sampler = normal,
) -> Tensor:
    """`count` rows W h + b + normal noise of these variances, h drawn by `factors`, say
    `random.laplace`.
    """
    keys = split(key)
    h = factors(keys[0], (count, W.shape[1]), dtype=W.dtype)
    noise = normal(keys[1], (count, W.shape[0]), dtype=W.dtype)
    return matmul(h, matrix_transpose(W)) + b + noise * sqrt(as_operand(variances, W.dtype))


def factor_posterior(
    x: Tensor, W: Tensor, b: TensorLike, variances: Tensor
) -> tuple[Tensor, Tensor]:
    """(means (N, k), covariance (k, k)) of standard normal factors given rows x, the noise having
    `variances` (D,).
    """
    gain, spread = _gain(W, variances)
    return matmul(x - b, matrix_transpose(gain)), spread


def factor_log_likelihood(S: Tensor, W: Tensor, variances: Tensor) -> Tensor:
    """The mean log density of data of covariance S, with its mean as b, under normal factors:
    -(log det C + tr(C^-1 S) + D log 2 pi) / 2 where C = W W^T + the noise's variances.
    """
    size = S.shape[-1]
    assert isinstance(size, int), "the number of features must be known"
    C = matmul(W, matrix_transpose(W)) + diag(variances)
    return (slogdet(C)[1] + trace(solve(C, S)) + size * math.log(2 * math.pi)) / -2


def factor_step(S: Tensor, W: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """(W, variances) after one step of expectation and maximisation for data of covariance S
    (Rubin and Thayer, 1982): the likelihood does not fall.
    """
    gain, spread = _gain(W, variances)
    across = matmul(gain, S)
    second = spread + matmul(across, matrix_transpose(gain))
    new = matrix_transpose(solve(second, across))
    return new, diagonal(S - matmul(new, across))


def _gain(W: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """The (k, D) that takes x - b to the mean of h, and the covariance of h given x."""
    scaled = matrix_transpose(W) / variances
    spread = inv(matmul(scaled, W) + eye(W.shape[1], dtype=W.dtype))
    return matmul(spread, scaled), spread
