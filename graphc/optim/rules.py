"""The optimisers."""

from __future__ import annotations

import math

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.ops.convert import cast
from graphc.ops.exponential import expm1
from graphc.ops.powers import sqrt
from graphc.optim.optimiser import Optimiser, Rate

Step = tuple[Tensor, dict[Tensor, Tensor]]


class SGD(Optimiser):
    """p - lr * v, where v = momentum * v + gradient; with `nesterov`, p - lr * (gradient + momentum
    * v).

    `weight_decay` adds that much of the parameter to its gradient; if it is `decoupled`, the step
    takes lr * weight_decay of the parameter away beside.
    """

    def __init__(
        self,
        lr: Rate,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        decoupled: bool = False,
    ):
        super().__init__(lr, clip_norm)
        if nesterov and not momentum:
            raise GraphError("nesterov needs a momentum")
        self.momentum, self.nesterov = momentum, nesterov
        self.weight_decay, self.decoupled = weight_decay, decoupled

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        if self.weight_decay and not self.decoupled:
            g = g + p * self.weight_decay
        rate = self.rate(p.dtype)
        kept = p - p * (rate * self.weight_decay) if self.decoupled else p
        if not self.momentum:
            return kept - g * rate, {}
        v = self.slot(name, "velocity", p)
        new = v * self.momentum + g
        direction = g + new * self.momentum if self.nesterov else new
        return kept - direction * rate, {v: new}


class Adam(Optimiser):
    """Adam of Kingma and Ba (2015).

    `weight_decay` adds that much of the parameter to its gradient. Without `corrected` the means
    keep their bias towards the zeros they began with; with `eps_inside` the step is divided by the
    root of (square + eps).
    """

    decoupled = False

    def __init__(
        self,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        corrected: bool = True,
        eps_inside: bool = False,
    ):
        super().__init__(lr, clip_norm)
        self.corrected, self.eps_inside = corrected, eps_inside
        if not all(0 <= beta < 1 for beta in betas):
            raise GraphError(f"the betas of Adam are at least 0 and below 1, not {betas}")
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        (first, second), rate = self.betas, self.rate(p.dtype)
        if self.weight_decay and not self.decoupled:
            g = g + p * self.weight_decay
        m, v = self.slot(name, "mean", p), self.slot(name, "square", p)
        new_m = m * first + g * (1 - first)
        new_v = v * second + g * g * (1 - second)
        mean, square = new_m / self._unbias(first, p), new_v / self._unbias(second, p)
        if self.weight_decay and self.decoupled:
            p = p - p * (rate * self.weight_decay)
        size = sqrt(square + self.eps) if self.eps_inside else sqrt(square) + self.eps
        return p - mean / size * rate, {m: new_m, v: new_v}

    def _unbias(self, beta: float, p: Tensor) -> Tensor | float:
        """1 - beta ** t for step t = 1, 2, ...: what a mean that started at zero has of its
        weight.
        """
        if beta == 0 or not self.corrected:
            return 1.0
        t = cast(self.count(), p.dtype) + 1
        return -expm1(t * math.log(beta))


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: Loshchilov and Hutter (2019)."""

    decoupled = True

    def __init__(
        self,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        clip_norm: float | None = None,
    ):
        super().__init__(lr, betas, eps, weight_decay, clip_norm)
