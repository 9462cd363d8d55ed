"""When to stop training, and which weights to keep."""

from __future__ import annotations

import math

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
