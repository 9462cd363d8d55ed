"""Activation functions."""

from __future__ import annotations

import math

from graphc.ir.node import Tensor
from graphc.ops.arithmetic import maximum
from graphc.ops.exponential import expm1, sigmoid
from graphc.ops.select import where
from graphc.ops.special import erf
from graphc.ops.trigonometric import tanh


def relu(x: Tensor) -> Tensor:
    """max(x, 0), with gradient 0 at 0; NaN of NaN, and -0.0 may stay what it is."""
    return maximum(0, x)


def leaky_relu(x: Tensor, slope: float = 0.01) -> Tensor:
    """x where positive, else slope * x."""
    return where(x > 0, x, x * slope)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where positive, else alpha * (exp(x) - 1)."""
    return where(x > 0, x, expm1(where(x > 0, 0, x)) * alpha)


def silu(x: Tensor) -> Tensor:
    """x * sigmoid(x)."""
    return x * sigmoid(x)


def gelu(x: Tensor, approximate: bool = False) -> Tensor:
    """x times the standard normal distribution function of x; `approximate` takes the form with
    tanh.
    """
    if approximate:
        inner = (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)
        return x * 0.5 * (tanh(inner) + 1)
    return x * 0.5 * (erf(x * math.sqrt(0.5)) + 1)
