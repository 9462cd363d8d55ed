"""Memory budgets: values computed again instead of kept, and nothing else changed."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor

BATCH, WIDTH, LAYERS = 256, 64, 5


def network(batch: int | str = BATCH) -> tuple[Tensor, Tensor, list[Tensor]]:
    """(input, loss, parameters) of a chain of normalised layers."""
    x = gc.placeholder("x", (batch, WIDTH))
    h, parameters = x, []
    for k in range(LAYERS):
        dense, norm = nn.Dense(WIDTH, WIDTH, seed=k), nn.LayerNorm(WIDTH)
        h = gc.tanh(norm(dense(h))) + h
        parameters += [*dense.parameters(), *norm.parameters()]
    return x, gc.mean(h * h), parameters


def arena(run: gc.Executable) -> int:
    assert isinstance(run.memory.arena, int)
    return run.memory.arena


def batch(n: int = BATCH) -> Any:
    return np.random.default_rng(0).standard_normal((n, WIDTH)).astype("f4")


@pytest.mark.parametrize("part", [0.9, 0.65])
def test_gradients_within_a_budget_are_the_same(part: float) -> None:
    x, loss, parameters = network()
    outputs = [loss, *gc.grad(loss, parameters)]
    plain = gc.compile([x], outputs)
    budget = int(part * arena(plain))
    run = gc.compile([x], outputs, memory_budget=budget)
    assert arena(run) <= budget < arena(plain)
    assert run.cost.flops > plain.cost.flops
    for ours, theirs in zip(run(batch()), plain(batch()), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_budget_that_is_kept_anyway_changes_nothing() -> None:
    x, loss, parameters = network()
    plain = gc.compile([x], gc.grad(loss, parameters))
    same = gc.compile([x], gc.grad(loss, parameters), memory_budget=arena(plain))
    assert [k.name for k in same.kernels] == [k.name for k in plain.kernels]


def test_training_steps_keep_to_a_budget_too() -> None:
    found = []
    for part in (1.0, 0.75):
        x, loss, parameters = network()
        updates = optim.Adam(1e-2).updates(loss, parameters)
        most = int(part * arena(gc.compile([x], loss, updates)))
        step = gc.compile([x], loss, updates, memory_budget=most)
        assert arena(step) <= most
        found.append([float(step(batch())) for _ in range(5)])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)
    assert found[0][-1] < found[0][0]


def test_budgets_that_cannot_be_kept_are_refused() -> None:
    x, loss, parameters = network()
    with pytest.raises(GraphError, match=r"memory_budget is 1,000 bytes, but graph needs [\d,]+"):
        gc.compile([x], gc.grad(loss, parameters), memory_budget=1000)
    x, loss, parameters = network("batch")
    with pytest.raises(GraphError, match="needs sizes that are known"):
        gc.compile([x], gc.grad(loss, parameters), memory_budget=1 << 20)
    with pytest.raises(GraphError, match="number of bytes"):
        gc.compile([x], loss, memory_budget=-1)
