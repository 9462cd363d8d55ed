"""Momentum: the heavy ball, Nesterov's method and their relatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from graphc.ir.dtypes import DType
from graphc.ir.node import Tensor
from graphc.ops.convert import cast
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.optim.optimiser import Optimiser, Rate, those_of
from graphc.optim.points import gradients_at, moved
from graphc.optim.rules import Step

Momentum = float | Tensor | Callable[[Tensor], Tensor]
Parameters = Iterable[Tensor] | Mapping[str, Tensor]


class GradientAverage(Optimiser):
    """p - lr * m, where m = momentum * m + (1 - momentum) * gradient."""

    def __init__(self, lr: Rate, momentum: float = 0.9, clip_norm: float | None = None):
        super().__init__(lr, clip_norm)
        self.momentum = momentum

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        m = self.slot(name, "mean", p)
        new = m * self.momentum + g * (1 - self.momentum)
        return p - new * self.rate(p.dtype), {m: new}


class HeavyBall(Optimiser):
    """Polyak (1964): p - lr * gradient + momentum * (p - previous p).

    Three forms of one method, which differ in what they store: "difference" as above;
    "extrapolated" moves to u = (1 + momentum) * p - momentum * previous and steps from there by the
    gradient at p; "velocity" has v = momentum * v - gradient and steps by lr * v (equal for a
    constant rate).
    """

    def __init__(
        self,
        lr: Rate,
        momentum: float | Tensor = 0.9,
        form: Literal["difference", "extrapolated", "velocity"] = "velocity",
        clip_norm: float | None = None,
    ):
        super().__init__(lr, clip_norm)
        self.momentum, self.form = momentum, form

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        if self.form == "velocity":
            v = self.slot(name, "velocity", p)
            new = v * self.momentum - g
            return p + new * self.rate(p.dtype), {v: new}
        previous = self.slot(name, "previous", p, self.began[name])
        if self.form == "difference":
            change = g * self.rate(p.dtype) - (p - previous) * self.momentum
            return p - change, {previous: p}
        ahead = p * (1 + self.momentum) - previous * self.momentum
        return ahead - g * self.rate(p.dtype), {previous: p}


def growing_momentum(step: Tensor) -> Tensor:
    """(t - 1) / (t + 2) for t = 1, 2, ...: for convex functions of unknown curvature (Nesterov,
    1983).
    """
    return step / (step + 3)


def optimal_momentum(condition: float) -> float:
    """(sqrt(k) - 1) / (sqrt(k) + 1), for strongly convex functions of condition number k."""
    root = math.sqrt(condition)
    return (root - 1) / (root + 1)


class Nesterov(Optimiser):
    """Nesterov (1983): heavy ball with the gradient taken where the momentum leads.

    "velocity": v = momentum * v - gradient(p + lr * momentum * v), p + lr * v. "extrapolated":
    u = (1 + momentum) * p - momentum * previous, u - lr * gradient(u). Equal where rate and
    momentum are constant. `momentum` may be a function of the number of steps taken.
    """

    def __init__(
        self,
        lr: Rate,
        momentum: Momentum = 0.9,
        form: Literal["velocity", "extrapolated"] = "extrapolated",
        clip_norm: float | None = None,
    ):
        super().__init__(lr, clip_norm)
        self.momentum, self.form = momentum, form

    def updates(self, loss: Tensor, parameters: Parameters) -> dict[Tensor, Tensor]:
        params = those_of(loss, parameters)
        self.remember(params)
        self.ahead = {name: self.lookahead(name, p) for name, p in params.items()}
        return self.apply(gradients_at(loss, params, self.ahead), params)

    def lookahead(self, name: str, p: Tensor) -> Tensor:
        """Where the gradient is taken."""
        rho = self._momentum(p.dtype)
        if self.form == "velocity":
            return p + self.slot(name, "velocity", p) * (self.rate(p.dtype) * rho)
        return p + (p - self.slot(name, "previous", p, self.began[name])) * rho

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        if self.form == "velocity":
            v = self.slot(name, "velocity", p)
            new = v * self._momentum(p.dtype) - g
            return p + new * self.rate(p.dtype), {v: new}
        previous = self.slots[f"{name}.previous"]
        return self.ahead[name] - g * self.rate(p.dtype), {previous: p}

    def _momentum(self, dtype: DType) -> Tensor | float:
        if callable(self.momentum):
            return cast(self.momentum(cast(self.count(), dtype)), dtype)
        return self.momentum


class RestartedNesterov(Optimiser):
    """Nesterov's method with growing momentum, whose momentum starts anew when it leads uphill.

    `when` is "gradient" (the gradient at the point ahead and the step just made agree in direction)
    or "function" (the loss has risen): O'Donoghue and Candes (2015).
    """

    def __init__(self, lr: Rate, when: Literal["gradient", "function"] = "gradient"):
        super().__init__(lr)
        self.when = when

    def updates(self, loss: Tensor, parameters: Parameters) -> dict[Tensor, Tensor]:
        params = those_of(loss, parameters)
        self.remember(params)
        age = self.slot("all", "age", loss)
        previous = {n: self.slot(n, "previous", p, self.began[n]) for n, p in params.items()}
        rho = age / (age + 3)
        ahead = {n: p + (p - previous[n]) * cast(rho, p.dtype) for n, p in params.items()}
        grads = gradients_at(loss, params, ahead)
        new = {n: ahead[n] - grads[n] * self.rate(p.dtype) for n, p in params.items()}
        if self.when == "gradient":
            slopes = [cast(total(grads[n] * (new[n] - p)), loss.dtype) for n, p in params.items()]
            uphill = sum(slopes[1:], slopes[0]) > 0
        else:
            uphill = moved([loss], params, new)[0] > loss
        result = {p: new[n] for n, p in params.items()}
        result |= {previous[n]: where(uphill, new[n], p) for n, p in params.items()}
        result[age] = where(uphill, 0 * age, age + 1)
        if self._count is not None:
            result[self._count] = self._count + 1
        return result


class MaSS(Optimiser):
    """Liu and Belkin (2020), for noisy gradients, with g the gradient at u:
    new p = u - lr * g, new u = (1 + momentum) * new p - momentum * p + compensation * g.

    Without compensation it is Nesterov's method.
    """

    def __init__(self, lr: Rate, compensation: float, momentum: float):
        super().__init__(lr)
        self.compensation, self.momentum = compensation, momentum

    def updates(self, loss: Tensor, parameters: Parameters) -> dict[Tensor, Tensor]:
        params = those_of(loss, parameters)
        self.remember(params)
        ahead = {n: self.slot(n, "ahead", p, self.began[n]) for n, p in params.items()}
        return self.apply(gradients_at(loss, params, ahead), params)

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        ahead = self.slots[f"{name}.ahead"]
        new = ahead - g * self.rate(p.dtype)
        beyond = new * (1 + self.momentum) - p * self.momentum + g * self.compensation
        return new, {ahead: beyond}
