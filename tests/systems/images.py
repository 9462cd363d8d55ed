"""What the tests of image networks share: one compilation that shows that a network trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import graphc as gc
from graphc import nn
from tests.systems.catalogue import Array, S

LABELS = np.array([2, 0, 1, 2])


def small(make: Callable[..., nn.Layer], *arguments: Any, **options: Any) -> nn.Layer:
    """A float64 network for three classes whose biases are not 0, where relu has a kink."""
    given = {"classes": 3, "seed": 0, "dtype": "float64", **options}
    model = make(*arguments, **{k: v for k, v in given.items() if v is not None})
    for k, p in enumerate(model.parameters()):
        if p.ndim == 1:
            p.value = np.asarray(p.value) + 0.1 * S(k, *p.shape)
    return model


def trains(
    model: nn.Layer,
    shape: tuple[int, ...] | None = None,
    rate: float = 0.1,
    steps: int = 8,
    loss: gc.Tensor | None = None,
    more: Sequence[gc.Tensor] = (),
    count: int = 2,
    part: float = 0.97,
) -> list[Array]:
    """Holds a float64 model to the reference, some of its gradients to central differences, and two
    runs of gradient descent to each other; the loss must fall to this part of the first.

    The loss is the cross-entropy of LABELS for images of this shape unless given. Returns the loss,
    the gradients of the first, the middle and the last parameter but one, and `more`, all before
    the first step.
    """
    if loss is None:
        assert shape is not None
        loss = nn.cross_entropy(model(gc.constant(S(0.3, *shape))), gc.constant(LABELS[: shape[0]]))
    speed = gc.placeholder("speed", (), gc.float64)
    parameters = model.parameters()
    grads = gc.grad(loss, parameters)
    updates = {p: p - speed * g for p, g in zip(parameters, grads, strict=True)}
    some = sorted({0, len(parameters) // 2, len(parameters) - 2})
    outputs = [loss, *(grads[k] for k in some), *more]
    step = gc.compile([speed], outputs, updates=updates | nn.batch_updates(model))
    found = step(0.0)
    for a, b in zip(found, gc.compile([], outputs, target="reference")(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * max(1, np.abs(b).max()))
    for k, g in zip(some, found[1:], strict=False):
        check_slopes(step, parameters[k], g, count)
    start = model.state_dict()
    runs = []
    for _ in range(2):
        model.load_state_dict(start)
        runs.append([float(step(rate)[0]) for _ in range(steps)])
    assert runs[0] == runs[1], "two runs differ"
    assert runs[0][-1] < part * runs[0][0], runs[0]
    return list(found)


def check_slopes(step: Any, parameter: gc.Tensor, g: Array, count: int) -> None:
    """The largest elements of a gradient against central differences."""
    kept = np.array(parameter.value)
    for place in np.argsort(-np.abs(g), axis=None)[:count]:
        sides = []
        for move in (1e-6, -1e-6):
            moved = kept.copy()
            moved.flat[place] += move
            parameter.value = moved
            sides.append(float(step(0.0)[0]))
        slope = (sides[0] - sides[1]) / 2e-6
        parameter.value = kept
        assert abs(slope - g.flat[place]) < 1e-6 * max(1.0, np.abs(g).max()), (
            f"{parameter}, {place}: {g.flat[place]} but differences give {slope}"
        )
