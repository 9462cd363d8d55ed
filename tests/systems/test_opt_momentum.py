"""Gradient descent and momentum (catalogue 7, A, 1 to 8)."""

import numpy as np

import graphc as gc
from graphc import optim
from tests.systems.catalogue import S, check_gradients, row, symbols
from tests.systems.quadratic import CURVES, Q, path, reaches, value


@row("OPT-01", "graphc/optim/rules.py")
def test_opt_01_gradient_descent():
    """Ten steps on Q as printed; the step goes downhill; at the rate 0.2 the second coordinate
    keeps its size for ever, at 0.19 it shrinks and at 0.21 it grows.
    """
    check_gradients(Q(next(iter(feeds := symbols(w=S(1, 2))))), feeds)
    points = reaches(lambda: optim.SGD(0.05), (0.3486784401, 0.0009765625))
    slope = 2 * CURVES * points[0]
    assert slope @ (points[1] - points[0]) < 0
    rates = gc.constant(np.array([[0.19], [0.2], [0.21]]))
    below, at, above = abs(path(lambda: optim.SGD(rates), 40, start=np.ones((3, 2)))[:, :, 1]).T
    np.testing.assert_allclose(at, 1, rtol=1e-12)
    assert below[-1] < 0.02 and above[-1] > 40


@row("OPT-03", "graphc/optim/accelerated.py")
def test_opt_03_heavy_ball_in_three_forms():
    """Q as printed for momentum 0.9 and 1; three forms and the sum of discounted gradients give
    the same iterates.
    """
    forms = ("velocity", "difference", "extrapolated")
    printed = (-0.5887893888, 0.0877247680)
    runs = [reaches(lambda form=form: optim.HeavyBall(0.05, 0.9, form), printed) for form in forms]
    for points in runs[1:]:
        np.testing.assert_allclose(points, runs[0], rtol=1e-12, atol=1e-14)
    slopes = 2 * CURVES * runs[0]
    for t in range(10):
        powers = 0.9 ** np.arange(t, -1, -1)
        step = -0.05 * powers @ slopes[: t + 1]
        np.testing.assert_allclose(runs[0][t + 1] - runs[0][t], step, atol=1e-14)
    reaches(lambda: optim.HeavyBall(0.05, 1.0), (-0.9939764889, 0.2802734375))


@row("OPT-04", "graphc/optim/accelerated.py")
def test_opt_04_nesterov_in_two_forms():
    """Q as printed; both forms give the same iterates; without momentum it is gradient descent."""
    printed = (-0.3503753991, 0.0012300894)
    one = reaches(lambda: optim.Nesterov(0.05, 0.9, "velocity"), printed)
    two = reaches(lambda: optim.Nesterov(0.05, 0.9, "extrapolated"), printed)
    np.testing.assert_allclose(one, two, atol=1e-14)
    none = path(lambda: optim.Nesterov(0.05, 0.0))
    np.testing.assert_allclose(none, path(lambda: optim.SGD(0.05)), atol=1e-15)


@row("OPT-05", "graphc/optim/accelerated.py")
def test_opt_05_nesterov_with_growing_or_optimal_momentum():
    """Q as printed with momentum (t - 1) / (t + 2); with the momentum for condition number 5 and
    rate 1 / L the error falls faster than by gradient descent at the same rate.
    """
    reaches(lambda: optim.Nesterov(0.05, optim.growing_momentum), (0.0181115162, 0.0019664764))
    best = path(lambda: optim.Nesterov(0.1, optim.optimal_momentum(5.0)), 40)
    plain = path(lambda: optim.SGD(0.1), 40)
    rate = 1 - 1 / np.sqrt(5)
    assert CURVES @ best[-1] ** 2 <= 2 * 6 * rate**40
    assert CURVES @ best[-1] ** 2 < 0.01 * (CURVES @ plain[-1] ** 2)


@row("OPT-06", "graphc/optim/accelerated.py")
def test_opt_06_mass():
    """Q as printed; without compensation it is Nesterov's method."""
    reaches(lambda: optim.MaSS(0.05, 0.01, 0.5), (0.18260655, 0.00053791), atol=6e-9)
    plain = path(lambda: optim.MaSS(0.05, 0.0, 0.5))
    np.testing.assert_allclose(plain, path(lambda: optim.Nesterov(0.05, 0.5)), atol=1e-15)


@row("OPT-07", "graphc/optim/accelerated.py")
def test_opt_07_restarts_of_momentum():
    """On a quadratic of condition number 1000 both kinds of restart need fewer steps to 1e-10 than
    growing momentum without restarts.
    """
    curves = np.array([1.0, 30.0, 1000.0])

    def f(w):
        return gc.sum(gc.constant(curves) * w * w) * 0.5

    def steps_needed(optimiser):
        w = gc.variable(np.ones(3), "w")
        loss = f(w)
        step = gc.compile([], loss, updates=optimiser.updates(loss, [w]))
        return next(t for t in range(4000) if step() < 1e-10)

    without = steps_needed(optim.Nesterov(1e-3, optim.growing_momentum))
    for when in ("gradient", "function"):
        assert steps_needed(optim.RestartedNesterov(1e-3, when)) < 0.6 * without
        path(lambda when=when: optim.RestartedNesterov(1e-3, when), 30, f, np.ones(3))


@row("OPT-08", "graphc/optim/accelerated.py")
def test_opt_08_average_of_gradients():
    """Q as printed; the same as the heavy ball's velocity at the rate 0.05 * (1 - 0.9)."""
    points = reaches(lambda: optim.GradientAverage(0.05, 0.9), (0.6210791125, -0.3109229107))
    ball = path(lambda: optim.HeavyBall(0.05 * (1 - 0.9), 0.9))
    np.testing.assert_allclose(points, ball, atol=1e-14)


@row("OPT-09", "graphc/optim/rules.py")
def test_opt_09_a_rate_for_each_parameter():
    """With the rates (0.5, 0.1) Q is at its minimum after one step; two groups of parameters with
    rates of their own, one rising, step together.
    """
    rates = gc.constant(np.array([0.5, 0.1]))
    np.testing.assert_allclose(path(lambda: optim.SGD(rates), 1)[-1], 0, atol=1e-15)
    a, b = gc.variable(np.array(1.0), "a"), gc.variable(np.array(1.0), "b")
    loss = a * a + 5 * b * b
    groups = optim.SGD(0.05).updates(loss, [a]) | optim.SGD(0.01).updates(-loss, [b])
    gc.compile([], None, updates=groups)()
    np.testing.assert_allclose([value(a), value(b)], [0.9, 1.1], rtol=1e-15)
