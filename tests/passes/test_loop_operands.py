"""Loops repeat small values that do not change in them by themselves."""

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc

Step = Callable[[gc.Tensor, gc.Tensor], gc.Tensor]


def _pairs(q: gc.Tensor, m: gc.Tensor) -> gc.Tensor:
    return gc.sum(gc.tanh(q[None, :] - q[:, None]) * m[None, :], axis=1)


def _masked(q: gc.Tensor, m: gc.Tensor) -> gc.Tensor:
    near = gc.astype(m[None, :] < m[:, None], gc.float32)
    return gc.sum(gc.tanh(q[None, :] - q[:, None]) * (near - m[:, None]), axis=1)


def _turned(q: gc.Tensor, m: gc.Tensor) -> gc.Tensor:
    weights = gc.transpose(m[None, :] * m[:, None] + m[None, :])
    return gc.sum(gc.tanh(q[None, :] - q[:, None]) * weights, axis=1)


STEPS = [_pairs, _masked, _turned]


def _looped(step: Step, gradient: bool, looped: bool = True) -> gc.Executable:
    q, m = gc.placeholder("q", ("n",)), gc.placeholder("m", ("n",))
    if looped:
        y, _ = gc.scan(lambda s, _: (step(s, m), None), q, length=3)
    else:
        y = step(step(step(q, m), m), m)
    loss = gc.sum(gc.square(y))
    return gc.compile([q, m], [y, *(gc.grad(loss, [q, m]) if gradient else ())])


@pytest.mark.parametrize("step", STEPS)
def test_memory_of_a_loop_is_linear(step: Step) -> None:
    f = _looped(step, gradient=False)
    small, large = (f.memory.at(n=n).peak for n in (5000, 10000))
    assert large < 1_000_000
    assert large < 3 * small


@pytest.mark.parametrize("step", STEPS)
def test_gradient_keeps_what_is_repeated_alone(step: Step) -> None:
    """At most n x n values of one step at a time, for two of the three functions none."""
    n = 3000
    assert _looped(step, gradient=True).memory.at(n=n).peak < 1.2 * 4 * n * n


def test_gradient_of_attracting_bodies_keeps_their_places() -> None:
    """Not the n x n distances between them, sums over three axes, of every step."""
    places, masses = gc.placeholder("places", ("n", 3)), gc.placeholder("masses", ("n",))

    def step(q: gc.Tensor) -> gc.Tensor:
        apart = q[None, :, :] - q[:, None, :]
        near = gc.rsqrt(gc.sum(apart * apart, axis=-1) + 0.1)
        return q + gc.sum(apart * (masses[None, :] * near**3)[..., None], axis=1)

    def slopes(looped: bool) -> gc.Executable:
        if looped:
            y, _ = gc.scan(lambda q, _: (step(q), None), places, length=3)
        else:
            y = step(step(step(places)))
        return gc.compile([places, masses], gc.grad(gc.sum(y * y), [places, masses]))

    f, n = slopes(looped=True), 2000
    assert f.memory.at(n=n).peak < 8 * 4 * n * n
    rng = np.random.default_rng(0)
    given = rng.standard_normal((6, 3), np.float32), np.full(6, 0.02, np.float32)
    for ours, theirs in zip(f(*given), slopes(looped=False)(*given), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("n", [0, 1, 7, 64])
def test_values_and_gradients_are_those_without_a_loop(step: Step, n: int) -> None:
    rng = np.random.default_rng(n)
    q, m = rng.standard_normal((2, n), np.float32) / max(n, 1)
    found = _looped(step, gradient=True)(q, m)
    wanted = _looped(step, gradient=True, looped=False)(q, m)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=1e-6)


def test_gradient_of_a_repeated_tensor_made_outside() -> None:
    q, m = gc.placeholder("q", ("n",)), gc.placeholder("m", ("n",))
    wide = m[None, :] + gc.zeros((q.shape[0], 1))
    y, _ = gc.scan(lambda s, _: (gc.sum(s[:, None] * wide, axis=0), None), q, length=2)
    f = gc.compile([q, m], gc.grad(gc.sum(y), [wide])[0])
    given = np.array([1.0, 2.0], np.float32), np.array([3.0, 5.0], np.float32)
    np.testing.assert_allclose(f(*given), _by_hand(*given))


def _by_hand(q: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Gradient of sum(W^T W^T q) with respect to W, whose lines are m."""
    w = np.tile(m, (len(q), 1))
    ones = np.ones_like(q)
    once = w.T @ q
    return np.outer(q, w @ ones) + np.outer(once, ones)


def test_products_are_computed_before_the_loop() -> None:
    """What is not merely repeated is still read by the steps."""
    x, w = gc.placeholder("x", ("n", 8)), gc.placeholder("w", (8, 8))
    h = gc.placeholder("h", ("n", 8))
    y, _ = gc.scan(lambda s, _: (gc.tanh(s + gc.tanh(x @ w)), None), h, length=5)
    (loop,) = [k for k in gc.compile([x, w, h], y).kernels if "scan" in k.name]
    assert "dot" not in loop.name
    assert len(gc.compile([x, w, h], y).kernels) == 2
