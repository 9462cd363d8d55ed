"""Steps by the gradient at the worst point nearby, which prefer flat minima."""

from __future__ import annotations

from collections.abc import Iterable

from graphc.ir.node import Tensor
from graphc.ops.convert import cast
from graphc.ops.powers import sqrt
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.optim.accelerated import Parameters
from graphc.optim.optimiser import Optimiser, named, those_of
from graphc.optim.points import gradients_at, moved
from graphc.passes.derivatives.differentiate import grad


class SharpnessAware:
    """Another optimiser's steps by the gradients at w + radius * g / |g|, where g is the gradient
    at w: Foret et al. (2021). The parameters themselves never go there.

    With `around` it is those variables that move away in that manner, whether they are trained or
    not: weights are then trained for the worst architecture nearby (Chen and Hsieh, 2020).
    """

    def __init__(self, base: Optimiser, radius: float, around: Iterable[Tensor] | None = None):
        self.base, self.radius = base, radius
        self.around = None if around is None else list(around)

    def updates(self, loss: Tensor, parameters: Parameters) -> dict[Tensor, Tensor]:
        """New values of the parameters and of the other optimiser's variables."""
        params = those_of(loss, parameters)
        away = named(params if self.around is None else self.around)
        grads = dict(zip(away, grad(loss, list(away.values())), strict=True))
        squares = [cast(total(g * g), loss.dtype) for g in grads.values()]
        norm = sqrt(sum(squares[1:], squares[0]))
        scale = where(norm > 0, self.radius / where(norm > 0, norm, 1.0), 0.0)
        points = {n: p + grads[n] * cast(scale, p.dtype) for n, p in away.items()}
        if self.around is None:
            return self.base.apply(gradients_at(loss, params, points), params)
        there = moved(grad(loss, list(params.values())), away, points)
        return self.base.apply(dict(zip(params, there, strict=True)), params)
