"""Optimisers against their formulas in NumPy, step by step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc import optim
from graphc.backends.reference import evaluate
from graphc.ir.errors import DTypeError, GraphError, ShapeError
from graphc.ir.node import Tensor
from graphc.nn.layer import state_of
from graphc.ops.reduction import sum
from graphc.ops.source import constant, placeholder, variable

START = np.array([1.0, -2.0, 3.0])
CURVE = np.array([1.0, 10.0, 0.1])


def array(x: Tensor) -> np.ndarray:
    state = state_of(x)
    assert state is not None
    return state.array


def train(optimiser: optim.Optimiser, steps: int, dtype: str = "float64") -> np.ndarray:
    """The parameter after some steps down a paraboloid."""
    p = variable(START.astype(dtype) if dtype != "bfloat16" else START, "p", dtype=dtype)
    loss = sum(p * p * constant(CURVE, dtype)) * 0.5
    updates = optimiser.updates(loss, [p])
    for _ in range(steps):
        new = evaluate(list(updates.values()))
        for x, value in zip(updates, new, strict=True):
            array(x)[...] = value
    return array(p).astype(np.float64)


def expected(rule: Callable[..., Any], steps: int) -> np.ndarray:
    """The same by a NumPy rule (p, g, state, t) -> p."""
    p, state = START.copy(), dict[str, Any]()
    for t in range(steps):
        p = rule(p, CURVE * p, state, t)
    return p


def momentum(nesterov: bool) -> Callable[..., Any]:
    def rule(p: Any, g: Any, state: Any, t: int) -> Any:
        state["v"] = 0.9 * state.get("v", 0) + g
        return p - 0.01 * (g + 0.9 * state["v"] if nesterov else state["v"])

    return rule


def adam(decay: float, decoupled: bool, rate: Callable[[int], float]) -> Callable[..., Any]:
    def rule(p: Any, g: Any, state: Any, t: int) -> Any:
        g = g if decoupled else g + decay * p
        m = state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
        v = state["v"] = 0.999 * state.get("v", 0) + 0.001 * g * g
        m, v = m / (1 - 0.9 ** (t + 1)), v / (1 - 0.999 ** (t + 1))
        p = p - rate(t) * decay * p if decoupled else p
        return p - rate(t) * m / (np.sqrt(v) + 1e-8)

    return rule


def constant_rate(t: int) -> float:
    return 0.1


CASES: list[tuple[optim.Optimiser, Callable[..., Any]]] = [
    (optim.SGD(0.01), lambda p, g, state, t: p - 0.01 * g),
    (optim.SGD(0.01, weight_decay=0.1), lambda p, g, state, t: p - 0.01 * (g + 0.1 * p)),
    (optim.SGD(0.01, momentum=0.9), momentum(False)),
    (optim.SGD(0.01, momentum=0.9, nesterov=True), momentum(True)),
    (optim.Adam(0.1), adam(0, False, constant_rate)),
    (optim.Adam(0.1, weight_decay=0.1), adam(0.1, False, constant_rate)),
    (optim.AdamW(0.1, weight_decay=0.1), adam(0.1, True, constant_rate)),
    (
        optim.Adam(optim.exponential_decay(0.1, 0.5, 3)),
        adam(0, False, lambda t: 0.1 * 0.5 ** (t / 3)),
    ),
]


@pytest.mark.parametrize(("optimiser", "rule"), CASES)
def test_steps_follow_the_formula(optimiser: optim.Optimiser, rule: Any) -> None:
    np.testing.assert_allclose(train(optimiser, 5), expected(rule, 5), rtol=1e-6)


def test_half_parameters_keep_wide_slots() -> None:
    optimiser = optim.Adam(0.1)
    train(optimiser, 2, "bfloat16")
    assert {x.dtype.name for name, x in optimiser.slots.items() if name != "step"} == {"float32"}


def test_gradients_are_clipped_together() -> None:
    g = CURVE * START
    scale = 0.5 / np.linalg.norm(g)
    np.testing.assert_allclose(train(optim.SGD(1.0, clip_norm=0.5), 1), START - g * scale)
    np.testing.assert_allclose(train(optim.SGD(1.0, clip_norm=1e9), 1), START - g)


def test_the_rate_may_be_an_input() -> None:
    p, rate = variable(np.ones(2), "p"), placeholder("rate", (), "float64")
    updates = optim.SGD(rate).updates(sum(p * p), [p])
    (new,) = evaluate([updates[p]], {rate: np.float64(0.25)})
    np.testing.assert_array_equal(new, [0.5, 0.5])


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (optim.cosine(1.0, 10), {0: 1.0, 5: 0.5, 10: 0.0, 20: 0.0}),
        (optim.cosine(1.0, 12, warmup=2, least=0.5), {0: 0.5, 1: 1.0, 2: 1.0, 7: 0.75, 99: 0.5}),
        (optim.piecewise(1.0, {3: 0.1, 6: 0.01}), {0: 1.0, 2: 1.0, 3: 0.1, 6: 0.01}),
    ],
)
def test_schedules(schedule: Any, rates: dict[int, float]) -> None:
    step = placeholder("step", ())
    for at, rate in rates.items():
        (value,) = evaluate([schedule(step)], {step: np.float32(at)})
        assert value == pytest.approx(rate, abs=1e-6)


def test_the_state_goes_to_another_optimiser() -> None:
    one, two = optim.Adam(0.1), optim.Adam(0.1)
    train(one, 3)
    train(two, 0)
    two.load_state_dict(one.state_dict())
    assert two.state_dict()["step"] == 3
    with pytest.raises(GraphError, match="needed, not"):
        two.load_state_dict({"step": 3})


@pytest.mark.parametrize("kind", [optim.Adam, optim.LBFGS, optim.MaSS, optim.SVRG])
def test_two_models_cannot_share_the_state_of_one_optimiser(kind: Any) -> None:
    rates = {optim.MaSS: (0.1, 0.1, 0.9), optim.SVRG: (0.1,)}
    optimiser = kind(*rates.get(kind, ()))
    one, two = variable(np.ones(3), "p"), variable(np.ones(3), "p")
    optimiser.updates(sum(one * one), [one])
    optimiser.updates(sum(one**4), [one])  # another loss of the same parameters is welcome
    with pytest.raises(GraphError, match=r"goes with another parameter already\n  a: p: f64\[3\]"):
        optimiser.updates(sum(two * two), [two])


def test_an_optimiser_without_state_serves_two_models() -> None:
    optimiser = optim.SGD(0.1)
    one, two = variable(np.ones(3), "p"), variable(np.ones(3), "p")
    assert one in optimiser.updates(sum(one * one), [one])
    assert two in optimiser.updates(sum(two * two), [two])


def test_a_state_of_another_shape_is_refused_whole() -> None:
    optimiser = optim.Adam(0.1)
    train(optimiser, 2)
    state = optimiser.state_dict()
    with pytest.raises(ShapeError, match=r"0\.p\.mean is f64\[3\], not float64\[\]"):
        optimiser.load_state_dict({**state, "step": np.int64(0), "0.p.mean": np.float64(0)})
    assert optimiser.state_dict()["step"] == 2


def test_only_variables_are_updated() -> None:
    x = placeholder("x", (3,))
    with pytest.raises(GraphError, match=r"only a variable can be updated\n  x: f32\[3\]"):
        optim.SGD(0.1).updates(sum(x), [x])


def test_integers_are_not_updated() -> None:
    n = variable(np.arange(3), "n")
    with pytest.raises(DTypeError, match="a parameter must be floating"):
        optim.SGD(0.1).updates(sum(n), [n])


def test_no_parameters_are_an_error() -> None:
    with pytest.raises(GraphError, match="no parameters to update"):
        optim.SGD(0.1).updates(constant(1.0), [])


def test_numbers_below_zero_are_refused() -> None:
    for make in (
        lambda: optim.Adam(-1.0),
        lambda: optim.SGD(float("nan")),
        lambda: optim.AdamW(clip_norm=-1),
    ):
        with pytest.raises(GraphError, match=r"is at least 0, not (-1|nan)"):
            make()


def test_a_loss_of_other_parameters_is_refused() -> None:
    x, y = variable(np.ones(3), "x"), variable(np.ones(3), "y")
    loss = sum(x * x)
    with pytest.raises(GraphError, match=r"depends on none of the 1 parameters, 0\.y\n"):
        optim.SGD(0.1).updates(loss, [y])
    assert x in optim.SGD(0.1).updates(loss, [x, y])


@pytest.mark.parametrize(
    "kind",
    [optim.Nesterov, optim.RestartedNesterov, optim.SVRG, optim.Newton, optim.DiagonalNewton],
)
def test_every_optimiser_refuses_parameters_that_the_loss_does_not_see(kind: Any) -> None:
    seen, other = (variable(np.ones(3), name) for name in ("seen", "other"))
    with pytest.raises(GraphError, match=r"depends on none of the 1 parameters, 0\.other\n"):
        kind(0.1).updates(sum(seen * seen), [other])
