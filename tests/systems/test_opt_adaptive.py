"""Rates that adapt, decay, clipping and averages (catalogue 7, A, 10 to 26)."""

import numpy as np

import graphc as gc
from graphc import optim
from tests.systems.catalogue import both, row
from tests.systems.quadratic import CURVES, START, Q, path, reaches, value


def first_step(optimiser, slope):
    """The length of an optimiser's first step down a line of this slope."""
    return -path(optimiser, 1, lambda w: gc.sum(w * slope), np.zeros(1))[-1, 0]


@row("OPT-10", "graphc/optim/own_rates.py")
def test_opt_10_delta_delta():
    """Q as printed."""
    reaches(lambda: optim.DeltaDelta(0.05, 0.001), (0.2797625828, 0))


@row("OPT-11", "graphc/optim/own_rates.py")
def test_opt_11_delta_bar_delta():
    """Q as printed, for the comparison with the new mean and with the one before."""
    reaches(lambda: optim.DeltaBarDelta(0.05, 0.01, 0.3, 0.7), (0.0922008023, 0))
    reaches(lambda: optim.DeltaBarDelta(0.05, 0.01, 0.3, 0.7, True), (0.1185438886, 0))


@row("OPT-12", "graphc/optim/adaptive.py")
def test_opt_12_adagrad():
    """Q as printed (eps inside the root); scaling one coordinate's gradients by 1000 leaves the
    path; eps outside the root as its formula says.
    """
    points = reaches(lambda: optim.AdaGrad(0.5, eps_inside=True), (0.0031056035, 0.0031056034))
    curves = gc.constant(CURVES * [1e3, 1.0])
    scaled = path(lambda: optim.AdaGrad(0.5), f=lambda w: gc.sum(curves * w**2))
    np.testing.assert_allclose(scaled, points, atol=1e-7)
    outside = first_step(lambda: optim.AdaGrad(0.5, 1e-2), 1e-2)
    np.testing.assert_allclose(outside, 0.5 / 2, rtol=1e-12)


@row("OPT-13", "graphc/optim/adaptive.py")
def test_opt_13_rmsprop():
    """Q as printed (eps inside the root), and its formula with eps outside; with decay 0 the step
    is the sign of the gradient times the rate.
    """
    reaches(lambda: optim.RMSprop(0.05, 0.9, eps_inside=True), (0.3013984288, 0.3013984253))
    reaches(lambda: optim.RMSprop(0.05, 0.9), (0.301398431021, 0.301398426322))
    points = path(lambda: optim.RMSprop(0.05, 0.0, 0.0), 3)
    np.testing.assert_allclose(points[-1], 0.85, rtol=1e-14)


@row("OPT-14", "graphc/optim/adaptive.py")
def test_opt_14_adadelta():
    """Q as printed."""
    reaches(lambda: optim.Adadelta(decay=0.9, eps=1e-6), (0.9665970554, 0.9665970135))


@row("OPT-15", "graphc/optim/rules.py")
def test_opt_15_adam():
    """Q as printed, with and without correction of the bias; the first step for a gradient of 1e-6
    with eps outside and inside the root; the stored means are the raw ones, whose weights sum to
    1 - beta**t; two slots of the parameter's size.
    """
    reaches(lambda: optim.Adam(0.1), (0.0762491556, 0.0762491516))
    reaches(lambda: optim.Adam(0.1, corrected=False), (0.1564226220, 0.1564227643))
    outside = first_step(lambda: optim.Adam(1e-3), 1e-6)
    inside = first_step(lambda: optim.Adam(1e-3, eps_inside=True), 1e-6)
    np.testing.assert_allclose([outside, inside], [9.900990e-4, 9.9995e-6], rtol=1e-5)
    w, adam = gc.variable(np.zeros(2), "w"), optim.Adam(0.1)
    step = gc.compile([], None, updates=adam.updates(gc.sum(w), [w]))
    for _ in range(7):
        step()
    slots = {x.name.split(".")[-1]: value(x) for x in adam.slots.values()}
    np.testing.assert_allclose(slots["mean"], 1 - 0.9**7, rtol=1e-14)
    np.testing.assert_allclose(slots["square"], 1 - 0.999**7, rtol=1e-11)
    assert sum(a.size for a in slots.values()) == 2 * 2 + 1


@row("OPT-16", "graphc/optim/adaptive.py")
def test_opt_16_adamax():
    """Q as printed; an element without gradients stays."""
    reaches(lambda: optim.AdaMax(0.1), (0.2287922075, 0.2287922075))
    assert (path(lambda: optim.AdaMax(0.1), 2, lambda w: gc.sum(w * w), np.zeros(2)) == 0).all()


@row("OPT-17", "graphc/optim/rules.py")
def test_opt_17_weight_decay_apart_or_in_the_gradient():
    """Q as printed for Adam with either kind; for gradient descent both kinds are one when the
    decay apart is the rate times the decay in the gradient.
    """
    reaches(lambda: optim.AdamW(0.1, weight_decay=0.1), (0.0336055512, 0.0336055474))
    reaches(lambda: optim.Adam(0.1, weight_decay=0.1), (0.0762491554, 0.0762491516))
    points = path(lambda: optim.SGD(0.05, weight_decay=0.1))
    w = START
    for t in range(10):
        w = w - 0.05 * 2 * CURVES * w - 0.05 * 0.1 * w
        np.testing.assert_allclose(points[t + 1], w, rtol=1e-13)
    apart = path(lambda: optim.SGD(0.05, weight_decay=0.1, decoupled=True))
    np.testing.assert_allclose(apart, points, rtol=1e-13)
    ball = path(lambda: optim.SGD(0.05, 0.9, weight_decay=0.1, decoupled=True))
    assert abs(ball - path(lambda: optim.SGD(0.05, 0.9, weight_decay=0.1))).max() > 1e-3


@row("OPT-18", "graphc/optim/own_rates.py")
def test_opt_18_rprop():
    """Q as printed, with and without taking back the last step at a change of sign; steps keep
    within their bounds.
    """
    reaches(lambda: optim.Rprop(0.1), (-0.0527116800, -0.0527116800))
    reaches(lambda: optim.Rprop(0.1, revert=True), (0.007008, 0.007008))
    points = path(lambda: optim.Rprop(0.1, least=0.05, most=0.11), 30)
    sizes = abs(np.diff(points, axis=0))
    assert sizes.max() < 0.11 + 1e-12 and sizes.min() > 0.05 - 1e-12


@row("OPT-19", "graphc/optim/own_rates.py")
def test_opt_19_quickprop():
    """Q is at its minimum after the second step, and stays there without a NaN; a bound on the
    jumps holds.
    """
    points = path(lambda: optim.Quickprop(0.05), 6)
    np.testing.assert_allclose(points[2:], 0, atol=1e-15)
    steps = abs(np.diff(path(lambda: optim.Quickprop(0.01, most=1.75), 4)[:, 0]))
    np.testing.assert_allclose(steps[1:] / steps[:-1], 1.75, rtol=1e-12)


@row("OPT-20", "graphc/optim/proximal.py")
def test_opt_20_proximal_step():
    """Q as printed; the first coordinate tends to the minimum of w**2 + 0.5 abs(w), which is 0."""
    reaches(lambda: optim.ISTA(0.05, 0.5), (0.1858480501, 0))
    assert (path(lambda: optim.ISTA(0.05, 0.5), 60)[-1] == 0).all()
    x = gc.constant(np.array([-3.0, -0.2, 0.0, 0.5, 2.0]))
    np.testing.assert_allclose(both(optim.shrink(x, 0.5)), [-2.5, 0, 0, 0, 1.5])


@row("OPT-24", "graphc/optim/optimiser.py")
def test_opt_24_clipped_gradients():
    """Q as printed when gradients are scaled to a norm of at most 1; steps are no longer than the
    rate.
    """
    points = reaches(lambda: optim.SGD(0.05, clip_norm=1.0), (0.8789235247, 0.5151954627))
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).max() <= 0.05 + 1e-12
    assert float(both(Q(gc.constant(points[-1])))) < 6
