"""Loops written out, to compare with."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Tensor
from tests.support.run import TARGETS, evaluate

STEPS, WIDTH = 4, 3

on_targets = pytest.mark.parametrize("target", TARGETS)
Step = Callable[[Any, Any], tuple[Any, Any]]


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).uniform(-1, 1, shape)


def symbols(**arrays: np.ndarray) -> tuple[list[Tensor], dict[Tensor, np.ndarray]]:
    xs = [gc.placeholder(name, a.shape, a.dtype) for name, a in arrays.items()]
    return xs, dict(zip(xs, arrays.values(), strict=True))


def unrolled(f: Step, init: Any, xs: Tensor, reverse: bool = False) -> tuple[Any, Tensor]:
    """What a scan over an array of known length means."""
    steps = range(xs.node.types[0].shape[0])  # type: ignore[arg-type]
    carry, ys = init, {}
    for t in reversed(steps) if reverse else steps:
        carry, ys[t] = f(carry, xs[t])
    return carry, gc.stack([ys[t] for t in steps])


def alike(ours: Sequence[Tensor], theirs: Sequence[Tensor], feeds: Any, target: str) -> None:
    """Asserts that both graphs have the same values."""
    found = evaluate(ours, feeds, target)
    wanted = evaluate(theirs, feeds, "reference")
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-11, strict=True)


def derivatives(results: Sequence[Tensor], wrt: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of a function of the results, and gradients of their squares."""
    loss = sum((gc.sum(gc.sin(y) * y) for y in results[1:]), start=gc.sum(gc.cos(results[0])))
    first = gc.grad(loss, list(wrt))
    second = gc.grad(sum(gc.sum(g * g * 0.5) for g in first), list(wrt))
    return [*first, *second]


def recurrent(w: Tensor, u: Tensor) -> Step:
    """A step of a recurrent network that reads two tensors of the graph around it."""

    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        new = gc.tanh(h @ w + x @ u)
        return new, new * h

    return step


STEP_FUNCTIONS: dict[str, Step] = {
    "sum": lambda c, x: (c + x, c * x),
    "same carry": lambda c, x: (c, c * x),
    "forgotten carry": lambda c, x: (x * 2, c),
    "carry as row": lambda c, x: (gc.sin(c * x), c),
    "element as row": lambda c, x: (c * x, x),
    "new carry as row": lambda c, x: ((new := gc.tanh(c) + x), new),
    "reduction": lambda c, x: (c / gc.sum(gc.exp(c)), gc.max(x * c)),
    "constant row": lambda c, x: (c * x, gc.ones((2,), gc.float64)),
    "index": lambda c, x: (c + x * gc.arange(WIDTH).astype(gc.float64), c[1]),
}
