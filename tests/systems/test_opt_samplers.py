"""Markov chains (catalogue 7, E)."""

import numpy as np

import graphc as gc
from graphc import optim
from tests.systems.catalogue import both, row, run
from tests.systems.quadratic import path, value

COVARIANCE = np.array([[1.0, 0.6], [0.6, 2.0]])


def normal_density(x):
    """Of each element of f[chains], up to its normaliser."""
    return -x * x / 2


def starts(*shape):
    """Standard normal states, float64."""
    return gc.random.normal(gc.random.key(11), shape, dtype="float64")


def variance_by_rate(adjusted):
    """A function of the rate: the mean square of 4000 Langevin chains on a standard normal."""
    rate = gc.placeholder("rate", (), gc.float64)
    states, _ = optim.langevin(normal_density, starts(4000), rate, gc.random.key(1), 120, adjusted)
    return gc.compile([rate], gc.mean(states[-1] ** 2))


def transition(target):
    """The matrix of a Metropolis chain on states in a ring, whose proposals are both neighbours."""
    n = len(target)
    p = np.zeros((n, n))
    for i in range(n):
        for j in ((i + 1) % n, (i - 1) % n):
            p[i, j] = 0.5 * min(1, target[j] / target[i])
        p[i, i] = 1 - p[i].sum()
    return p


@row("OPT-51", "graphc/optim/samplers.py")
def test_opt_51_metropolis_hastings():
    """On a ring of five states: the chain's own moves have the enumerated frequencies, which are in
    detailed balance; a factor on the density changes no draw; an asymmetric proposal is corrected;
    burn-in and thinning are slices of the states.
    """
    target = np.array([1.0, 4.0, 2.0, 8.0, 5.0])
    exact = transition(target)
    np.testing.assert_allclose(target[:, None] * exact, (target[:, None] * exact).T)

    def propose(key, x):
        return (x + gc.where(gc.random.bernoulli(key, 0.5, x.shape), 1, 4)) % 5

    def chain(factor, proposal=propose, log_proposal=None):
        logs = gc.constant(np.log(factor * target))
        begin = gc.arange(2000) % 5
        return optim.metropolis_hastings(
            lambda x: gc.take(logs, x), proposal, begin, gc.random.key(2), 60, log_proposal
        )[0]

    states = both(chain(1.0))
    np.testing.assert_array_equal(run(chain(64.0)), states)
    moves = np.zeros((5, 5))
    np.add.at(moves, (states[:-1].ravel(), states[1:].ravel()), 1)
    visits = moves.sum(1, keepdims=True)
    error = np.sqrt(exact * (1 - exact) / visits)
    assert (abs(moves / visits - exact) <= 4 * error + 1e-12).all()
    settled = states[40::10]
    share = np.bincount(settled.ravel(), minlength=5) / settled.size
    wanted = target / target.sum()
    assert (abs(share - wanted) < 4 * np.sqrt(wanted / 2000)).all()

    def lopsided(key, x):
        return (x + gc.where(gc.random.bernoulli(key, 0.8, x.shape), 1, 4)) % 5

    def log_lopsided(new, old):
        return gc.where((new - old) % 5 == 1, np.log(0.8), np.log(0.2)).astype("float64")

    ends = run(chain(1.0, lopsided, log_lopsided))[-1]
    assert (abs(np.bincount(ends, minlength=5) / 2000 - wanted) < 4 * np.sqrt(wanted / 2000)).all()


@row("OPT-52", "graphc/optim/samplers.py")
def test_opt_52_langevin_dynamics():
    """On a standard normal the variance is 1 / (1 - rate / 4), as printed for two rates, within
    four standard errors.
    """
    variance = variance_by_rate(adjusted=False)
    for rate, printed in ((0.1, 1.025641), (0.5, 1.142857)):
        assert abs(variance(rate) / printed - 1) < 4 * np.sqrt(2 / 4000)
    short, _ = optim.langevin(normal_density, starts(3), 0.1, gc.random.key(1), 5)
    both(short)


# Bayesian linear regression: y = 1, 2, 2 at x = 0, 1, 2, noise of deviation 0.5, a unit prior.
FEATURES = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
TARGETS = np.array([1.0, 2.0, 2.0])
PRECISION = FEATURES.T @ FEATURES / 0.25 + np.eye(2)
POSTERIOR = np.linalg.inv(PRECISION)
MEAN = np.array([1.02325581, 0.55813953])
CHAINS = 2000


def sampler(optimiser, minibatch=False):
    """A function of the optimiser's rate (a placeholder) and of a number of steps: the last states
    of many chains on the posterior; with `minibatch` each sees one sample a step, drawn for it.
    """
    w = gc.variable(np.zeros((CHAINS, 2)), "w")
    if minibatch:
        index = gc.random.randint(gc.random.Generator(5), 0, 3, (CHAINS,))
        rows = gc.take(gc.constant(FEATURES), index, axis=0)
        error = gc.sum(rows * w, axis=1) - gc.take(gc.constant(TARGETS), index)
        data = gc.sum(error**2) * 3
    else:
        data = gc.sum((w @ gc.constant(FEATURES.T) - gc.constant(TARGETS)) ** 2)
    loss = data / (2 * 0.25) + gc.sum(w * w) / 2
    step = gc.compile([optimiser.lr], loss, updates=optimiser.updates(loss, [w]))

    def draw(rate, steps):
        w.value = np.zeros((CHAINS, 2))
        losses = [float(step(rate)) for _ in range(steps)]
        assert losses[-1] < losses[0]
        return value(w)

    return draw


def close_moments(found, mean, covariance, bias):
    """Whether the moments of independent draws are those, within four standard errors and a share
    of bias.
    """
    n, spread = len(found), np.sqrt(np.diag(covariance))
    assert (abs(found.mean(0) - mean) < 4 * spread / np.sqrt(n) + bias * spread).all()
    gap = abs(np.cov(found.T) - covariance) / np.outer(spread, spread)
    assert gap.max() < 4 * np.sqrt(2 / n) + bias, gap


@row("OPT-53", "graphc/optim/stochastic.py")
def test_opt_53_stochastic_gradient_langevin():
    """On a Bayesian linear regression with known posterior: a large and a small rate have the
    moments that theory gives for each, and the small one's are close to the posterior's; so are
    those of chains that see one sample a step, scaled up to all.
    """
    draw = sampler(optim.SGLD(gc.placeholder("rate", (), gc.float64), 3))
    for rate, steps in ((2e-2, 200), (4e-3, 700)):
        exact = np.linalg.inv(PRECISION @ (np.eye(2) - PRECISION * rate / 4))
        ends = draw(rate, steps)
        close_moments(ends, MEAN, exact, 0.0)
    close_moments(ends, MEAN, POSTERIOR, 0.05)
    one = sampler(optim.SGLD(gc.placeholder("rate", (), gc.float64), 3), minibatch=True)
    close_moments(one(1e-3, 2500), MEAN, POSTERIOR, 0.05)


@row("OPT-54", "graphc/optim/samplers.py")
def test_opt_54_hamiltonian_monte_carlo():
    """Ten leapfrog steps on q**2 / 2 as printed, with the energy's error; backwards they lead to
    the start to 1e-12; half the step has a quarter of the error; draws have the moments of a
    normal with covariance.
    """
    q, p = gc.constant(np.array(1.0)), gc.constant(np.array(0.5))

    def u(x):
        return x * x / 2

    new_q, new_p = optim.leapfrog(u, q, p, 0.1, 10)
    back = optim.leapfrog(u, new_q, -new_p, 0.1, 10)

    def error(q1, p1):
        return u(q1) + u(p1) - u(q) - u(p)

    fine = error(*optim.leapfrog(u, q, p, 0.05, 20))
    found = both([new_q, new_p, error(new_q, new_p), *back, fine])
    np.testing.assert_allclose(found[:2], [0.961326445, -0.570667887], atol=6e-10)
    np.testing.assert_allclose(found[2], -9.4814e-5, rtol=1e-5)
    np.testing.assert_allclose(found[3:5], [1, -0.5], atol=1e-12)
    assert abs(found[2] / found[5] - 4) < 0.1
    precision = gc.constant(np.linalg.inv(COVARIANCE))

    def potential(x):
        return gc.sum(x @ precision * x, axis=-1) / 2

    states, accepted = optim.hamiltonian(
        potential, gc.zeros((2000, 2), dtype="float64"), 0.4, 5, gc.random.key(3), 20
    )
    ends, rate = run([states[-1], gc.mean(accepted.astype("float64"))])
    close_moments(ends, np.zeros(2), COVARIANCE, 0.0)
    assert 0.7 < rate < 1


@row("OPT-55", "graphc/optim/stochastic.py")
def test_opt_55_stochastic_gradient_hmc():
    """For a small rate the chains have the exact posterior's moments; with friction 1 a step is
    SGLD's at twice the rate, from the same draws.
    """
    draw = sampler(optim.SGHMC(gc.placeholder("rate", (), gc.float64), 0.1, 1))
    close_moments(draw(5e-4, 500), MEAN, POSTERIOR, 0.05)

    def bowl(w):
        return gc.sum(w * w)

    one = path(lambda: optim.SGHMC(0.01, 1.0, 7), 6, bowl)
    np.testing.assert_allclose(one, path(lambda: optim.SGLD(0.02, 7), 6, bowl), rtol=1e-12)


@row("OPT-56", "graphc/optim/samplers.py")
def test_opt_56_adjusted_langevin_and_effective_sample_size():
    """With Metropolis's decision the variance on a standard normal is 1 at any rate, within four
    standard errors; the effective size of an autoregressive chain is near n (1 - rho) / (1 + rho),
    and thinning leaves it nearly all.
    """
    variance = variance_by_rate(adjusted=True)
    for rate in (0.1, 1.0, 2.0):
        assert abs(variance(rate) - 1) < 4 * np.sqrt(2 / 4000)
    n, rho = 10000, 0.8
    noise = gc.random.normal(gc.random.key(9), (n,), dtype="float64")

    def step(x, e):
        x = x * rho + e * np.sqrt(1 - rho**2)
        return x, x

    chain = gc.scan(step, gc.constant(np.array(0.0)), noise)[1]
    whole, thin = both(
        [optim.effective_sample_size(chain, 40), optim.effective_sample_size(chain[::5], 10)]
    )
    exact = n * (1 - rho) / (1 + rho)
    assert abs(whole / exact - 1) < 0.15
    assert 0.7 * exact < thin < n / 5


@row("OPT-57", "graphc/optim/samplers.py")
def test_opt_57_invariant_law():
    """The invariant laws of two chains as printed; the laws after one, two and three steps, and
    their divergences from it, which fall.
    """
    table = np.array([[0.1, 0.4, 0.5], [0.4, 0.0, 0.6], [0.0, 0.6, 0.4]])
    p = gc.constant(table)
    law = optim.invariant_law(p)
    laws = gc.scan(lambda x, _: (x @ p, x @ p), gc.constant(np.array([1.0, 0, 0])), length=3)[1]
    gaps = gc.sum(law * gc.log(law / laws), axis=-1)
    small = optim.invariant_law(gc.constant(np.array([[0.5, 0.5], [0.4, 0.6]])))
    found = both([law, laws, gaps, small])
    np.testing.assert_allclose(found[0], np.array([12, 27, 37]) / 76, rtol=1e-13)
    printed = [[0.1, 0.4, 0.5], [0.17, 0.34, 0.49], [0.153, 0.362, 0.485]]
    np.testing.assert_allclose(found[1], printed, rtol=1e-13)
    np.testing.assert_allclose(found[2], [0.0170003, 0.00078938, 0.00014404], 1e-5, 1e-8)
    np.testing.assert_allclose(found[3], [4 / 9, 5 / 9], rtol=1e-13)
