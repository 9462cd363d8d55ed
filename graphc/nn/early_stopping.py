"""When to stop training, and which weights to keep."""

from __future__ import annotations

import math
from statistics import fmean

from graphc.nn.layer import Layer


class EarlyStopping:
    """Keeps a copy of a model's variables at the lowest validation loss so far.

    After each validation call it with the loss: True when the lowest has not been beaten, by more
    than `least`, for `patience` calls. `restore` then gives the model its best variables back.
    """

    def __init__(self, model: Layer, patience: int = 5, least: float = 0.0):
        self.model, self.patience, self.least = model, patience, least
        self.best, self.waited = math.inf, 0
        self.kept = model.state_dict()

    def __call__(self, loss: float) -> bool:
        """Whether to stop."""
        if loss < self.best - self.least:
            self.best, self.waited, self.kept = loss, 0, self.model.state_dict()
        else:
            self.waited += 1
        return self.waited >= self.patience

    def restore(self) -> None:
        """Gives the model the variables that it had at the best loss."""
        self.model.load_state_dict(self.kept)


class CurvatureStop:
    """Says when the largest eigenvalue of the validation loss's Hessian, in the variables that
    choose an architecture, has grown: True once its mean over the last `window` calls is `ratio`
    times that over the calls `window` earlier (Zela et al., 2020).
    """

    def __init__(self, window: int = 4, ratio: float = 4 / 3):
        self.window, self.ratio = window, ratio
        self.seen: list[float] = []

    def __call__(self, eigenvalue: float) -> bool:
        """Whether to stop."""
        self.seen.append(float(eigenvalue))
        if len(self.seen) < 2 * self.window:
            return False
        last, before = self.seen[-self.window :], self.seen[-2 * self.window : -self.window]
        return fmean(last) > self.ratio * fmean(before)
