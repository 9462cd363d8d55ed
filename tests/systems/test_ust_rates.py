"""How fast optimisers converge (catalogue 9, E)."""

import itertools
import math

import numpy as np
import pytest

import graphc as gc
from graphc import optim
from tests.systems.catalogue import row
from tests.systems.quadratic import value


def merged(*updates):
    """The updates of several optimisers in one step."""
    return {p: new for u in updates for p, new in u.items()}


def steps(outputs, updates, count, *states):
    """The outputs of every step; the first five must be the reference's, from the same values of
    what is updated and of other states.
    """
    first = {x: value(x) for x in (*updates, *states)}
    short = gc.compile([], outputs, updates=updates, target="reference")
    meant = np.array([short() for _ in range(5)])
    for x, array in first.items():
        x.value = array
    step = gc.compile([], outputs, updates=updates)
    found = np.array([step() for _ in range(count)])
    np.testing.assert_allclose(found[:5], meant, rtol=1e-11, atol=1e-13)
    return found


@row("UST-47", "graphc/optim/accelerated.py")
def test_ust_47_rates_of_gradient_descent_and_momentum():
    """The steps that gradient descent, the heavy ball and two Nesterov methods need to 1e-6 on
    quadratics of condition 10, 100, 1000 are as printed; the distance and loss stay within bounds.
    """
    k = np.array([[10.0], [100], [1000]])
    curves = np.linspace(np.ones(3), k[:, 0], 20, axis=1)
    root = np.sqrt(k)
    c = gc.constant
    optimisers = [
        optim.SGD(c(2 / (1 + k))),
        optim.HeavyBall(c(4 / (root + 1) ** 2), c(((root - 1) / (root + 1)) ** 2), "difference"),
        optim.Nesterov(c(1 / k), c((root - 1) / (root + 1))),
        optim.Nesterov(c(1 / k), optim.growing_momentum),
        optim.SGD(c(1 / k)),
    ]
    weights = [gc.variable(np.ones((3, 20)), f"w{i}") for i in range(len(optimisers))]
    losses = [gc.sum(c(curves) * w * w, axis=1) / 2 for w in weights]
    updates = merged(
        *(o.updates(gc.sum(f), [w]) for o, f, w in zip(optimisers, losses, weights, strict=True))
    )
    distances = gc.stack([gc.sum(w * w, axis=1) for w in weights]) / 20
    seen = steps(gc.stack([distances, gc.stack(losses)]), updates, 6500)
    squares, losses = seen[:, 0], seen[:, 1]
    found = (squares > 1e-12).sum(0)
    first = (squares <= 1e-12).argmax(0)
    printed = [[64, 634, 6333], [25, 87, 296], [40, 143, 470], [108, 414, 1215]]
    np.testing.assert_array_equal(first[:4], printed)
    np.testing.assert_array_equal(found[:3], printed[:3])
    t = np.arange(6500)[:, None]
    k = k[:, 0]
    assert (squares[:, 0] <= ((k - 1) / (k + 1)) ** (2 * t) * (1 + 1e-9) + 1e-300).all()
    assert (squares[:, 0] <= np.exp(-4 * t / (k + 1)) * (1 + 1e-9)).all()
    assert (losses[1:, 4] <= 20 * k / (2 * t[1:])).all()
    assert losses[0, 4] == pytest.approx(curves.sum(1) / 2)


@row("UST-48", "graphc/optim/rules.py")
def test_ust_48_rates_of_stochastic_gradient_descent():
    """On m w^2 / 2 with noisy slopes 4000 runs have the closed mean loss, at first and in the end,
    below the bound; batches divide it; rates as 1/t give slope -1; without noise it is descent.
    """
    m, rate, noise, runs = 2.0, 0.1, 0.5, 4000
    batch = np.array([[1.0], [4.0], [np.inf]])
    w, v = gc.variable(np.ones((3, runs)), "w"), gc.variable(np.ones(runs), "v")
    draws = gc.random.Generator(1)
    shaken = gc.random.normal(draws, (4, runs), dtype="float64")
    force = shaken[:3] * gc.constant(np.sqrt(noise / batch))
    constant = optim.SGD(rate).updates(gc.sum(m * w * w / 2 + force * w), [w])
    falling = optim.SGD(lambda t: 2 / (t + 10))
    loss = gc.sum(m * v * v / 2 + shaken[3] * math.sqrt(noise) * v)
    values = gc.concat([gc.mean(m * w * w / 2, axis=1), gc.mean(m * v * v / 2, keepdims=True)])
    losses = steps(values, merged(constant, falling.updates(loss, [v])), 600, draws.state)
    t = np.arange(600)[:, None]
    for b, seen in zip(batch[:, 0], losses[:, :3].T, strict=True):
        last = rate * noise / b / (2 * (2 - rate * m))
        exact = last + (1 - rate * m) ** (2 * t[:, 0]) * (m / 2 - last)
        np.testing.assert_allclose(seen, exact, rtol=4 * math.sqrt(2 / runs))
        bound = rate * noise / b / 2
        assert (seen <= bound + (1 - rate * m) ** t[:, 0] * (m / 2 - bound) + 1e-15).all()
    np.testing.assert_allclose(losses[:, 2], (1 - rate * m) ** (2 * t[:, 0]), rtol=1e-12)
    late = slice(60, 600)
    slope = np.polyfit(np.log(t[late, 0] + 10), np.log(losses[late, 3]), 1)[0]
    assert slope == pytest.approx(-1, abs=0.1)


@row("UST-49", "graphc/optim/accelerated.py")
def test_ust_49_lower_bound_of_first_order_methods():
    """On the worst quadratic of 2 t + 1 variables, for t up to 20, gradient descent, the heavy ball
    and Nesterov's method stay above the bound after t steps, the last within a factor of 64 / 3.
    """
    most, n = 20, 41
    times = np.arange(1, most + 1)
    A = np.zeros((most, n, n))
    for t in times:
        p = 2 * t + 1
        A[t - 1, :p, :p] = 2 * np.eye(p) - np.eye(p, k=1) - np.eye(p, k=-1)
    begin = np.eye(n)[0]
    best = np.stack([np.linalg.pinv(a) @ begin for a in A])
    lowest = best @ begin * -0.125
    blocks = [a[: 2 * t + 1, : 2 * t + 1] for t, a in zip(times, A, strict=True)]
    spectra = [np.linalg.eigvalsh(block) / 4 for block in blocks]
    low, high = (np.sqrt([[s[k]] for s in spectra]) for k in (0, -1))
    heavy = gc.constant(4 / (high + low) ** 2), gc.constant(((high - low) / (high + low)) ** 2)
    optimisers = [
        optim.SGD(1.0),
        optim.HeavyBall(*heavy, "difference"),
        optim.Nesterov(1.0, optim.growing_momentum),
    ]
    weights = [gc.variable(np.zeros((most, n)), f"w{k}") for k in range(3)]
    used = gc.constant((np.arange(n) < 2 * times[:, None] + 1).astype(float))
    padded = [gc.pad(w * used, ((0, 0), (1, 1))) for w in weights]
    losses = [gc.sum((v[:, 1:] - v[:, :-1]) ** 2, axis=1) / 8 - v[:, 1] / 4 for v in padded]
    updates = merged(
        *(o.updates(gc.sum(f), [w]) for o, f, w in zip(optimisers, losses, weights, strict=True))
    )
    seen = steps(gc.stack(losses), updates, most + 1)
    gaps = np.array([seen[t, :, t - 1] - lowest[t - 1] for t in times])
    bound = 3 * (best**2).sum(1) / 32 / (times + 1) ** 2
    assert (gaps >= bound[:, None]).all()
    assert (gaps[:, 2] <= 64 / 3 * bound).all()
    assert all(b <= a for a, b in itertools.pairwise(seen[:, 0].sum(1)))
