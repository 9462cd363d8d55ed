"""What the first part of a learning curve, and other data sets, say about the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.search.spaces import Values
from graphc.search.trials import Trial, best

Array = np.ndarray[Any, Any]


def power_law(steps: Any, values: Any) -> tuple[float, float, float]:
    """(a, b, c) of the a - b t^-c that is nearest to values at steps t, in squares: for each c > 0
    the best a and b are linear in the values, and c is found by bisection of intervals on a log
    scale.
    """
    t, y = np.asarray(steps, float), np.asarray(values, float)
    exponents = np.exp(np.linspace(np.log(1e-2), np.log(10), 60))
    errors = [_linear(t, y, c)[1] for c in exponents]
    k = int(np.argmin(errors))
    low, high = exponents[max(k - 1, 0)], exponents[min(k + 1, 59)]
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(80):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if _linear(t, y, left)[1] < _linear(t, y, right)[1]:
            high = right
        else:
            low = left
    c = _newton(t, y, (low + high) / 2)
    (a, b), _ = _linear(t, y, c)
    return float(a), float(b), float(c)


def _linear(t: Array, y: Array, c: float) -> tuple[Array, float]:
    columns = np.stack([np.ones_like(t), -(t**-c)], 1)
    found = np.linalg.lstsq(columns, y, rcond=None)[0]
    return found, float(((columns @ found - y) ** 2).sum())


def _newton(t: Array, y: Array, c: float) -> float:
    """c after Gauss-Newton steps in all three unknowns, which find exact data to the last digits
    (the squared error itself is flat there).
    """
    (a, b), _ = _linear(t, y, c)
    for _ in range(10):
        power = t**-c
        slopes = np.stack([np.ones_like(t), -power, b * power * np.log(t)], 1)
        step = np.linalg.lstsq(slopes, y - (a - b * power), rcond=None)[0]
        if not np.isfinite(step).all() or c + step[2] <= 0:
            break
        a, b, c = a + step[0], b + step[1], c + step[2]
    return float(c)


def predicted(steps: Any, values: Any, horizon: float) -> float:
    """The value that the fitted power law has at a later step."""
    a, b, c = power_law(steps, values)
    return a - b * float(np.power(horizon, -c))


def hopeless(steps: Any, errors: Any, horizon: float, best_error: float) -> bool:
    """Whether a curve of errors is expected to be above the best error even at the horizon, so that
    its trial can stop (Domhan et al., 2015).
    """
    return predicted(steps, errors, horizon) > best_error


def warm_start(
    features: Any, tasks: Mapping[str, tuple[Any, Sequence[Trial]]], count: int
) -> list[Values]:
    """The best values on each of the `count` other data sets whose features are nearest (Feurer et
    al., 2015): what to try first on a new one.
    """
    here = np.asarray(features, float)

    def distance(name: str) -> float:
        return float(((np.asarray(tasks[name][0], float) - here) ** 2).sum())

    return [dict(best(tasks[name][1]).values) for name in sorted(tasks, key=distance)[:count]]
