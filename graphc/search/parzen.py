"""Proposals by the densities of good and bad trials: tree-structured Parzen estimators (Bergstra et
al., 2011).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.search.spaces import Choice, Parameter, Space, Values
from graphc.search.trials import Proposal, Trial


def parzen(share: float = 1.0, candidates: int = 24) -> Proposal:
    """Each parameter by itself, where it is there, has a density l of the best `share` · √N of N
    trials and a density g of the others; of some draws of l the one with the largest l / g is
    proposed.
    """

    def propose(space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Values:
        order = sorted(trials, key=lambda trial: trial.error)
        cut = max(1, math.ceil(share * math.sqrt(len(order))))
        result: Values = {}
        for name, parameter in space.parameters.items():
            if not space.active(name, result):
                continue
            good, bad = (
                _Density(parameter, [t.values[name] for t in part if name in t.values])
                for part in (order[:cut], order[cut:])
            )
            drawn = [good.draw(rng) for _ in range(candidates)]
            result[name] = max(drawn, key=lambda v: good.log(v) - bad.log(v))
        return result

    return propose


class _Density:
    """Of values of one parameter: for a choice, counts with one more for each option; for a number,
    the mean of a uniform law and of a normal law around each value, on the parameter's scale, as
    wide as the larger gap to the next value either side.
    """

    def __init__(self, parameter: Parameter, values: Sequence[Any]):
        self.parameter, self.values = parameter, list(values)
        if isinstance(parameter, Choice):
            counts = np.array([1.0 + self.values.count(o) for o in parameter.options])
            self.chances = counts / counts.sum()
        else:
            self.places = np.sort([parameter.place(v) for v in self.values])
            gaps = np.diff(np.concatenate([[0.0], self.places, [1.0]]))
            least = 1 / min(100, len(self.places) + 1)
            self.widths = np.clip(np.maximum(gaps[1:], gaps[:-1]), least, 1.0)

    def draw(self, rng: np.random.Generator) -> Any:
        if isinstance(self.parameter, Choice):
            return self.parameter.options[rng.choice(len(self.chances), p=self.chances)]
        k = rng.integers(len(self.places) + 1)
        if k == len(self.places):
            return self.parameter.at(float(rng.random()))
        return self.parameter.at(float(np.clip(rng.normal(self.places[k], self.widths[k]), 0, 1)))

    def log(self, value: Any) -> float:
        if isinstance(self.parameter, Choice):
            return math.log(self.chances[self.parameter.options.index(value)])
        z = (self.parameter.place(value) - self.places) / self.widths
        bumps = (np.exp(-0.5 * z * z) / (self.widths * math.sqrt(2 * math.pi))).sum()
        return math.log((1 + bumps) / (len(self.places) + 1))
