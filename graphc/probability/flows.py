"""Normalising flows: invertible maps with known determinants, and the densities they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.ops.exponential import exp
from graphc.ops.indexing.slicing import flip
from graphc.ops.joining import concat
from graphc.ops.reduction import sum as total
from graphc.probability.distributions import normal_log_density

Net = Callable[[Tensor], tuple[Tensor, Tensor]]


class AffineCoupling(Layer):
    """y = (x₁, x₂ ⊙ e^s + t) with (s, t) = net(x₁), for the first `kept` elements x₁ of the last
    axis; with `mirrored`, of the reversed axis: Dinh et al. (2017).
    """

    def __init__(self, kept: int, net: Net, mirrored: bool = False):
        self.kept, self.net, self.mirrored = kept, net, mirrored

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """(y, log |det dy/dx|), the latter summed over all axes but the first."""
        first, second = self._parts(x)
        log_scale, shift = self.net(first)
        moved = second * exp(log_scale) + shift
        return self._whole(first, moved), total(log_scale, tuple(range(1, log_scale.ndim)))

    def inverse(self, y: Tensor) -> Tensor:
        """The x of a y."""
        first, moved = self._parts(y)
        log_scale, shift = self.net(first)
        return self._whole(first, (moved - shift) * exp(-log_scale))

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = flip(x, -1) if self.mirrored else x
        return x[..., : self.kept], x[..., self.kept :]

    def _whole(self, first: Tensor, second: Tensor) -> Tensor:
        y = concat([first, second], axis=-1)
        return flip(y, -1) if self.mirrored else y


class Flow(Layer):
    """Invertible steps one after the other, from data x to a standard normal z. A step gives
    (y, log |det|) and has an `inverse`.
    """

    def __init__(self, *steps: Any):
        self.steps = list(steps)

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """(z, log |det dz/dx|) of each sample."""
        x, log_det = self.steps[0](x)
        for step in self.steps[1:]:
            x, more = step(x)
            log_det = log_det + more
        return x, log_det

    def inverse(self, z: Tensor) -> Tensor:
        """The x of a z: a sample, if z is drawn from a standard normal."""
        for step in reversed(self.steps):
            z = step.inverse(z)
        return z

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x) = log N(z; 0, 1) + log |det dz/dx| of each sample (N, ...)."""
        z, log_det = self(x)
        return total(normal_log_density(z), tuple(range(1, z.ndim))) + log_det
