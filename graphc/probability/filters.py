"""Linear state-space models: Kalman (1960), and the smoother of Rauch, Tung and Striebel (1965).

States have n numbers and observations m: z' = A z + noise of covariance Q (n, n), and x = H z +
noise of covariance R (m, m).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from graphc.control import scan
from graphc.ir.node import Tensor
from graphc.linalg import slogdet, solve
from graphc.ops.axes import swapaxes
from graphc.ops.diagonal import eye
from graphc.ops.joining import concat
from graphc.ops.layout import expand_dims
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import sum as total


class Filtered(NamedTuple):
    """What is known of each state from observations up to it: means (T, n), covariances (T, n, n),
    and log p of all observations.
    """

    means: Tensor
    covariances: Tensor
    log_likelihood: Tensor


def kalman_filter(
    x: Tensor, A: Tensor, Q: Tensor, H: Tensor, R: Tensor, mean: Tensor, covariance: Tensor
) -> Filtered:
    """Filters observations x (T, m); `mean` (n,) and `covariance` are those of the state one step
    before the first observation. Everything may be learnt by log_likelihood.
    """

    def step(state: tuple[Tensor, Tensor], seen: Tensor) -> tuple[tuple[Tensor, Tensor], Filtered]:
        mean, P = state
        mean, P = matmul(A, mean), matmul(A, matmul(P, _t(A))) + Q
        error, S = seen - matmul(H, mean), matmul(H, matmul(P, _t(H))) + R
        gain = _t(solve(S, matmul(H, P)))
        log_p = _log_normal(error, S)
        mean = mean + matmul(gain, error)
        P = matmul(eye(P.shape[0], dtype=P.dtype) - matmul(gain, H), P)
        return (mean, P), Filtered(mean, P, log_p)

    _, (means, covariances, logs) = scan(step, (mean, covariance), x)
    return Filtered(means, covariances, total(logs))


def kalman_smoother(found: Filtered, A: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
    """Means (T, n) and covariances (T, n, n) of the states given all observations."""
    means, covariances = found.means, found.covariances

    def step(
        later: tuple[Tensor, Tensor], here: tuple[Tensor, Tensor]
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        (next_mean, next_cov), (mean, P) = later, here
        ahead = matmul(A, matmul(P, _t(A))) + Q
        gain = _t(solve(ahead, matmul(A, P)))
        mean = mean + matmul(gain, next_mean - matmul(A, mean))
        P = P + matmul(gain, matmul(next_cov - ahead, _t(gain)))
        return (mean, P), (mean, P)

    last = (means[-1], covariances[-1])
    _, (smooth, spread) = scan(step, last, (means[:-1], covariances[:-1]), reverse=True)

    return (
        concat([smooth, expand_dims(last[0], 0)]),
        concat([spread, expand_dims(last[1], 0)]),
    )


def _log_normal(error: Tensor, S: Tensor) -> Tensor:
    """log N(error; 0, S)."""
    size = error.shape[0]
    _, log_det = slogdet(S)
    square = total(error * solve(S, expand_dims(error, -1))[:, 0])
    return (square + log_det + size * math.log(2 * math.pi)) * -0.5  # type: ignore[operator]


def _t(a: Tensor) -> Tensor:
    return swapaxes(a, -1, -2)
