"""Optimisers: what a training step makes of parameters and gradients."""

from graphc.optim.accelerated import (
    GradientAverage,
    HeavyBall,
    MaSS,
    Nesterov,
    RestartedNesterov,
    growing_momentum,
    optimal_momentum,
)
from graphc.optim.adaptive import Adadelta, AdaGrad, AdaMax, RMSprop
from graphc.optim.optimiser import Optimiser, clip_by_global_norm
from graphc.optim.own_rates import DeltaBarDelta, DeltaDelta, Quickprop, Rprop
from graphc.optim.proximal import ISTA, shrink
from graphc.optim.rules import SGD, Adam, AdamW
from graphc.optim.schedules import cosine, exponential_decay, piecewise

__all__ = [
    "ISTA",
    "SGD",
    "AdaGrad",
    "AdaMax",
    "Adadelta",
    "Adam",
    "AdamW",
    "DeltaBarDelta",
    "DeltaDelta",
    "GradientAverage",
    "HeavyBall",
    "MaSS",
    "Nesterov",
    "Optimiser",
    "Quickprop",
    "RMSprop",
    "RestartedNesterov",
    "Rprop",
    "clip_by_global_norm",
    "cosine",
    "exponential_decay",
    "growing_momentum",
    "optimal_momentum",
    "piecewise",
    "shrink",
]
