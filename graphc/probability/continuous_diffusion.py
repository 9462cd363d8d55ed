"""Diffusion in continuous time with a learnt schedule: Kingma et al. (2021)."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.ops.convert import as_operand
from graphc.ops.exponential import sigmoid, softplus
from graphc.ops.layout import expand_dims
from graphc.ops.powers import sqrt
from graphc.ops.reduction import sum as total
from graphc.ops.source import variable
from graphc.passes.derivatives.differentiate import grad
from graphc.probability.diffusion import Model


class MonotoneSchedule(Layer):
    """γ(t), the negative log of the signal-to-noise ratio at t from 0 to 1, which only grows: from
    `start` to `end`, along a mixture of `units` sigmoids and a line with positive weights.
    """

    def __init__(
        self, start: float = -8.0, end: float = 8.0, units: int = 4, dtype: Any = "float64"
    ):
        self.start = variable(np.asarray(start, dtype), "start")
        self.end = variable(np.asarray(end, dtype), "end")
        self.weights = variable(np.full(units + 1, -1.0, dtype), "weights")
        self.steepness = variable(np.full(units, 3.0, dtype), "steepness")
        self.centres = variable(np.linspace(0.1, 0.9, units, dtype=dtype), "centres")

    def _raw(self, t: Tensor) -> Tensor:
        weights = softplus(self.weights)
        curves = sigmoid(softplus(self.steepness) * (expand_dims(t, -1) - self.centres))
        return weights[0] * t + total(weights[1:] * curves, -1)

    def __call__(self, t: Tensor) -> Tensor:
        low, high = (self._raw(as_operand(end, t.dtype)) for end in (0.0, 1.0))
        return self.start + (self.end - self.start) * (self._raw(t) - low) / (high - low)

    def slope(self, t: Tensor) -> Tensor:
        """dγ/dt of each element."""
        slope: Tensor = grad(total(self(t)), t)
        return slope

    def diffuse(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """z_t = √σ(-γ) x + √σ(γ) noise, for x (N, D) and t (N,)."""
        level = expand_dims(self(t), -1)
        return sqrt(sigmoid(-level)) * x + sqrt(sigmoid(level)) * noise

    def loss(self, model: Model, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """½ γ'(t) |noise - model(z_t, γ(t))|² of each sample (N,): its mean over t, uniform in (0,
        1), depends on the schedule by its end points alone.
        """
        error = noise - model(self.diffuse(x, noise, t), self(t))
        return 0.5 * self.slope(t) * total(error * error, -1)
