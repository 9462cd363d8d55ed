"""Optimisers: what a training step makes of parameters and gradients."""

from graphc.optim.optimiser import Optimiser, clip_by_global_norm
from graphc.optim.rules import SGD, Adam, AdamW
from graphc.optim.schedules import cosine, exponential_decay, piecewise

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Optimiser",
    "clip_by_global_norm",
    "cosine",
    "exponential_decay",
    "piecewise",
]
