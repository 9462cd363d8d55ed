"""Bayesian regression, weights that are distributions, Gaussian processes (catalogue 9, A)."""

import math
from functools import cache

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, probability, random
from tests.systems.catalogue import S, both, check_gradients, row, symbols

# y = 1, 2, 2 at x = 0, 1, 2, noise of deviation 0.5, unit prior.
PHI = np.array([[1.0, 0], [1, 1], [1, 2]])
Y = np.array([1.0, 2, 2])
NOISE = 0.25
MU = np.array([1.02325581, 0.55813953])
SIGMA = np.array([[0.1627907, -0.09302326], [-0.09302326, 0.10077519]])
EVIDENCE = -4.177047702


def regression():
    feeds = symbols(X=PHI, y=Y, noise=np.array(NOISE), prior=np.eye(2))
    return feeds, *feeds


def likelihood(w):
    """log p(Y | w) of the same problem, a scalar for weights (2,)."""
    error = gc.constant(Y) - gc.constant(PHI) @ w
    return gc.sum(-0.5 * error**2 / NOISE - 0.5 * math.log(2 * math.pi * NOISE))


@row("UST-01", "graphc/probability/bayesian_linear.py")
def test_ust_01_bayesian_linear_regression():
    """Posterior, prediction at 3 and log evidence as printed; the mean is ridge regression's with
    the noise's variance as penalty; weights and data as one normal vector, conditioned, agree.
    """
    feeds, X, y, noise, prior = regression()
    mu, sigma = probability.linear_posterior(X, y, noise, prior)
    at = gc.constant(np.array([[1.0, 3]]))
    evidence = probability.linear_log_evidence(X, y, noise, prior)
    ridge = gc.linalg.solve(X.T @ X + noise * gc.eye(2, dtype="float64"), X.T @ y)
    gain = gc.linalg.solve(X @ prior @ X.T + noise * gc.eye(3, dtype="float64"), X @ prior).T
    joint = [gain @ y, prior - gain @ X @ prior]
    found = both(
        [mu, sigma, *probability.linear_predict(at, mu, sigma), evidence, ridge, *joint], feeds
    )
    np.testing.assert_allclose(found[0], MU, atol=6e-9)
    np.testing.assert_allclose(found[1], SIGMA, atol=6e-9)
    assert found[2].item() == pytest.approx(2.697674419, abs=6e-10)
    assert found[3].item() == pytest.approx(0.511627907, abs=6e-10)
    assert float(found[4]) == pytest.approx(EVIDENCE, abs=6e-10)
    for wanted, given in zip((0, 0, 1), found[5:], strict=True):
        np.testing.assert_allclose(given, found[wanted], atol=1e-12)


@row("UST-02", "graphc/probability/bayesian_linear.py")
def test_ust_02_bayesian_regression_on_features():
    """The log evidence has the gradients that differences give, for noise, prior and inputs of the
    features; among polynomials of degree 0 to 4 it is largest for the parabola that made the data;
    the mode under Laplace priors is L1 regression's.
    """
    x = np.linspace(-1, 1, 12)
    feeds = symbols(
        x=x, y=1 - x + 2 * x**2 + 0.1 * S(0, 12), noise=np.array(0.02), scale=S(1, 5) + 2
    )
    s, y, noise, scale = feeds
    columns = gc.stack([s**k for k in range(5)], axis=1)
    every = [
        probability.linear_log_evidence(columns[:, : k + 1], y, noise, gc.diag(scale[: k + 1]))
        for k in range(5)
    ]
    check_gradients(every[2], feeds, count=3)
    assert np.argmax(both(every, feeds)) == 2
    q, _ = np.linalg.qr(S(0, 8, 3))
    w = gc.variable(np.ones(3), "w")
    error = gc.constant(q) @ w - gc.constant(4 * S(2, 8))
    smooth, rate = 0.5 * gc.sum(error**2), 0.4
    prior = gc.sum(probability.laplace_log_density(w, rate))
    step = gc.compile([], smooth - prior, updates=optim.ISTA(0.5, rate).updates(smooth, [w]))
    seen = [float(step()) for _ in range(60)]
    assert (np.diff(seen) < 1e-12).all()
    free = q.T @ (4 * S(2, 8))
    wanted = np.sign(free) * np.maximum(abs(free) - rate, 0)
    np.testing.assert_allclose(w.value, wanted, atol=1e-8)


@row("UST-03", "graphc/probability/bayesian_linear.py")
def test_ust_03_regression_on_a_trained_networks_features():
    """Features of a trained, frozen network: regression on them inside the graph is that on their
    exported values, and the evidence has the gradients of differences.
    """
    x = np.linspace(-2, 2, 14)[:, None]
    y = np.sin(2 * x[:, 0])
    body, head = nn.Dense(1, 4, gc.tanh, seed=1, dtype="float64"), nn.Dense(4, 1, dtype="float64")
    loss = nn.mse(nn.Sequential(body, head)(gc.constant(x))[:, 0], gc.constant(y))
    weights = body.parameters() + head.parameters()
    step = gc.compile([], loss, updates=optim.Adam(0.05).updates(loss, weights))
    losses = [float(step()) for _ in range(60)]
    assert losses[-1] < 0.3 * losses[0]
    feeds = symbols(x=x, y=y, noise=np.array(0.05), prior=np.diag([1.0, 2, 0.5, 1]))
    s, t, noise, prior = feeds
    phi = body(s)
    values, mu, sigma = both([phi, *probability.linear_posterior(phi, t, noise, prior)], feeds)
    precision = values.T @ values / 0.05 + np.diag([1, 0.5, 2, 1])
    np.testing.assert_allclose(sigma, np.linalg.inv(precision), rtol=1e-8)
    np.testing.assert_allclose(mu, np.linalg.solve(precision, values.T @ y / 0.05), rtol=1e-8)
    check_gradients(probability.linear_log_evidence(phi, t, noise, prior @ prior.T), feeds, count=3)


@row("UST-05", "graphc/probability/bayesian_weights.py")
def test_ust_05_variational_weights():
    """On the regression above, trained: with independent weights the variances are 1/13 and 1/21
    and the bound -4.551877397; with a full covariance it is the evidence. Sampled bounds have the
    gradients of differences and the exact mean; minibatches with their share of the KL add up.
    """
    w = gc.variable(np.zeros(2), "w")
    points = math.sqrt(2) * np.concatenate([np.eye(2), -np.eye(2)])
    data = likelihood(w)
    laws = [probability.NormalWeights([w], 0.3), probability.NormalWeights([w], 0.3, full=True)]
    # Four points with the moments of standard normals average a quadratic exactly.
    bounds = [
        gc.mean(gc.vmap(lambda e, q=q: q.draw(data, e))(gc.constant(points))) - q.kl() for q in laws
    ]
    rate = gc.placeholder("rate", (), "float64")
    updates = {}
    for q, bound in zip(laws, bounds, strict=True):
        updates |= optim.Adam(rate).updates(-bound, q.parameters())
    step = gc.compile([rate], bounds, updates=updates)
    first = step(0.0)
    for r in (0.03, 0.01, 0.003, 0.001, 1e-4, 1e-5, 1e-6):
        for _ in range(300):
            step(r)
    narrow, full = (float(x) for x in step(0.0))
    assert narrow > first[0] and full > first[1]
    assert narrow == pytest.approx(-4.551877397, abs=1e-8)
    assert full == pytest.approx(EVIDENCE, abs=1e-8)
    assert full - narrow == pytest.approx(0.5 * math.log(273 / 129), abs=1e-8)
    np.testing.assert_allclose(np.exp(2 * laws[0].spread.value), [1 / 13, 1 / 21], rtol=1e-4)
    root = np.tril(laws[1].spread.value)
    np.testing.assert_allclose(root @ root.T, SIGMA, atol=1e-4)

    feeds = symbols(mean=MU, spread=np.log([0.2, 0.3]))
    (mean, spread), key = feeds, random.key(3)
    place = dict(zip((laws[0].mean, laws[0].spread), (mean, spread), strict=True))
    draws = gc.vmap(lambda k: laws[0].elbo(data, k))(random.split(key, 4000))
    exact, one, halves, many = gc.ir.walk.substitute(
        [
            bounds[0],
            laws[0].elbo(data, key, 3),
            laws[0].elbo(likelihood(w) * 0.5, key, 3, kl_weight=0.5) * 2,
            draws,
        ],
        place,
    )
    check_gradients(one, feeds)
    a, b, c, d = both([exact, one, halves, many], feeds)
    assert b == pytest.approx(c, rel=1e-12)
    assert abs(d.mean() - a) < 4 * d.std() / math.sqrt(4000)


@cache
def posterior_chain():
    """States of Hamiltonian chains on the posterior of the weights, and what was accepted."""

    def potential(w):
        errors = gc.constant(Y) - w @ gc.constant(PHI.T)
        return gc.sum(errors**2, axis=1) / (2 * NOISE) + 0.5 * gc.sum(w * w, axis=1)

    begin = gc.zeros((1000, 2), dtype="float64")
    return both(optim.hamiltonian(potential, begin, 0.15, 5, random.key(5), 60))


@row("UST-06", "graphc/optim/samplers.py")
def test_ust_06_chains_over_weights():
    """A thousand Hamiltonian chains, the first third dropped, every tenth state kept: mean and
    covariance of the posterior within four standard errors; as an ensemble they predict at 3 as
    printed.
    """
    states, accepted = posterior_chain()
    assert 0.6 < accepted.mean() <= 1
    thinned = states[20::10]
    for last in thinned[[0, -1]]:
        error = np.sqrt(np.diag(SIGMA) / len(last))
        assert (abs(last.mean(0) - MU) < 4 * error).all()
        own = np.sqrt((SIGMA**2 + np.outer(np.diag(SIGMA), np.diag(SIGMA))) / len(last))
        assert (abs(np.cov(last.T, bias=True) - SIGMA) < 4 * own).all()
    ensemble = thinned.reshape(-1, 2) @ [1.0, 3.0]
    assert abs(ensemble.mean() - 2.697674419) < 4 * math.sqrt(0.511627907 / 1000)
    assert abs(ensemble.var() / 0.511627907 - 1) < 4 * math.sqrt(2 / 1000)


@row("UST-04", "graphc/probability/bayesian_weights.py")
def test_ust_04_bayesian_neural_network():
    """A linear network over a chain's weights predicts as the exact posterior within four standard
    errors; one draw is the network itself; draws of a network with a hidden layer are as many
    networks.
    """
    model = nn.Dense(2, 1, bias=False, dtype="float64")
    at = gc.constant(np.array([[1.0, 3], [1, -1]]))
    states, _ = posterior_chain()
    point = gc.constant(MU[None])
    guess = probability.predictive_moments(
        model(at)[:, 0], model.parameters(), gc.constant(states[-1])
    )
    alone = probability.predictive_moments(model(at)[:, 0], model.parameters(), point)
    deep = nn.Sequential(nn.Dense(2, 3, gc.tanh, dtype="float64"), nn.Dense(3, 1, dtype="float64"))
    vectors = S(0, 5, 13)
    every = probability.predictive_moments(deep(at), deep.parameters(), gc.constant(vectors))
    mean, var, single, none, deep_mean, deep_var = both([*guess, *alone, *every])
    rows = np.array([[1.0, 3], [1, -1]])
    exact = np.einsum("nd,de,ne->n", rows, SIGMA, rows)
    assert (abs(mean - rows @ MU) < 4 * np.sqrt(exact / 1000)).all()
    assert (abs(var / exact - 1) < 4 * np.sqrt(2 / 1000)).all()
    np.testing.assert_allclose(single, rows @ MU, atol=1e-12)
    np.testing.assert_allclose(none, 0, atol=1e-15)
    hidden = np.tanh(rows @ vectors[:, :6].reshape(5, 2, 3) + vectors[:, None, 6:9])
    loop = hidden @ vectors[:, 9:12, None] + vectors[:, None, 12:]
    np.testing.assert_allclose(deep_mean, loop.mean(0), atol=1e-12)
    np.testing.assert_allclose(deep_var, loop.var(0), atol=1e-12)
