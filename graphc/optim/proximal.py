"""Gradient steps with a penalty that has a kink."""

from __future__ import annotations

from graphc.ir.node import Tensor
from graphc.ops.arithmetic import absolute, maximum, sign
from graphc.optim.optimiser import Optimiser, Rate
from graphc.optim.rules import Step


def shrink(x: Tensor, by: Tensor | float) -> Tensor:
    """x moved towards 0 by `by`, and 0 where that would change its sign: the proximal map of by *
    abs(x).
    """
    return sign(x) * maximum(absolute(x) - by, 0.0)


class ISTA(Optimiser):
    """Gradient descent on loss + l1 * sum(abs(p)): shrink(p - lr * gradient, lr * l1)."""

    def __init__(self, lr: Rate, l1: float):
        super().__init__(lr)
        self.l1 = l1

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        rate = self.rate(p.dtype)
        return shrink(p - g * rate, rate * self.l1), {}
