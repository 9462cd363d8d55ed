"""A rate for every element, which grows and shrinks with the signs of its gradients."""

from __future__ import annotations

from graphc.ir.node import Tensor
from graphc.ops.arithmetic import sign
from graphc.ops.select import clip, where
from graphc.optim.optimiser import Optimiser
from graphc.optim.rules import Step


class DeltaDelta(Optimiser):
    """Every rate grows by `growth` times the product of its last two gradients (see Jacobs, 1988);
    rates begin at `lr`.
    """

    def __init__(self, lr: float, growth: float):
        super().__init__(lr)
        self.first, self.growth = lr, growth

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        rate, last = self.slot(name, "rate", p, self.first), self.slot(name, "gradient", p)
        new = rate + g * last * self.growth
        return p - new * g, {rate: new, last: g}


class DeltaBarDelta(Optimiser):
    """Jacobs (1988): where the gradient has the sign of the mean of gradients a rate grows by `up`,
    where it has the other it shrinks by the share `down`.

    The mean is memory * mean + (1 - memory) * gradient; it is compared after the step's gradient is
    in it, or with `previous`, as in the original, before.
    """

    def __init__(
        self, lr: float, up: float, down: float, memory: float = 0.7, previous: bool = False
    ):
        super().__init__(lr)
        self.first, self.up, self.down = lr, up, down
        self.memory, self.previous = memory, previous

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        rate, mean = self.slot(name, "rate", p, self.first), self.slot(name, "mean", p)
        new_mean = mean * self.memory + g * (1 - self.memory)
        agreed = (mean if self.previous else new_mean) * g
        new = where(agreed > 0, rate + self.up, where(agreed < 0, rate * (1 - self.down), rate))
        return p - new * g, {rate: new, mean: new_mean}


class Rprop(Optimiser):
    """Riedmiller and Braun (1993): steps of a size that is each element's own, against the sign of
    its gradient; the size grows by `up` while the sign stays and shrinks by `down` when it changes.

    With `revert` a change of sign takes the last step back, and the gradient counts as 0 in the
    next comparison.
    """

    def __init__(
        self,
        lr: float,
        up: float = 1.2,
        down: float = 0.5,
        least: float = 1e-6,
        most: float = 50.0,
        revert: bool = False,
    ):
        super().__init__(lr)
        self.first, self.up, self.down = lr, up, down
        self.least, self.most, self.revert = least, most, revert

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        size, last = self.slot(name, "size", p, self.first), self.slot(name, "gradient", p)
        agreed = g * last
        scaled = where(agreed > 0, size * self.up, where(agreed < 0, size * self.down, size))
        new = clip(scaled, self.least, self.most)
        change = -new * sign(g)
        if not self.revert:
            return p + change, {size: new, last: g}
        made = self.slot(name, "change", p)
        change = where(agreed < 0, -made, change)
        kept = where(agreed < 0, 0 * g, g)
        return p + change, {size: new, last: kept, made: change}


class Quickprop(Optimiser):
    """Fahlman (1988): each element jumps to the minimum of the parabola through its last two
    gradients, g / (last g - g) times its last step.

    The first step, one after a step of 0, and one whose parabola has no minimum are steps of
    gradient descent. With `most` a jump is at most that many times the step before.
    """

    def __init__(self, lr: float, most: float | None = None):
        super().__init__(lr)
        self.most = most

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        last, made = self.slot(name, "gradient", p), self.slot(name, "change", p)
        bend = last - g
        flat = (bend == 0) | (made == 0) | (bend * made > 0)
        factor = g / where(flat, 1.0, bend)
        if self.most is not None:
            factor = clip(factor, -self.most, self.most)
        change = where(flat, -g * self.rate(p.dtype), factor * made)
        return p + change, {last: g, made: change}
