"""Random forests of regression trees, which doubt where their trees disagree."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.record import dataclass

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Leaf:
    """The mean and variance of the values that ended here."""

    mean: float
    variance: float


@dataclass(frozen=True)
class Split:
    """Points whose coordinate is at most `threshold` go to `below`."""

    axis: int
    threshold: float
    below: Split | Leaf
    above: Split | Leaf


class Forest:
    """Trees of bootstrap samples; each split is the one of least squared error among a random part
    of the axes (Breiman, 2001). The variance of a prediction is that of the trees' means and, on
    average, within the leaves.
    """

    def __init__(self, trees: int = 20, least: int = 1, seed: int = 0):
        self.count, self.least, self.seed = trees, least, seed
        self.trees: list[Split | Leaf] = []

    def fit(self, points: Array, errors: Array) -> None:
        """Grows the trees anew."""
        rng, n = np.random.default_rng(self.seed), len(errors)
        self.trees = []
        for _ in range(self.count):
            rows = rng.integers(0, n, n)
            self.trees.append(self._grow(points[rows], errors[rows], rng))

    def _grow(self, x: Array, y: Array, rng: np.random.Generator) -> Split | Leaf:
        axes = rng.permutation(x.shape[1])[: max(1, (5 * x.shape[1] + 5) // 6)]
        cut = _best_cut(x, y, axes, self.least) if np.ptp(y) > 0 else None
        if cut is None:
            return Leaf(float(y.mean()), float(y.var()))
        axis, threshold = cut
        low = x[:, axis] <= threshold
        return Split(
            axis, threshold, self._grow(x[low], y[low], rng), self._grow(x[~low], y[~low], rng)
        )

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and variance over trees at points (M, D)."""
        every = np.array([_leaves(tree, np.asarray(points)) for tree in self.trees])
        means, within = every[..., 0], every[..., 1]
        return means.mean(0), np.maximum(means.var(0) + within.mean(0), 1e-12)


def _leaves(tree: Split | Leaf, points: Array) -> Array:
    """The mean and variance (M, 2) of the leaf that each point ends in."""
    if isinstance(tree, Leaf):
        return np.tile([tree.mean, tree.variance], (len(points), 1))
    low = points[:, tree.axis] <= tree.threshold
    result = np.empty((len(points), 2))
    for side, rows in ((tree.below, low), (tree.above, ~low)):
        if rows.any():
            result[rows] = _leaves(side, points[rows])
    return result


def _best_cut(x: Array, y: Array, axes: Array, least: int) -> tuple[int, float] | None:
    """The axis and threshold that leave the least squared error, with `least` points each side."""
    found, lowest, n = None, np.inf, len(y)
    sizes = np.arange(1, n)
    for axis in axes:
        order = np.argsort(x[:, axis], kind="stable")
        a, sums = x[order, axis], np.cumsum(y[order])
        # The squared error is that of no cut, less what the means of both sides explain.
        errors = -(sums[:-1] ** 2) / sizes - (sums[-1] - sums[:-1]) ** 2 / (n - sizes)
        allowed = (a[1:] > a[:-1]) & (sizes >= least) & (n - sizes >= least)
        if not allowed.any():
            continue
        k = int(np.argmin(np.where(allowed, errors, np.inf)))
        if errors[k] < lowest:
            found, lowest = (int(axis), float(a[k] + a[k + 1]) / 2), errors[k]
    return found
