"""Optimisers that sample: gradient steps with noise of their own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from graphc.control import scan
from graphc.ir.node import Tensor
from graphc.ops.convert import as_tensor, cast
from graphc.ops.powers import sqrt
from graphc.ops.randomness.distributions import normal
from graphc.ops.randomness.generator import Generator, fold_in, split
from graphc.optim.optimiser import Optimiser, Rate, those_of
from graphc.optim.points import gradients_at
from graphc.optim.rules import Step


class SGLD(Optimiser):
    """Stochastic gradient Langevin dynamics (Welling and Teh, 2011): p - lr / 2 * gradient +
    N(0, lr).

    The loss is the negative log posterior; that of a minibatch is scaled up to all the data.
    """

    def __init__(self, lr: Rate, seed: int = 0):
        super().__init__(lr)
        self.generator = Generator(seed)

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        rate = cast(as_tensor(self.rate(p.dtype)), p.dtype)
        noise = normal(self.generator, p.shape, dtype=p.dtype)
        return p - g * (rate / 2) + noise * sqrt(rate), {}


class SGHMC(Optimiser):
    """Hamiltonian Monte Carlo with stochastic gradients (Chen, Fox and Guestrin, 2014):
    v = (1 - friction) * v - lr * gradient + N(0, 2 * friction * lr), p + v.

    With friction 1 it is SGLD at the rate 2 * lr.
    """

    def __init__(self, lr: Rate, friction: float = 0.1, seed: int = 0):
        super().__init__(lr)
        self.friction, self.generator = friction, Generator(seed)

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        rate = cast(as_tensor(self.rate(p.dtype)), p.dtype)
        v = self.slot(name, "velocity", p)
        noise = normal(self.generator, p.shape, dtype=p.dtype) * sqrt(rate * (2 * self.friction))
        new = v * (1 - self.friction) - g * rate + noise
        return p + new, {v: new}


class EntropySGD(Optimiser):
    """Chaudhari et al. (2017): a step towards the mean of a Langevin chain that stays near p.

    The chain p' begins at p and makes `inner_steps` of p' - inner_lr * (gradient(p') + scope * (p'
    - p)) + sqrt(inner_lr) * noise * N(0, 1); its mean is memory * mean + (1 - memory) * p'; the
    step is p - lr * scope * (p - mean). All is one program.
    """

    def __init__(
        self,
        lr: Rate,
        scope: float,
        inner_lr: float,
        inner_steps: int = 20,
        noise: float = 1e-4,
        memory: float = 0.75,
        seed: int = 0,
    ):
        super().__init__(lr)
        self.scope, self.inner_lr, self.inner_steps = scope, inner_lr, inner_steps
        self.noise, self.memory, self.generator = noise, memory, Generator(seed)

    def updates(
        self, loss: Tensor, parameters: Iterable[Tensor] | Mapping[str, Tensor]
    ) -> dict[Tensor, Tensor]:
        params = those_of(loss, parameters)

        def inner(state: dict[str, dict[str, Tensor]], key: Tensor) -> tuple[object, None]:
            at, mean = state["at"], state["mean"]
            grads = gradients_at(loss, params, at)
            new = {
                name: self._wander(x, grads[name], params[name], fold_in(key, k))
                for k, (name, x) in enumerate(at.items())
            }
            kept = {n: mean[n] * self.memory + x * (1 - self.memory) for n, x in new.items()}
            return {"at": new, "mean": kept}, None

        keys = split(self.generator, self.inner_steps)
        mean = scan(inner, {"at": params, "mean": params}, keys)[0]["mean"]
        return self.apply({n: (p - mean[n]) * self.scope for n, p in params.items()}, params)

    def _wander(self, x: Tensor, g: Tensor, home: Tensor, key: Tensor) -> Tensor:
        noise = normal(key, x.shape, dtype=x.dtype) * (self.noise * math.sqrt(self.inner_lr))
        return x - (g + (x - home) * self.scope) * self.inner_lr + noise

    def step(self, name: str, p: Tensor, g: Tensor) -> Step:
        return p - g * self.rate(p.dtype), {}
