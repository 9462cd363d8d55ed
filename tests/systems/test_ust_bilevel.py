"""Gradients through training (catalogue 9, B)."""

import numpy as np
import pytest

import graphc as gc
from graphc import optim
from tests.systems.catalogue import S, both, check_gradients, row, symbols


@row("UST-22", "graphc/optim/bilevel.py")
def test_ust_22_hyper_gradients():
    """The printed weight and gradient of ten unrolled steps, with the gradients of differences for
    target, start and rate; -0.7 at the minimum, implicitly, and by unrolling to convergence; the
    same for the penalty of ridge regression.
    """
    feeds = symbols(a=np.array(0.3), start=np.array(0.0), rate=np.array(0.1))
    a, start, rate = feeds

    def loss(w):
        return 0.5 * (w - a) ** 2

    (w,) = optim.descended(loss, [start], rate, 10)
    (far,) = optim.descended(loss, [start], rate, 400)
    at = gc.placeholder("at", (), "float64")
    (implicit,) = optim.implicit_gradient(loss(at), 0.5 * (at - 1) ** 2, [at], [a], 3)
    values = both(
        [w, gc.grad(0.5 * (w - 1) ** 2, a), gc.grad(0.5 * (far - 1) ** 2, a), implicit],
        feeds | {at: np.array(0.3)},
    )
    np.testing.assert_allclose(values, [0.195396468, -0.524055628, -0.7, -0.7], atol=6e-10)
    check_gradients(0.5 * (w - 1) ** 2, feeds)

    ridge = symbols(X=S(0, 8, 3), y=S(1, 8), V=S(4, 5, 3), t=S(3, 5), penalty=np.array(0.4))
    X, y, V, t, penalty = ridge
    exact = gc.linalg.solve(X.T @ X + penalty * gc.eye(3, dtype="float64"), X.T @ y)
    v = gc.placeholder("v", (3,), "float64")
    training = 0.5 * gc.sum((X @ v - y) ** 2) + 0.5 * penalty * gc.sum(v * v)
    found = optim.implicit_gradient(training, gc.sum((V @ v - t) ** 2), [v], [penalty, X], 6)
    direct = gc.grad(gc.sum((V @ exact - t) ** 2), [penalty, X])
    p, x = gc.ir.walk.substitute(found, {v: exact})
    check_gradients(gc.sum((V @ exact - t) ** 2), ridge, count=2)
    for mine, wanted in zip(*both([[p, x], direct], ridge), strict=True):
        np.testing.assert_allclose(mine, wanted, atol=1e-9)


@row("UST-23", "graphc/optim/bilevel.py")
def test_ust_23_alternating_updates():
    """Weights go down the training loss and the target down the validation loss after one more
    step, in turns: both reach 1, the fixed point of the toy problem.
    """
    w, a = gc.variable(np.float64(0), "w"), gc.variable(np.float64(0.3), "a")

    def training(w):
        return 0.5 * (w - a) ** 2

    (ahead,) = optim.descended(training, [w], 0.1, 1)
    validation = 0.5 * (ahead - 1) ** 2
    inner = gc.compile([], training(w), updates=optim.SGD(0.1).updates(training(w), [w]))
    outer = gc.compile([], validation, updates=optim.SGD(1.0).updates(validation, [a]))
    found, slope = both([validation, gc.grad(validation, a)])
    assert found == pytest.approx(0.5 * 0.97**2) and slope == pytest.approx(-0.97 * 0.1)
    losses = []
    for _ in range(500):
        inner()
        losses.append(float(outer()))
    assert losses[-1] < 1e-12 < losses[0]
    assert float(w.value) == pytest.approx(1, abs=1e-8)
    assert float(a.value) == pytest.approx(1, abs=1e-8)
