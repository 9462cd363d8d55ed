"""Variance reduction and noise (catalogue 7, A and C)."""

import numpy as np

import graphc as gc
from graphc import optim
from tests.systems.catalogue import both, row, run
from tests.systems.quadratic import path, value

RNG = np.random.default_rng(1)
X = RNG.normal(size=(200, 5))
Y = X @ np.arange(1.0, 6.0) + RNG.normal(size=200)
BEST = np.linalg.lstsq(X, Y)[0]
STEEPEST = float(np.max(np.sum(X * X, axis=1)))


class Regression:
    """Least squares: the loss of one sample, that of all, and their weights."""

    def __init__(self):
        self.index = gc.placeholder("index", (), gc.int64)
        self.w = gc.variable(np.zeros(5), "w")
        errors = gc.constant(X) @ self.w - gc.constant(Y)
        row = gc.take(gc.constant(X), self.index, axis=0)
        error = gc.sum(row * self.w) - gc.take(gc.constant(Y), self.index)
        self.one, self.all = error**2 / 2, gc.mean(errors**2) / 2

    def train(self, optimiser, epochs, checkpoint=None):
        """The relative distance from the solution after some epochs of random samples."""
        step = gc.compile([self.index], None, updates=optimiser.updates(self.one, [self.w]))
        rng = np.random.default_rng(0)
        for epoch in range(epochs):
            if checkpoint is not None and epoch % 2 == 0:
                checkpoint()
            for k in rng.integers(0, 200, 200):
                step(k)
        return np.linalg.norm(value(self.w) - BEST) / np.linalg.norm(BEST)


@row("OPT-34", "graphc/ops/statistics.py")
def test_opt_34_control_variate():
    """For X = U**2 and Y = U, U uniform, the best factor is -1 and the variance falls from 4/45 to
    1/180: by Gauss-Legendre quadrature, and by sampling within four standard errors.
    """
    nodes, weights = np.polynomial.legendre.leggauss(6)
    u, p = gc.constant((nodes + 1) / 2), gc.constant(weights / 2)

    def moments(u, mean):
        x, y = u * u, u - 0.5
        factor = -mean((x - mean(x)) * y) / mean(y * y)
        held = x + y * factor
        return [factor, mean((x - mean(x)) ** 2), mean((held - mean(held)) ** 2)]

    exact = both(moments(u, lambda x: gc.sum(p * x)))
    np.testing.assert_allclose(exact, [-1, 4 / 45, 1 / 180], rtol=1e-12)
    draws = gc.random.uniform(gc.random.key(3), (20000,), dtype="float64")
    factor, plain, held = run(moments(draws, gc.mean))
    assert abs(factor + 1) < 4 * np.sqrt(1 / 180 / (1 / 12) / 20000)
    assert abs(plain - 4 / 45) < 0.004 and abs(held - 1 / 180) < 0.0003


@row("OPT-35", "graphc/optim/variance_reduced.py")
def test_opt_35_saga():
    """Least squares of 200 samples: error below 1e-12 after 50 epochs, where plain stochastic
    gradients stay above 1e-2; the slot holds each sample's last gradient, and the mean is theirs.
    """
    problem = Regression()
    saga = optim.SAGA(1 / (3 * STEEPEST), 200, problem.index)
    assert problem.train(saga, 50) < 1e-12
    table, mean = (value(x) for x in saga.slots.values())
    assert table.shape == (200, 5)
    np.testing.assert_allclose(mean, table.mean(0), atol=1e-13)
    np.testing.assert_allclose(table, (X @ BEST - Y)[:, None] * X, atol=1e-10)
    plain = Regression()
    assert plain.train(optim.SGD(1 / (3 * STEEPEST)), 50) > 1e-2


@row("OPT-36", "graphc/optim/variance_reduced.py")
def test_opt_36_sag():
    """Least squares: error about 1e-11 after 60 epochs at the rate 1 / (16 L), and falling
    linearly; the direction is the mean of the stored gradients.
    """
    errors = []
    for epochs in (20, 40, 60):
        problem = Regression()
        errors.append(problem.train(optim.SAG(1 / (16 * STEEPEST), 200, problem.index), epochs))
    assert errors[2] < 1e-11 and errors[1] < 0.05 * errors[0] and errors[2] < 0.05 * errors[1]


@row("OPT-37", "graphc/optim/variance_reduced.py")
def test_opt_37_svrg():
    """Least squares: error below 1e-12 after 50 epochs with a checkpoint every two; at a checkpoint
    the direction is the whole gradient whatever the sample.
    """
    problem = Regression()
    svrg = optim.SVRG(1 / (3 * STEEPEST))
    updates = svrg.checkpoint(problem.all, [problem.w])
    assert problem.train(svrg, 50, gc.compile([], None, updates=updates)) < 1e-12
    problem = Regression()
    svrg = optim.SVRG(0.1)
    gc.compile([], None, updates=svrg.checkpoint(problem.all, [problem.w]))()
    new = svrg.updates(problem.one, [problem.w])[problem.w]
    moved = [both(new, {problem.index: np.int64(k)}) for k in (0, 7)]
    np.testing.assert_allclose(moved[0], 0.1 * X.T @ Y / 200, rtol=1e-10)
    np.testing.assert_allclose(moved[1], moved[0], rtol=1e-10)


@row("OPT-38", "graphc/optim/rules.py")
def test_opt_38_stochastic_gradients_on_a_line():
    """Samples (1, 1) and (2, 4): the minimum is 1.8; a fixed rate ends up between the samples' own
    minima, 1 and 2, and stays; the rate 1 / t converges.
    """
    x, y = gc.placeholder("x", (), gc.float64), gc.placeholder("y", (), gc.float64)

    def steps(lr, count):
        w = gc.variable(np.array(5.0), "w")
        loss = (x * w - y) ** 2 / 2
        step = gc.compile([x, y], None, updates=optim.SGD(lr).updates(loss, [w]))
        rng, found = np.random.default_rng(0), []
        for k in rng.integers(0, 2, count):
            step(*((1.0, 1.0), (2.0, 4.0))[k])
            found.append(float(value(w)))
        return np.array(found)

    fixed = steps(0.1, 400)[100:]
    assert fixed.min() >= 1 - 1e-9 and fixed.max() <= 2 + 1e-9 and np.ptp(fixed) > 0.2
    assert abs(steps(optim.inverse_time(0.4, 2.0), 20000)[-1] - 1.8) < 0.02


def stationary_variance(rate, batch, chains=20000, steps=400):
    """The variance of many chains of noisy gradient descent on w**2 / 2 with a batch's noise."""
    draws = gc.random.split(gc.random.key(5), steps)

    def step(w, key):
        noise = gc.random.normal(key, (chains,), dtype="float64") * (rate / np.sqrt(batch))
        return w - w * rate - noise, None

    w, _ = gc.scan(step, gc.zeros((chains,), dtype="float64"), draws)
    return float(run(gc.mean(w * w)))


@row("OPT-28", "graphc/control.py")
def test_opt_28_large_batches():
    """The stationary variance is nearly equal at (rate, batch) and at twice both, and halves when
    only the batch doubles.
    """
    one, two, wide = (stationary_variance(*p) for p in ((0.1, 1), (0.2, 2), (0.1, 2)))
    assert abs(two / one - 0.0555556 / 0.0526316) < 4 * 2 / np.sqrt(20000)
    assert abs(one / wide - 2) < 4 * 4 / np.sqrt(20000)


@row("OPT-39", "graphc/control.py")
def test_opt_39_stochastic_gradients_as_noise():
    """Stationary variances on w**2 / 2 as printed, within four standard errors; near the Gibbs
    value rate / (2 batch).
    """
    for rate, batch, printed in ((0.1, 1, 0.0526316), (0.1, 4, 0.0131579), (0.2, 2, 0.0555556)):
        found = stationary_variance(rate, batch)
        assert abs(found / printed - 1) < 4 * np.sqrt(2 / 20000)
        assert abs(found / (rate / (2 * batch)) - 1) < rate


@row("OPT-40", "graphc/random.py")
def test_opt_40_stochastic_gradients_as_entropy():
    """Among Gaussians the law that minimises mean loss - rate / (2 batch) * entropy has the
    variance rate / (2 batch); without replacement a batch's noise is smaller by the share of
    samples left out.
    """
    eta, batch = 0.1, 2
    log_variance = gc.variable(np.array(0.0), "v")
    v = gc.exp(log_variance)
    free = v / 2 - eta / (2 * batch) * 0.5 * (log_variance + np.log(2 * np.pi * np.e))
    step = gc.compile([], free, updates=optim.Newton().updates(free, [log_variance]))
    losses = [float(step()) for _ in range(12)]
    np.testing.assert_allclose(np.exp(value(log_variance)), eta / (2 * batch), rtol=1e-10)
    assert losses[-1] < losses[0]
    data = np.random.default_rng(2).normal(size=40)
    keys = gc.random.split(gc.random.key(1), 4000)
    table = gc.constant(data)

    def mean_of(key, replace):
        if replace:
            return gc.mean(gc.take(table, gc.random.randint(key, 0, 40, (10,))))
        return gc.mean(gc.take(table, gc.random.permutation(key, 40)[:10]))

    spread = [
        run(gc.var(gc.vmap(lambda k, r=replace: mean_of(k, r))(keys))) for replace in (True, False)
    ]
    single = data.var() / 10
    assert abs(spread[0] / single - 1) < 4 * np.sqrt(2 / 4000)
    np.testing.assert_allclose(spread[1] / single, 30 / 39, rtol=4 * np.sqrt(2 / 4000))


@row("OPT-41", "graphc/optim/stochastic.py")
def test_opt_41_annealed_langevin():
    """In a double well of unequal depths, 500 walkers that begin in the higher well equilibrate
    while the noise falls: more than 0.95 of them end in the lower one.
    """
    temperature = gc.placeholder("temperature", (), gc.float64)
    w = gc.variable(np.full(500, 1.0), "w")
    well = gc.sum((w**2 - 1) ** 2 + 0.5 * w)
    sgld = optim.SGLD(temperature * 0.08, 3)
    step = gc.compile([temperature], well, updates=sgld.updates(well / temperature, [w]))
    losses = [float(step(t)) for t in np.geomspace(1.5, 0.05, 20) for _ in range(300)]
    assert np.mean(value(w) < 0) > 0.95 and losses[-1] < losses[0]


@row("OPT-42", "graphc/optim/accelerated.py")
def test_opt_42_gradient_flow_and_momentum_equations():
    """On w**2 / 2 small steps follow exp(-t); Nesterov's iterates follow 2 J1(t) / t with errors as
    printed for two rates; a mean of gradients that stop decays as its power.
    """
    from scipy.special import j1

    def half(w):
        return gc.sum(w * w) / 2

    flow = path(lambda: optim.SGD(1e-3), 1000, half, np.ones(1))[:, 0]
    np.testing.assert_allclose(flow[-1], np.exp(-1), rtol=1e-3)

    def worst(eta):
        steps = round(5 / np.sqrt(eta))
        x = path(lambda: optim.Nesterov(eta, lambda t: t / (t + 3)), steps, half, np.ones(1))[:, 0]
        tau = np.arange(1, steps + 1) * np.sqrt(eta)
        return abs(x[1:] - 2 * j1(tau) / tau).max()

    coarse, fine = worst(1e-2), worst(1e-4)
    np.testing.assert_allclose([coarse, fine], [0.10326, 0.01098], rtol=1e-3)
    average = optim.GradientAverage(0.1, 0.9)
    m = average.slot("0.w", "mean", gc.constant(np.zeros(1)), 1.0)
    w = gc.variable(np.zeros(1), "w")
    step = gc.compile([], None, updates=average.updates(gc.sum(w) * 0.0, [w]))
    for _ in range(20):
        step()
    np.testing.assert_allclose(value(m), 0.9**20, rtol=1e-12)


@row("OPT-27", "graphc/optim/stochastic.py")
def test_opt_27_entropy_sgd():
    """On a quadratic the step is the rate times the gradient of the smoothed loss, scope * h / (h +
    scope) * w: exactly without noise, and within four standard errors over 2000 weights with it;
    inner and outer loop are one program.
    """
    w = gc.variable(np.full(2000, 1.5), "w")
    loss = gc.sum(w * w) * 1.5

    def drift(noise, memory, steps):
        sgd = optim.EntropySGD(0.1, 2.0, 0.1, steps, noise, memory)
        new = sgd.updates(loss, [w])[w]
        return (1.5 - run(new)) / 0.1

    smoothed = 2.0 * 3.0 / (3.0 + 2.0) * 1.5
    np.testing.assert_allclose(drift(0.0, 0.5, 80), smoothed, rtol=1e-10)
    noisy = drift(1.0, 0.75, 80)
    assert abs(noisy.mean() - smoothed) < 4 * noisy.std() / np.sqrt(2000) and noisy.std() > 0.05
    step = gc.compile([], loss, updates=optim.EntropySGD(0.1, 2.0, 0.1, 20).updates(loss, [w]))
    losses = [float(step()) for _ in range(30)]
    assert losses[-1] < 0.01 * losses[0]
