"""Rules of users' gradients, inside of loops and branches, that read tensors of around them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

START = gc.placeholder("start", (3,))
STEPS = gc.placeholder("steps", (4,))
SCALE = gc.placeholder("scale", (3,))
WEIGHT = gc.variable(np.float32([2, -1, 3]), "weight")
TABLE = gc.constant(np.float32([1, 2, 4]))
CAPTURED = {
    "argument": lambda: SCALE,
    "variable": lambda: WEIGHT,
    "array": lambda: TABLE,
    "computed": lambda: gc.exp(SCALE) @ gc.outer(WEIGHT, TABLE),
}
GIVEN = {
    "start": np.float32([0.5, -1, 2]),
    "steps": np.float32([1, 0.5, -1, 2]),
    "scale": np.float32([0.1, 0.2, 0.3]),
}
Loss = Callable[[Callable[[Any], Any]], gc.Tensor]


def scanned(f: Callable[[Any], Any]) -> gc.Tensor:
    return gc.sum(gc.scan(lambda c, x: (f(c * x), None), START, STEPS)[0])


def stacked(f: Callable[[Any], Any]) -> gc.Tensor:
    return gc.sum(gc.scan(lambda c, x: (c, f(c * x)), START, STEPS, reverse=True)[1])


def bounded(f: Callable[[Any], Any]) -> gc.Tensor:
    return gc.sum(gc.while_loop(lambda c: gc.max(c) < 9, lambda c: f(c + 1), START, max_steps=5))


def nested(f: Callable[[Any], Any]) -> gc.Tensor:
    def step(c: Any, x: Any) -> Any:
        return gc.scan(lambda c, _: (f(c * x), None), c, length=2)[0], None

    return gc.sum(gc.scan(step, START, STEPS)[0])


def branched(f: Callable[[Any], Any]) -> gc.Tensor:
    return gc.sum(gc.cond(gc.sum(STEPS) > 0, f, lambda c: c, START))


def otherwise(f: Callable[[Any], Any]) -> gc.Tensor:
    return gc.sum(gc.switch(gc.constant(1), [lambda c: c * 2, lambda c: f(c) + c], START))


LOSSES = [scanned, stacked, bounded, nested, branched, otherwise]


def slope_of(loss: Loss, factor: gc.Tensor, target: str) -> Any:
    """The gradient where each call of f multiplies what comes back by the factor."""

    def vjp(xs: Any, ys: Any, gs: Any) -> Any:
        return (gs[0] * factor,)

    g = gc.grad(loss(gc.custom_gradient(lambda x: gc.sin(x), vjp)), START)
    return gc.compile([START, STEPS, SCALE], g, target=target)(**GIVEN)


def given_slope(loss: Loss, factor: gc.Tensor) -> Any:
    """The same, where the factor is an argument of f, which the rule need not capture."""
    f = gc.custom_gradient(lambda x, c: gc.sin(x), lambda xs, ys, gs: (gs[0] * xs[1], None))
    g = gc.grad(loss(lambda x: f(x, factor)), START)
    return gc.compile([START, STEPS, SCALE], g, target="reference")(**GIVEN)


@pytest.mark.parametrize("captured", CAPTURED)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_rule_in_a_body_may_read_what_lies_around_it(loss: Loss, captured: str) -> None:
    factor = CAPTURED[captured]()
    wanted = given_slope(loss, factor)
    for target in ("reference", "cpu"):
        np.testing.assert_allclose(slope_of(loss, factor, target), wanted, rtol=2e-5)


def test_what_a_rule_in_a_body_reads_has_a_gradient_of_second_order() -> None:
    f = gc.custom_gradient(gc.sin, lambda xs, ys, gs: (gs[0] * SCALE,))
    once = gc.grad(gc.sum(gc.scan(lambda c, _: (f(c), None), START, length=3)[0]), START)
    twice = gc.compile([START, SCALE], [once, gc.grad(gc.sum(once), SCALE)])
    scale = GIVEN["scale"]
    found = twice(GIVEN["start"], scale)
    np.testing.assert_allclose(found[0], scale**3, rtol=1e-5)
    np.testing.assert_allclose(found[1], 3 * scale**2, rtol=1e-5)


def in_two_loops(rule_for: Callable[[Any], Callable[[Any], Any]]) -> gc.Tensor:
    """A loss whose inner loop has a rule about a value of a step of the outer one."""

    def step(c: Any, x: Any) -> Any:
        f = rule_for(gc.tanh(c * SCALE) + WEIGHT)
        return gc.scan(lambda c, _: (f(c * x), None), c, length=2)[0], None

    return gc.sum(gc.scan(step, START, STEPS)[0])


def test_a_rule_in_an_inner_loop_may_read_values_of_the_outer_one() -> None:
    def captures(z: Any) -> Any:
        return gc.custom_gradient(lambda x: gc.sin(x), lambda xs, ys, gs: (gs[0] * z,))

    def takes(z: Any) -> Any:
        f = gc.custom_gradient(lambda x, z: gc.sin(x), lambda xs, ys, gs: (gs[0] * xs[1], None))
        return lambda x: f(x, z)

    slopes = [gc.grad(in_two_loops(rule_for), START) for rule_for in (captures, takes)]
    for target in ("reference", "cpu"):
        found = gc.compile([START, STEPS, SCALE], slopes, target=target)(**GIVEN)
        np.testing.assert_allclose(found[0], found[1], rtol=2e-5)
