"""Trials of hyper-parameters, one after the other or at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from graphc.ir.record import dataclass
from graphc.search.spaces import Space, Values

Objective = Callable[[Values], float]


@dataclass(frozen=True)
class Trial:
    """What was tried, and the error that it had."""

    values: Mapping[str, Any]
    error: float


Proposal = Callable[[Space, Sequence[Trial], np.random.Generator], Values]


def best(trials: Iterable[Trial]) -> Trial:
    """The trial with the least error, the first one of ties."""
    return min(trials, key=lambda trial: trial.error)


def run_all(objective: Objective, values: Iterable[Values], workers: int = 1) -> list[Trial]:
    """A trial of each, in order; with `workers` threads so many at once. Compiled functions may be
    called by several threads.
    """
    every = list(values)
    if workers == 1:
        return [Trial(v, float(objective(v))) for v in every]
    with ThreadPoolExecutor(workers) as pool:
        return [Trial(v, float(e)) for v, e in zip(every, pool.map(objective, every), strict=True)]


def draws(space: Space, count: int, seed: int) -> list[Values]:
    """So many draws of a space; the same for the same seed."""
    rng = np.random.default_rng(seed)
    return [space.draw(rng) for _ in range(count)]


def minimise(
    objective: Objective, space: Space, propose: Proposal, budget: int, seed: int, first: int = 5
) -> list[Trial]:
    """Trials, in order: the `first` ones drawn at random, each later one proposed from all before
    it.
    """
    rng = np.random.default_rng(seed)
    trials: list[Trial] = []
    for k in range(budget):
        values = space.draw(rng) if k < first else propose(space, trials, rng)
        trials.append(Trial(values, float(objective(values))))
    return trials


def at_random(space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Values:
    """A draw, whatever the trials so far."""
    return space.draw(rng)


def by_neighbours(space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Values:
    """A neighbour of the best so far: local search, one coordinate at a time."""
    return space.near(best(trials).values, rng)
