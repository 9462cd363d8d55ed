"""While loops: values, gradients and batching."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Tensor
from tests.control.unrolling import alike, draw, on_targets, symbols
from tests.support.run import evaluate


@on_targets
@pytest.mark.parametrize("start", [-3.0, 1.0, 200.0])
def test_a_while_loop_runs_until_its_condition_fails(start: float, target: str) -> None:
    (x,), feeds = symbols(x=np.array([start, 0.5]))
    y = gc.while_loop(lambda c: c[0] < 100, lambda c: c * 2 + 7, x)
    wanted = feeds[x]
    while wanted[0] < 100:
        wanted = wanted * 2 + 7
    np.testing.assert_array_equal(evaluate([y], feeds, target)[0], wanted)


@on_targets
def test_a_while_loop_carries_several_values_and_reads_others(target: str) -> None:
    (x, limit), feeds = symbols(x=draw(4, 4), limit=np.array(1e4))
    steps, power = gc.while_loop(
        lambda c: (c[0] < 50) & (gc.sum(c[1] * c[1]) < limit),
        lambda c: (c[0] + 1, c[1] @ x * 1.7),
        (gc.constant(0), x),
    )
    count, wanted = 0, feeds[x]
    while count < 50 and (wanted * wanted).sum() < 1e4:
        count, wanted = count + 1, wanted @ feeds[x] * 1.7
    found = evaluate([steps, power], feeds, target)
    np.testing.assert_array_equal(found[0], count)
    np.testing.assert_allclose(found[1], wanted, rtol=1e-9)


@on_targets
def test_each_element_of_a_batched_while_loop_stops_by_itself(target: str) -> None:
    (x,), feeds = symbols(x=np.array([1.0, 3.0, 50.0, 200.0, -1.0]))

    def count(x: Tensor) -> Any:
        return gc.while_loop(
            lambda c: c[1] < 100, lambda c: (c[0] + 1, c[1] * 2 + 3), (gc.constant(0), x)
        )

    wanted = []
    for v in feeds[x]:
        steps = 0
        while v < 100:
            steps, v = steps + 1, v * 2 + 3
        wanted.append((steps, v))
    found = evaluate(list(gc.vmap(count)(x)), feeds, target)
    for ours, theirs in zip(found, zip(*wanted, strict=True), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@on_targets
def test_a_bounded_while_loop_stops_early_and_has_gradients(target: str) -> None:
    (x,), feeds = symbols(x=np.array([1.5, 0.2]))
    y = gc.while_loop(lambda c: c[0] < 10, lambda c: c * x, x, max_steps=8)
    cut = gc.while_loop(lambda c: c[0] < 10, lambda c: c * x, x, max_steps=2)
    slopes = gc.grad(gc.sum(y), [x])
    powers = 6  # 1.5 ** 6 is the first above 10
    wanted = [x**powers, x**3, x ** (powers - 1) * powers]
    alike([y, cut, *slopes], wanted, feeds, target)
