"""Which of several trials to keep: by rank, and by more than one objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from graphc.ir.errors import GraphError

Array = np.ndarray[Any, Any]
Thing = TypeVar("Thing")


def ranks(values: Any) -> Array:
    """The rank of each value from 0, the mean rank for ties."""
    x = np.asarray(values, float)
    below = (x[None] < x[:, None]).sum(1)
    equal = (x[None] == x[:, None]).sum(1)
    return np.asarray(below + (equal - 1) / 2)


def rank_correlation(a: Any, b: Any) -> float:
    """Spearman's: the correlation of the ranks."""
    x, y = ranks(a), ranks(b)
    x, y = x - x.mean(), y - y.mean()
    return float((x @ y) / np.sqrt((x @ x) * (y @ y)))


def one_shot_selection(
    things: Sequence[Thing],
    shared_error: Callable[[Thing], float],
    trained_error: Callable[[Thing], float],
    keep: int,
) -> tuple[Thing, float, float]:
    """(the best, its error once trained by itself, the rank correlation of both errors among the
    kept): all are ranked by their error with shared weights, and the best `keep` are trained
    (Bender et al., 2018).
    """
    if not 1 <= keep <= len(things):
        raise GraphError(f"{keep} of {len(things)} cannot be kept")
    shared = [float(shared_error(thing)) for thing in things]
    kept = np.argsort(shared, kind="stable")[:keep]
    trained = [float(trained_error(things[k])) for k in kept]
    winner = int(np.argmin(trained))
    agreement = rank_correlation([shared[k] for k in kept], trained) if keep > 1 else 1.0
    return things[kept[winner]], trained[winner], agreement


def dominated(objectives: Any) -> Array:
    """Of each row of objectives (N, K), to be low, whether another one is nowhere above it and
    somewhere below it.
    """
    f = np.asarray(objectives, float)
    nowhere_above = (f[None] <= f[:, None]).all(-1)
    somewhere_below = (f[None] < f[:, None]).any(-1)
    return np.asarray(np.any(nowhere_above & somewhere_below, axis=1))


def pareto_front(objectives: Any) -> Array:
    """The indices of the rows that no row dominates, in order."""
    return np.flatnonzero(~dominated(objectives))


def scalarised(objectives: Any, weights: Sequence[float]) -> Array:
    """One number for each row: the weighted sum of its objectives. With positive weights its least
    one is on the front.
    """
    return np.asarray(np.asarray(objectives, float) @ np.asarray(weights, float))
