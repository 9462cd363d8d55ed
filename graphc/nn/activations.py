"""Activations that are not ops of their own."""

from __future__ import annotations

from graphc.ir.node import Tensor
from graphc.ops.activations import elu
from graphc.ops.arithmetic import absolute, maximum, sign
from graphc.ops.convert import TensorLike
from graphc.ops.exponential import sigmoid

SELU_ALPHA, SELU_SCALE = 1.6732632423543773, 1.0507009873554805


def selu(x: Tensor) -> Tensor:
    """scale * (x where x > 0, else alpha (e^x - 1)), whose layers keep mean 0 and variance 1
    (Klambauer et al., 2017).
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def swish(x: Tensor, beta: TensorLike = 1.0) -> Tensor:
    """x * sigmoid(beta x), with a beta that may be learnt (Ramachandran et al., 2017)."""
    return x * sigmoid(x * beta)


def soft_threshold(x: Tensor, b: TensorLike) -> Tensor:
    """sign(x) * max(abs(x) - b, 0): the proximal map of b times the absolute value."""
    return sign(x) * maximum(absolute(x) - b, 0)
