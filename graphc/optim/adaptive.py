"""Steps scaled by what each element's gradients have been."""

from __future__ import annotations

import math

from graphc.ir.node import Tensor
from graphc.ops.arithmetic import absolute, maximum
from graphc.ops.convert import cast
from graphc.ops.exponential import expm1
from graphc.ops.powers import sqrt
from graphc.ops.select import where
from graphc.optim.optimiser import Optimiser, Rate
from graphc.optim.rules import Step


def _root(square: Tensor, eps: float, inside: bool) -> Tensor:
    return sqrt(square + eps) if inside else sqrt(square) + eps


class AdaGrad(Optimiser):
    """Duchi, Hazan and Singer (2011): p - lr * g / (sqrt(v) + eps), where v is the sum of all g**2.

    With `eps_inside` the divisor is sqrt(v + eps).
    """

    def __init__(
        self,
        lr: Rate = 1e-2,
        eps: float = 1e-8,
        eps_inside: bool = False,
        clip_norm: float | None = None,
    ):
        super().__init__(lr, clip_norm)
        self.eps, self.eps_inside = eps, eps_inside

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        v = self.slot(name, "square", p)
        new = v + g * g
        return p - g / _root(new, self.eps, self.eps_inside) * self.rate(p.dtype), {v: new}


class RMSprop(Optimiser):
    """Tieleman and Hinton (2012): p - lr * g / (sqrt(v) + eps), v = decay * v + (1 - decay) * g**2.

    With `eps_inside` the divisor is sqrt(v + eps).
    """

    def __init__(
        self,
        lr: Rate = 1e-3,
        decay: float = 0.9,
        eps: float = 1e-8,
        eps_inside: bool = False,
        clip_norm: float | None = None,
    ):
        super().__init__(lr, clip_norm)
        self.decay, self.eps, self.eps_inside = decay, eps, eps_inside

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        v = self.slot(name, "square", p)
        new = v * self.decay + g * g * (1 - self.decay)
        return p - g / _root(new, self.eps, self.eps_inside) * self.rate(p.dtype), {v: new}


class Adadelta(Optimiser):
    """Zeiler (2012): p - lr * sqrt(d + eps) / sqrt(v + eps) * g, where v and d are decaying means
    of g**2 and of the squared steps (before lr).
    """

    def __init__(
        self,
        lr: Rate = 1.0,
        decay: float = 0.9,
        eps: float = 1e-6,
        clip_norm: float | None = None,
    ):
        super().__init__(lr, clip_norm)
        self.decay, self.eps = decay, eps

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        v, d = self.slot(name, "square", p), self.slot(name, "change", p)
        new_v = v * self.decay + g * g * (1 - self.decay)
        change = g * sqrt(d + self.eps) / sqrt(new_v + self.eps)
        new_d = d * self.decay + change * change * (1 - self.decay)
        return p - change * self.rate(p.dtype), {v: new_v, d: new_d}


class AdaMax(Optimiser):
    """Adam's relative with the largest gradient for its scale (Kingma and Ba, 2015): p - lr /
    (1 - beta1**t) * m / u, u = max(beta2 * u, abs(g)).

    An element whose gradients have all been 0 stays.
    """

    def __init__(
        self,
        lr: Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        clip_norm: float | None = None,
    ):
        super().__init__(lr, clip_norm)
        self.betas = betas

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        (first, second), rate = self.betas, self.rate(p.dtype)
        m, u = self.slot(name, "mean", p), self.slot(name, "largest", p)
        new_m = m * first + g * (1 - first)
        new_u = maximum(u * second, absolute(g))
        if first:
            rate = rate / -expm1((cast(self.count(), p.dtype) + 1) * math.log(first))
        change = where(new_u == 0, 0 * g, new_m / where(new_u == 0, 1.0, new_u))
        return p - change * rate, {m: new_m, u: new_u}
