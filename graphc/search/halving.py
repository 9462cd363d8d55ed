"""Many short trials and few long ones: budgets go to what does well with little."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from graphc.ir.record import dataclass
from graphc.search.spaces import Values
from graphc.search.trials import Trial, best

Continue = Callable[[Values, Any, float], tuple[Any, float]]


@dataclass(frozen=True)
class Paused:
    """A trial that can go on: its values, its state (None before the first step), what it has
    spent, and its error then.
    """

    values: Values
    state: Any = None
    spent: float = 0.0
    error: float = math.inf


def successive_halving(
    go_on: Continue, values: Iterable[Values], budget: float, eta: float = 3.0, rounds: int = 1
) -> list[list[Paused]]:
    """The trials after each round, best first: all get `budget`, then the best 1 / eta of them go
    on to eta times as much, and so on for so many rounds (Jamieson and Talwalkar, 2016).

    go_on: (state, error) from values, the state where they paused (None at first) and how much more
    to spend.
    """
    trials, history = [Paused(v) for v in values], []
    for k in range(rounds):
        if k:
            trials = trials[: max(1, math.floor(len(trials) / eta))]
        trials = [_gone_on(go_on, t, budget * eta**k) for t in trials]
        trials.sort(key=lambda trial: trial.error)
        history.append(trials)
    return history


def _gone_on(go_on: Continue, trial: Paused, total: float) -> Paused:
    state, error = go_on(trial.values, trial.state, total - trial.spent)
    return replace(trial, state=state, error=float(error), spent=total)


def brackets(most: float, eta: float = 3.0) -> list[tuple[int, float, int]]:
    """(trials, first budget, rounds) of each bracket s = s_max .. 0 of Hyperband, where s_max is
    the whole part of log(most) / log(eta): n = ceil((s_max + 1) eta^s / (s + 1)) trials begin with
    most / eta^s (Li et al., 2018).
    """
    largest = math.floor(math.log(most) / math.log(eta) + 1e-9)
    return [
        (math.ceil((largest + 1) * eta**s / (s + 1) - 1e-9), most * eta**-s, s + 1)
        for s in range(largest, -1, -1)
    ]


def hyperband(
    go_on: Continue, draw: Callable[[int], Sequence[Values]], most: float, eta: float = 3.0
) -> tuple[Trial, list[list[list[Paused]]]]:
    """(the best trial of all brackets, every bracket's rounds); draw(n) gives n values to try."""
    history = [
        successive_halving(go_on, draw(count), budget, eta, rounds)
        for count, budget, rounds in brackets(most, eta)
    ]
    ends = [Trial(t.values, t.error) for bracket in history for t in bracket[-1]]
    return best(ends), history
