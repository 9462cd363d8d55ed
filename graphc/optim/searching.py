"""Minimisation by values alone, and what is done around a training step from outside.

A function here is any callable of an array that gives a number, say a compiled one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.nn.layer import state_of

Array = np.ndarray[Any, Any]
Function = Callable[[Array], float]


def random_search(
    f: Function, start: Array, scale: float, evaluations: int, seed: int = 0
) -> tuple[Array, float]:
    """(the best point, its value): normal moves, kept if better; the scale grows after a success
    and shrinks after a failure so that one in five succeeds (Rechenberg, 1973).
    """
    rng, x, best = np.random.default_rng(seed), np.array(start), float(f(start))
    for _ in range(evaluations - 1):
        trial = x + scale * rng.standard_normal(x.shape)
        value = float(f(trial))
        scale *= 1.5 if value < best else 1.5**-0.25
        if value < best:
            x, best = trial, value
    return x, best


def coordinate_search(
    f: Function, start: Array, step: float, evaluations: int
) -> tuple[Array, float]:
    """(the best point, its value): each coordinate in turn moves by the step either way if that is
    better; the step halves when no move is.
    """
    x, best, left = np.array(start), float(f(start)), evaluations - 1
    while left > 0:
        improved = False
        for k in np.ndindex(x.shape):
            for move in (step, -step):
                if left <= 0:
                    break
                trial = x.copy()
                trial[k] += move
                value, left = float(f(trial)), left - 1
                if value < best:
                    x, best, improved = trial, value, True
                    break
        step = step if improved else step / 2
    return x, best


def evolution(
    f: Function, start: Array, scale: float, evaluations: int, population: int = 10, seed: int = 0
) -> tuple[Array, float]:
    """(the best point, its value): differential evolution (Storn and Price, 1997) of normal points
    around the start. A child is one point plus 0.6 of the difference of two others, with a tenth of
    its elements the parent's, and takes the parent's place if it is better.
    """
    rng = np.random.default_rng(seed)
    points = start + scale * rng.standard_normal((population, *start.shape))
    values = np.array([float(f(x)) for x in points])
    for k in range(evaluations - population):
        parent = k % population
        a, b, c = points[rng.choice(population, 3, replace=False)]
        child = np.where(rng.random(start.shape) < 0.9, a + 0.6 * (b - c), points[parent])
        value = float(f(child))
        if value < values[parent]:
            points[parent], values[parent] = child, value
    best = int(values.argmin())
    return points[best], float(values[best])


def difference_slopes(f: Function, x: Array, step: float = 1e-6) -> Array:
    """The gradient by central differences: two evaluations for each element."""
    slopes = np.empty_like(x)
    for k in np.ndindex(x.shape):
        sides = []
        for move in (step, -step):
            moved = x.copy()
            moved[k] += move
            sides.append(float(f(moved)))
        slopes[k] = (sides[0] - sides[1]) / (2 * step)
    return slopes


class Plateau:
    """A rate that is multiplied by `factor` when `patience` values in a row are no better than the
    best so far by `least`.
    """

    def __init__(self, lr: float, factor: float = 0.1, patience: int = 10, least: float = 0.0):
        self.lr, self.factor, self.patience, self.least = lr, factor, patience, least
        self.best, self.waited = float("inf"), 0

    def __call__(self, value: float) -> float:
        """The rate to use after this validation value."""
        if value < self.best - self.least:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.waited >= self.patience:
            self.lr, self.waited = self.lr * self.factor, 0
        return self.lr


def range_test(
    step: Callable[[float], float], variables: Iterable[Tensor], rates: Iterable[float], steps: int
) -> float | None:
    """The first of the ascending rates at which `steps` steps leave the loss no lower than at their
    start; None if there is none.

    step: takes a rate, gives the loss before the step. All of the variables have their old values
    again at each rate and in the end.
    """
    states = [state for x in variables if (state := state_of(x)) is not None]
    saved = [s.array.copy() for s in states]

    def restore() -> None:
        for state, array in zip(states, saved, strict=True):
            state.array[...] = array

    try:
        for rate in rates:
            losses = [float(step(rate)) for _ in range(steps + 1)]
            restore()
            if not losses[-1] < losses[0]:
                return rate
        return None
    finally:
        restore()


def minibatches(
    samples: int,
    size: int,
    seed: int | None = None,
    replacement: bool = False,
    drop_last: bool = False,
) -> Iterator[Array]:
    """The indices of the batches of one epoch: in order, or shuffled by a seed. With `replacement`
    each index is drawn anew. The last batch may be short, or is dropped.
    """
    if replacement and seed is None:
        raise GraphError("drawing with replacement needs a seed")
    order = np.arange(samples)
    if seed is not None:
        rng = np.random.default_rng(seed)
        order = rng.integers(0, samples, samples) if replacement else rng.permutation(samples)
    end = samples - samples % size if drop_last else samples
    for begin in range(0, end, size):
        yield order[begin : begin + size]
