"""Schedules, averages and what goes on around a step (catalogue 7, A and B)."""

import ctypes

import numpy as np

import graphc as gc
from graphc import optim
from tests.systems.catalogue import S, both, row, run
from tests.systems.quadratic import CURVES, START, Q, path, value


def rates(schedule, *steps):
    """The rates of a schedule at some steps, in float64."""
    return [float(x) for x in both([schedule(gc.constant(np.float64(t))) for t in steps])]


def fitted(optimiser, size, samples=12):
    """A line, a function of a batch of indices that steps it, and its variable."""
    x, y = S(0, samples), S(3, samples)
    index = gc.placeholder("index", ("batch",), gc.int64)
    w = gc.variable(np.zeros(2), "w")
    error = gc.take(gc.constant(x), index) * w[0] + w[1] - gc.take(gc.constant(y), index)
    return w, error, gc.compile([index], None, updates=optimiser.updates(gc.mean(error**2), [w]))


@row("OPT-02", "graphc/optim/searching.py")
def test_opt_02_minibatches():
    """Numbers of updates in an epoch, a short last batch or none; each index once without
    replacement; one compiled step for all sizes of batch; mean and sum over a batch differ by its
    size; the standard error of a batch's gradient falls as its root.
    """
    count = [len(list(optim.minibatches(*p))) for p in ((60000, 32), (50000, 64))]
    assert count == [1875, 782]
    sizes = [len(b) for b in optim.minibatches(10, 4, 1)]
    assert sizes == [4, 4, 2]
    assert [len(b) for b in optim.minibatches(10, 4, 1, drop_last=True)] == [4, 4]
    order = np.concatenate(list(optim.minibatches(50, 7, 3)))
    assert sorted(order) == list(range(50)) and list(order) != sorted(order)
    drawn = np.concatenate(list(optim.minibatches(50, 7, 3, replacement=True)))
    assert len(set(drawn)) < 50
    w, _, step = fitted(optim.SGD(0.1), 5)
    for batch in optim.minibatches(12, 5, 1):
        before = value(w)
        step(batch)
        x, y = S(0, 12)[batch], S(3, 12)[batch]
        error = before[0] * x + before[1] - y
        slope = [2 * np.mean(error * x), 2 * np.mean(error)]
        np.testing.assert_allclose(value(w), before - 0.1 * np.array(slope), rtol=1e-12)
    g = np.random.default_rng(0).normal(size=4000)
    spread = [np.std([g[b].mean() for b in optim.minibatches(4000, n, 5)]) for n in (4, 16)]
    assert abs(spread[0] / spread[1] - 2) < 0.3


@row("OPT-21", "graphc/optim/schedules.py")
def test_opt_21_subgradient_method():
    """On abs(w) the rate 1 / t converges and a fixed rate keeps oscillating within itself; at the
    kink the slope is 0.
    """

    def f(w):
        return gc.sum(gc.abs(w))

    start = np.array([0.73])
    falling = path(lambda: optim.SGD(optim.inverse_time(1.0)), 300, f, start)
    assert abs(falling[-1, 0]) < 1 / 250
    fixed = path(lambda: optim.SGD(0.1), 60, f, start)[20:, 0]
    assert abs(fixed).max() <= 0.1 and abs(fixed).min() > 0.02
    assert (path(lambda: optim.SGD(0.1), 1, f, np.zeros(1)) == 0).all()


@row("OPT-22", "graphc/optim/optimiser.py")
def test_opt_22_ascent_and_alternating_steps():
    """Ascent on -Q is descent on Q; of two players of x * y + x**2 - y**2, one step of x down and
    three of y up, in turn, reach the saddle.
    """
    down = path(lambda: optim.SGD(0.05))

    class Ascent(optim.SGD):
        def updates(self, loss, parameters):
            return super().updates(-loss, parameters)

    np.testing.assert_array_equal(path(lambda: Ascent(0.05), f=lambda w: -Q(w)), down)
    x, y = gc.variable(np.array(1.0), "x"), gc.variable(np.array(-2.0), "y")
    game = x * y + x**2 - y**2
    lower = gc.compile([], None, updates=optim.SGD(0.2).updates(game, [x]))
    upper = gc.compile([], None, updates=optim.SGD(0.2).updates(-game, [y]))
    for _ in range(40):
        lower()
        assert float(value(y)) == float(before := value(y))
        [upper() for _ in range(3)]
    assert abs(value(x)) < 1e-10 and abs(value(y)) < 1e-10 and abs(before) < 1e-9


@row("OPT-23", "graphc/optim/searching.py")
def test_opt_23_minimisation_without_gradients():
    """Random, coordinate and evolutionary search and descent on slopes by differences bring Q below
    1e-6 within 400 evaluations of one compiled function that has no gradient in it.
    """
    w = gc.placeholder("w", (2,), gc.float64)
    f, calls = gc.compile([w], Q(w)), []

    def counted(x):
        calls.append(1)
        return f(x)

    for search in (optim.random_search, optim.coordinate_search, optim.evolution):
        calls.clear()
        x, best = search(counted, START, 0.3, 400)
        assert best < 1e-6 and best == f(x) and len(calls) <= 400, search
    calls.clear()
    x = START
    for _ in range(95):
        x = x - 0.1 * optim.difference_slopes(counted, x)
    assert f(x) < 1e-6 and len(calls) <= 400


@row("OPT-25", "graphc/optim/averaging.py")
def test_opt_25_averages_of_weights(tmp_path):
    """The mean of the iterates and their decaying average as printed; both are state, and outputs
    are computed and exported with them in the place of the weights.
    """
    for average, printed in (
        (optim.WeightAverage(), (0.6238085490, 0.1817294034)),
        (optim.WeightAverage(decay=0.9), (0.6973568802, 0.3921411748)),
    ):
        w = gc.variable(START, "w")
        updates = average.updates(optim.SGD(0.05).updates(Q(w), [w]), [w])
        step = gc.compile([], None, updates=updates)
        for _ in range(10):
            step()
        np.testing.assert_allclose(value(average.averages[w]), printed, atol=6e-11)
        (swapped,) = average.averaged([Q(w)])
        expected = CURVES @ np.array(printed) ** 2
        np.testing.assert_allclose(both(swapped), expected, rtol=1e-9)
        assert abs(run(Q(w)) - expected) > 1e-2
    files = gc.export([], swapped, tmp_path / "averaged")
    library = ctypes.CDLL(str(files.library))
    library.averaged_create.restype = ctypes.c_void_p
    found = np.zeros(())
    place = ctypes.c_void_p(found.ctypes.data)
    assert library.averaged_call(ctypes.c_void_p(library.averaged_create()), place, None) == 0
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@row("OPT-26", "graphc/optim/averaging.py")
def test_opt_26_stochastic_weight_averaging():
    """With a cycle of 5 the average is the mean of the weights at the ends of cycles; statistics of
    a batch norm, estimated anew with the averaged weights, are those of its inputs then.
    """
    average = optim.WeightAverage(every=5)
    w = gc.variable(START, "w")
    step = gc.compile([], None, updates=average.updates(optim.SGD(0.05).updates(Q(w), [w]), [w]))
    for _ in range(18):
        step()
    ends = path(lambda: optim.SGD(0.05), 18)[[5, 10, 15]]
    np.testing.assert_allclose(value(average.averages[w]), ends.mean(0), rtol=1e-12)
    x = S(0, 40, 2)
    mean, square = gc.variable(np.zeros(()), "mean"), gc.variable(np.zeros(()), "square")
    (hidden,) = average.averaged([gc.constant(x) @ w])
    gc.compile([], None, updates={mean: gc.mean(hidden), square: gc.mean(hidden**2)})()
    h = x @ ends.mean(0)
    np.testing.assert_allclose([value(mean), value(square)], [h.mean(), (h**2).mean()])


@row("OPT-29", "graphc/optim/schedules.py")
def test_opt_29_schedules():
    """Linear, exponential, cosine and stepped rates as printed; 1 / t by its formula."""
    found = [
        *rates(optim.linear(0.1, 0.001, 100), 25, 100, 130),
        *rates(optim.exponential_decay(0.1, 0.99, 1), 25),
        *rates(optim.cosine(0.1, 100), 25),
        *rates(optim.step_decay(0.1, 0.1, 30), 65, 59, 29),
        *rates(optim.inverse_time(2.0, 3.0), 5),
    ]
    printed = [0.07525, 0.001, 0.001, 0.0777821359, 0.0853553391, 0.001, 0.01, 0.1, 0.25]
    np.testing.assert_allclose(found, printed, rtol=1e-9)


@row("OPT-30", "graphc/optim/schedules.py")
def test_opt_30_robbins_monro_conditions():
    """The sum of 0.99**t is 99: an exponential schedule gives up; that of 1 / t passes any bound
    while that of its square tends to pi**2 / 6. Under the first a far start is never reached.
    """
    t = gc.arange(1.0, 200001.0, dtype="float64")
    decay = optim.exponential_decay(1.0, 0.99, 1)(t)
    slow = optim.inverse_time(1.0, 0.0)(t)
    sums = both([gc.sum(decay), gc.sum(slow**2), gc.sum(slow)])
    np.testing.assert_allclose(sums[:2], [99, np.pi**2 / 6 - 1 / 200000], rtol=1e-9)
    assert sums[2] > np.log(200000)
    far = path(
        lambda: optim.SGD(optim.exponential_decay(0.01, 0.9, 1)),
        200,
        lambda w: gc.sum(gc.abs(w)),
        np.array([1.0]),
    )
    np.testing.assert_allclose(far[-1], 0.9, atol=1e-6)


@row("OPT-31", "graphc/optim/searching.py")
def test_opt_31_decay_on_a_plateau():
    """The rate falls by its factor after as many stalls as patience allows; it is an argument of
    one compiled step, which serves every rate until the loss converges.
    """
    plateau = optim.Plateau(1.0, 0.5, 2)
    assert [plateau(v) for v in (3, 2, 2, 2.5, 1, 1, 1)] == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    rate, w = gc.placeholder("rate", (), gc.float64), gc.variable(START, "w")
    step = gc.compile([rate], Q(w), updates=optim.SGD(rate).updates(Q(w), [w]))
    plateau = optim.Plateau(0.2, 0.5, 2)
    losses = [float(step(plateau.lr)) for _ in range(60) if plateau(float(run(Q(w)))) or True]
    assert plateau.lr < 0.2 and losses[-1] < 1e-10


@row("OPT-32", "graphc/optim/schedules.py")
def test_opt_32_warm_restarts():
    """The rate is the first one at each restart and tends to 0 at the end of a cycle; the weights
    kept at the ends of cycles are an ensemble.
    """
    schedule = optim.warm_restarts(0.1, 10)
    found = rates(schedule, 0, 10, 20, 5, 10 - 1e-9)
    np.testing.assert_allclose(found, [0.1, 0.1, 0.1, 0.05, 0], atol=1e-15)
    points = path(lambda: optim.SGD(schedule), 30)
    w = START
    for t in range(30):
        w = w - 0.05 * (1 + np.cos(np.pi * (t % 10) / 10)) * 2 * CURVES * w
        np.testing.assert_allclose(points[t + 1], w, rtol=1e-12, atol=1e-15)
    snapshots = points[[10, 20, 30]]
    assert (np.diff(CURVES @ snapshots.T**2) < 0).all()


@row("OPT-33", "graphc/optim/searching.py")
def test_opt_33_rate_range_test():
    """On Q divergence is found at the rate 0.2, within a step of the grid; the weights and slots
    are as before.
    """
    rate, w = gc.placeholder("rate", (), gc.float64), gc.variable(START, "w")
    sgd = optim.SGD(rate)
    step = gc.compile([rate], Q(w), updates=sgd.updates(Q(w), [w]))
    grid = np.arange(0.05, 0.4, 0.01)
    found = optim.range_test(step, [w, *sgd.slots.values()], grid, 200)
    assert found is not None and abs(found - 0.2) <= 0.01 + 1e-12
    np.testing.assert_array_equal(value(w), START)
    assert optim.range_test(step, [w], [0.05, 0.1], 50) is None
