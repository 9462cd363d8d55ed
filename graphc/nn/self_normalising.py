"""How selu layers move means and variances: Klambauer, Unterthiner, Mayr and Hochreiter (2017)."""

from __future__ import annotations

import math

from graphc.ir.node import Tensor
from graphc.nn.activations import SELU_ALPHA, SELU_SCALE
from graphc.ops.convert import TensorLike
from graphc.ops.exponential import exp
from graphc.ops.powers import sqrt
from graphc.ops.special import erf, erfc


def selu_moments(
    mean: Tensor, variance: Tensor, total: TensorLike = 0.0, squares: TensorLike = 1.0
) -> tuple[Tensor, Tensor]:
    """The mean and the variance of selu(z), where z is normal as the sum of many independent inputs
    of this mean and variance, with weights that sum to `total` and squares that sum to `squares`.
    """
    m, v = mean * total, variance * squares
    root = sqrt(2 * v)
    below = erfc(m / root)
    bell = exp(-m * m / (2 * v)) * sqrt(2 / math.pi * v)
    once = exp(m + v / 2) * erfc((m + v) / root)
    twice = exp(2 * (m + v)) * erfc((m + 2 * v) / root)
    first = m * erf(m / root) + m + bell + SELU_ALPHA * (once - below)
    second = (m * m + v) * (2 - below) + m * bell + SELU_ALPHA**2 * (twice - 2 * once + below)
    new_mean = SELU_SCALE / 2 * first
    return new_mean, SELU_SCALE**2 / 2 * second - new_mean * new_mean
