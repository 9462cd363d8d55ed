"""Populations of anything that can be changed a little."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from graphc.ir.record import dataclass

Thing = TypeVar("Thing")
Change = Callable[[Thing, np.random.Generator], Thing]


@dataclass(frozen=True)
class Individual(Generic[Thing]):
    """Something, its error, and the individual that it was changed from."""

    thing: Thing
    error: float
    parent: Individual[Thing] | None = None


def evolve(
    error: Callable[[Thing, Any], float],
    start: Sequence[Thing],
    change: Change[Thing],
    generations: int,
    seed: int,
    elite: int = 1,
) -> list[list[Individual[Thing]]]:
    """Every generation, best first. Parents are drawn with chances that fall with their rank; the
    best `elite` of a generation stay as they are.

    error: from something and its parent's something (None at first), so that weights can be handed
    down.
    """
    rng = np.random.default_rng(seed)
    now = [Individual(x, float(error(x, None))) for x in start]
    history = [sorted(now, key=lambda i: i.error)]
    chances = np.arange(len(now), 0, -1) / np.arange(1, len(now) + 1).sum()
    for _ in range(generations):
        best = history[-1]
        fresh = list(best[:elite])
        while len(fresh) < len(best):
            parent = best[int(rng.choice(len(best), p=chances))]
            child = change(parent.thing, rng)
            fresh.append(Individual(child, float(error(child, parent.thing)), parent))
        history.append(sorted(fresh, key=lambda i: i.error))
    return history


def ageing_evolution(
    error: Callable[[Thing, Any], float],
    draw: Callable[[np.random.Generator], Thing],
    change: Change[Thing],
    population: int,
    sample: int,
    cycles: int,
    seed: int,
) -> tuple[Individual[Thing], list[Individual[Thing]], list[Individual[Thing]]]:
    """(the best of all, all in the order of their birth, the last population, oldest first). In
    each cycle the best of a random `sample` has a child, and the oldest dies, however good it is
    (Real et al., 2019).
    """
    rng = np.random.default_rng(seed)
    born: list[Individual[Thing]] = []
    for _ in range(population):
        thing = draw(rng)
        born.append(Individual(thing, float(error(thing, None))))
    alive = deque(born)
    for _ in range(cycles):
        rows = rng.choice(len(alive), size=min(sample, len(alive)), replace=False)
        parent = min((alive[int(k)] for k in rows), key=lambda i: i.error)
        child = change(parent.thing, rng)
        born.append(Individual(child, float(error(child, parent.thing)), parent))
        alive.append(born[-1])
        alive.popleft()
    return min(born, key=lambda i: i.error), born, list(alive)
