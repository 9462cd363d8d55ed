"""Models of the error, fitted to the trials so far, and what they propose to try next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from graphc.search.forest import Forest
from graphc.search.spaces import Space, Values
from graphc.search.trials import Proposal, Trial, best

Array = np.ndarray[Any, Any]


class Surrogate(Protocol):
    """A model of errors (N,) at points (N, D)."""

    def fit(self, points: Array, errors: Array) -> None:
        """Takes the trials so far."""

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and variance of the error at points (M, D)."""


class Process:
    """A Gaussian process with an RBF kernel on standardised errors. The kernel's scale is the one
    of `scales` under which the errors are most probable.
    """

    def __init__(self, noise: float = 1e-4, scales: Sequence[float] = (0.1, 0.2, 0.4, 0.8, 1.6)):
        self.noise, self.scales = noise, scales

    def fit(self, points: Array, errors: Array) -> None:
        """Takes in points (n, d) and the errors (n,) found there."""
        self.points = points
        self.middle, self.spread = float(errors.mean()), float(errors.std()) or 1.0
        y = (errors - self.middle) / self.spread
        fits = [self._fit(y, scale) for scale in self.scales]
        _, self.scale, self.factor, self.weights = max(fits, key=lambda fit: fit[0])

    def _fit(self, y: Array, scale: float) -> tuple[float, float, Array, Array]:
        gram = rbf(self.points, self.points, scale) + self.noise * np.eye(len(y))
        factor = np.linalg.cholesky(gram)
        weights = np.linalg.solve(gram, y)
        logs = np.log(np.diag(factor)).sum() + 0.5 * len(y) * math.log(2 * math.pi)
        return float(-0.5 * y @ weights - logs), scale, factor, weights

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Means and variances of the errors at points (n, d)."""
        cross = rbf(self.points, points, self.scale)
        half = np.linalg.solve(self.factor, cross)
        variance = np.maximum(1 - (half**2).sum(0), 1e-12)
        return self.middle + self.spread * (cross.T @ self.weights), self.spread**2 * variance


def rbf(a: Array, b: Array, scale: float) -> Array:
    """exp(-|a_i - b_j|² / (2 scale²)) of rows."""
    squares = ((a[:, None] - b[None]) ** 2).sum(-1)
    return np.asarray(np.exp(-0.5 * squares / scale**2))


def improvement(mean: Array, variance: Array, least: float) -> Array:
    """How far each normal error is expected to lie below the least so far."""
    s = np.sqrt(variance)
    z = (least - mean) / s
    below = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z])
    return np.asarray(s * (z * below + np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)))


def by_improvement(surrogate: Surrogate, candidates: int = 200, local_steps: int = 3) -> Proposal:
    """Proposes the candidate of the largest expected improvement: half of them drawn, half
    neighbours of the best trials; the winner moves to a better neighbour so many times.
    """

    def propose(space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Values:
        errors = np.array([t.error for t in trials])
        surrogate.fit(np.stack([space.point(t.values) for t in trials]), errors)
        good = sorted(trials, key=lambda t: t.error)[:5]
        tried = [t.values for t in trials]
        pool = [space.draw(rng) for _ in range(candidates // 2)]
        pool += [space.near(good[k % len(good)].values, rng) for k in range(candidates - len(pool))]

        def winner(among: list[Values]) -> tuple[float, Values]:
            fresh = [v for v in among if v not in tried] or among
            moments = surrogate.predict(np.stack([space.point(v) for v in fresh]))
            scores = improvement(*moments, best(trials).error)
            return float(scores.max()), fresh[int(scores.argmax())]

        score, chosen = winner(pool)
        for _ in range(local_steps):
            other, neighbour = winner([space.near(chosen, rng) for _ in range(20)])
            if other <= score:
                break
            score, chosen = other, neighbour
        return chosen

    return propose


def bayesian(noise: float = 1e-4) -> Proposal:
    """Bayesian optimisation: expected improvement under a Gaussian process (Snoek et al., 2012)."""
    return by_improvement(Process(noise))


def smac(trees: int = 20, seed: int = 0, candidates: int = 200) -> Proposal:
    """Expected improvement under a random forest, with a local search over neighbours: Hutter et
    al. (2011).
    """
    return by_improvement(Forest(trees, seed=seed), candidates)
