"""Q, the quadratic of catalogue 7: f(w) = w1**2 + 5 w2**2 from (1, 1), and runs of optimisers on
it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import graphc as gc
from graphc.nn.layer import state_of

CURVES = np.array([1.0, 5.0])
START = np.array([1.0, 1.0])


def Q(w: gc.Tensor) -> gc.Tensor:
    """The quadratic itself."""
    return gc.sum(gc.constant(CURVES) * w**2)


def value(x: gc.Tensor) -> np.ndarray[Any, Any]:
    """A copy of what a variable holds."""
    state = state_of(x)
    assert state is not None
    return state.array.copy()


def path(
    optimiser: Callable[[], Any],
    steps: int = 10,
    f: Callable[[gc.Tensor], gc.Tensor] = Q,
    start: np.ndarray[Any, Any] = START,
) -> np.ndarray[Any, Any]:
    """The iterates of a new optimiser, the start among them; the CPU must give the reference's."""
    found = []
    for target in ("cpu", "reference"):
        w = gc.variable(np.array(start, np.float64), "w")
        step = gc.compile([], None, updates=optimiser().updates(f(w), [w]), target=target)
        points = [value(w)]
        for _ in range(steps):
            step()
            points.append(value(w))
        found.append(np.array(points))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9, atol=1e-12)
    return found[0]


def reaches(
    optimiser: Callable[[], Any], printed: Any, steps: int = 10, atol: float = 6e-11
) -> Any:
    """The iterates on Q, whose last must be as printed and whose loss must have fallen."""
    points = path(optimiser, steps)
    np.testing.assert_allclose(points[-1], printed, rtol=0, atol=atol)
    assert CURVES @ points[-1] ** 2 < CURVES @ START**2
    return points
