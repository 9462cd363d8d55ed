"""Gaussian processes that are known through a few points, and stacks of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.node import Tensor
from graphc.linalg import cholesky, triangular_solve
from graphc.nn.layer import Layer
from graphc.ops.arithmetic import absolute, maximum
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import TensorLike, as_operand
from graphc.ops.diagonal import diagonal, eye, tril
from graphc.ops.exponential import exp, log
from graphc.ops.layout import expand_dims
from graphc.ops.linear.contraction import matmul
from graphc.ops.powers import sqrt
from graphc.ops.randomness.distributions import normal
from graphc.ops.randomness.generator import KeyLike, split
from graphc.ops.reduction import sum as total
from graphc.ops.source import variable
from graphc.probability.gaussian_process import rbf_kernel, variances

Array = np.ndarray[Any, Any]


class SparseGP(Layer):
    """A process with `outputs` columns, known through values u at `points` (M, D) which are
    N(mean, root rootᵀ), one covariance for all columns: Hensman et al. (2013).

    Points, mean (M, outputs), root (M, M, lower half) and the logarithms of the kernel's scale and
    height are trained. `kernel(a, b, scale, height)` is RBF unless given; `jitter` is added to the
    kernel's diagonal at the points.
    """

    def __init__(
        self,
        points: Array,
        outputs: int = 1,
        kernel: Callable[..., Tensor] = rbf_kernel,
        jitter: float = 1e-6,
    ):
        points = np.asarray(points)
        m, kind = len(points), points.dtype
        self.points = variable(points, "points")
        self.mean = variable(np.zeros((m, outputs), kind), "mean")
        self.root = variable(np.eye(m, dtype=kind), "root")
        self.log_scale = variable(np.zeros((), kind), "log_scale")
        self.log_height = variable(np.zeros((), kind), "log_height")
        self.shape, self.jitter = kernel, jitter

    def kernel(self, a: Tensor, b: Tensor) -> Tensor:
        """The kernel with its scale and height as they are."""
        return self.shape(a, b, exp(self.log_scale), exp(self.log_height))

    def _factor(self) -> Tensor:
        gram = self.kernel(self.points, self.points)
        return cholesky(gram + self.jitter * eye(self.points.shape[0], dtype=gram.dtype))

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(mean (N, outputs), variance (N, 1)) at rows x: with A = K_xz K_zz⁻¹, these are A · mean
        and k_xx - A K_zx + A root rootᵀ Aᵀ on the diagonal.
        """
        factor = self._factor()
        cross = triangular_solve(factor, self.kernel(self.points, x))
        weights = triangular_solve(factor, cross, transpose_a=True)
        spread = matmul(matrix_transpose(tril(self.root)), weights)
        variance = variances(self.kernel, x) - total(cross * cross, 0) + total(spread * spread, 0)
        return matmul(matrix_transpose(weights), self.mean), expand_dims(variance, 1)

    def sample(self, x: Tensor, key: KeyLike) -> Tensor:
        """Values (N, outputs) at rows x, each drawn by itself: mean + deviation · normal noise, so
        gradients flow through the draw.
        """
        mean, variance = self.moments(x)
        return mean + sqrt(maximum(variance, 0)) * normal(key, mean.shape, dtype=mean.dtype)

    def __call__(self, x: Tensor) -> Tensor:
        return self.moments(x)[0]

    def kl(self) -> Tensor:
        """KL(N(mean, root rootᵀ) || N(0, K_zz)), over all columns."""
        factor, columns = self._factor(), self.mean.shape[1]
        assert isinstance(columns, int)
        spread = triangular_solve(factor, tril(self.root))
        moved = triangular_solve(factor, self.mean)
        logs = log(diagonal(factor)) - log(absolute(diagonal(self.root)))
        own = total(spread * spread) + total(2 * logs - 1)
        return 0.5 * (columns * own + total(moved * moved))


class DeepGP(Layer):
    """Sparse processes in a row: each takes a draw of the one before (Salimbeni and Deisenroth,
    2017).
    """

    def __init__(self, *layers: SparseGP):
        self.steps = list(layers)

    def moments(self, x: Tensor, key: KeyLike) -> tuple[Tensor, Tensor]:
        """The moments of the last process for one draw of those before it."""
        keys = split(key, len(self.steps))
        for k, step in enumerate(self.steps[:-1]):
            x = step.sample(x, keys[k])
        return self.steps[-1].moments(x)

    def elbo(self, x: Tensor, y: Tensor, noise: TensorLike, key: KeyLike) -> Tensor:
        """A draw of a lower bound of log p(y) for y (N, outputs) with normal noise of variance
        `noise`: E log p(y | f) - the sum of the layers' KL. With one layer nothing is drawn.
        """
        mean, variance = self.moments(x, key)
        level = as_operand(noise, y.dtype)
        error = (y - mean) ** 2 + variance
        fit = -0.5 * total(error / level + log(level * (2 * np.pi)) + 0 * mean)
        return fit - sum((step.kl() for step in self.steps[1:]), self.steps[0].kl())
