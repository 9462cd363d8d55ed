"""One compilation that checks all that a trainable system owes: the reference's numbers, gradients
by differences, and a loss that falls the same way twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import graphc as gc
from tests.systems.catalogue import Array

Run = Callable[..., Any]


def learns(
    loss: gc.Tensor,
    feeds: dict[gc.Tensor, Array],
    outputs: Sequence[gc.Tensor] = (),
    rate: float = 1e-3,
    steps: int = 5,
    count: int = 4,
) -> list[Array]:
    """The outputs, then the gradients of a float64 loss for the floating feeds, all checked; going
    down those gradients lowers the loss at every step.
    """
    wrt = [x for x in feeds if x.dtype.is_float]
    arrays = [np.array(a) for a in feeds.values()]
    wanted = [loss, *outputs, *gc.grad(loss, wrt)]
    f = gc.compile(list(feeds), wanted)
    found = f(*arrays)
    meant = gc.compile(list(feeds), wanted, target="reference")(*arrays)
    for a, b in zip(found, meant, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * max(1, np.max(np.abs(b))))
    places = [k for k, x in enumerate(feeds) if x.dtype.is_float]
    grads = found[1 + len(outputs) :]
    for k, g in zip(places, grads, strict=True):
        _check(f, arrays, k, g, count)
    runs = [_descent(f, arrays, places, rate, steps) for _ in range(2)]
    assert runs[0] == runs[1], "two runs differ"
    assert (np.diff(runs[0]) < 0).all(), f"the loss does not fall: {runs[0]}"
    return list(found[1:])


def _check(f: Run, arrays: list[Array], k: int, g: Array, count: int) -> None:
    """Some elements of a gradient against central differences."""
    rng = np.random.default_rng(0)
    for i in rng.choice(g.size, min(count, g.size), replace=False):
        step = 1e-6 * max(1.0, abs(arrays[k].flat[i]))
        sides = []
        for sign in (1, -1):
            moved = [a.copy() for a in arrays]
            moved[k].flat[i] += sign * step
            sides.append(float(f(*moved)[0]))
        slope = (sides[0] - sides[1]) / (2 * step)
        scale = max(1.0, abs(slope), float(np.abs(g).max()))
        assert abs(slope - g.flat[i]) <= 1e-6 * scale, f"{k}, {i}: {g.flat[i]}, not {slope}"


def _descent(
    f: Run, arrays: list[Array], places: list[int], rate: float, steps: int
) -> list[float]:
    now, seen = [a.copy() for a in arrays], []
    for _ in range(steps):
        value, *rest = f(*now)
        seen.append(float(value))
        for k, g in zip(places, rest[-len(places) :], strict=True):
            now[k] = now[k] - rate * g
    return seen
