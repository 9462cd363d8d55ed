"""Undirected models (catalogue 6, C)."""

import numpy as np
import pytest

import graphc as gc
from graphc import probability
from tests.systems.catalogue import S, both, row, run, symbols
from tests.systems.sequences import differentiated, learns
from tests.systems.test_fac_boltzmann import close_frequencies

STATES, PAIRS = "graphc/probability/enumeration.py", "graphc/probability/pairwise.py"


@row("FAC-18", STATES)
def test_fac_18_gibbs_distribution():
    """Tables of any cliques, of two and three values, give a law that sums to 1, as does one over
    2^16 states; a variable given its neighbours does not depend on the others; marginals and log Z
    are those of a loop over all states.
    """
    sizes = (2, 3, 2, 2)
    tables = {(0, 1): S(0, 2, 3), (2, 1): S(1, 2, 3), (3, 2): S(2, 2, 2), (1,): S(3, 3)}
    feeds = symbols(**{f"t{k}": t for k, t in enumerate(tables.values())})
    logits = probability.joint_logits(sizes, dict(zip(tables, feeds, strict=True)))
    law, states = probability.joint_law(logits), probability.all_states(sizes)
    wide = {(k, (k + 1) % 16): gc.constant(S(k, 2, 2)) for k in range(16)}
    bits = probability.binary_states(16, "float64")
    free = probability.log_partition(lambda x: -gc.sum(x, 1), bits)
    found = both(
        [law, gc.logsumexp(logits), probability.marginal(law, 1, 3), states,
         gc.logsumexp(probability.joint_logits((2,) * 16, wide)), free],
        feeds,
    )  # fmt: skip
    p, log_z, pair, rows, log_wide, log_free = found
    weights = np.array([np.exp(sum(t[tuple(s[list(c)])] for c, t in tables.items())) for s in rows])
    np.testing.assert_array_equal(rows, np.argwhere(np.ones(sizes)))
    np.testing.assert_allclose(p.ravel(), weights / weights.sum(), rtol=1e-13)
    assert log_z == pytest.approx(np.log(weights.sum()), rel=1e-13)
    np.testing.assert_allclose(pair, p.sum((0, 2)), rtol=1e-13)
    given = p / p.sum(0)
    np.testing.assert_allclose(given, np.broadcast_to(given[:, :, :1, :1], sizes), rtol=1e-12)
    product = np.eye(2)
    for k in range(16):
        product = product @ np.exp(S(k, 2, 2))
    assert log_wide == pytest.approx(np.log(np.trace(product)), rel=1e-12)
    with pytest.raises(gc.ShapeError, match=r"factor of variables \(0, 1\) needs shape \(2, 3\)"):
        probability.joint_logits(sizes, {(0, 1): gc.constant(S(0, 3, 2))})
    with pytest.raises(gc.GraphError, match="33554432 states are too many"):
        probability.binary_states(25)
    assert log_free == pytest.approx(16 * np.log1p(np.e), rel=1e-12)


@row("FAC-19", STATES)
def test_fac_19_clique_tables():
    """Z of one clique and of both, and p of all three ones, as printed."""
    table = gc.constant(np.log(np.array([[2.0, 1], [1, 10]])))
    one = probability.joint_logits((2, 2), {(0, 1): table})
    # Variables: oneself, a colleague, a flatmate; healthy is 1.
    three = probability.joint_logits((2, 2, 2), {(0, 1): table, (0, 2): table})
    z, both_z, law = both(
        [gc.sum(gc.exp(one)), gc.sum(gc.exp(three)), probability.joint_law(three)]
    )
    assert z == pytest.approx(14, rel=1e-14)
    assert both_z == pytest.approx(130, rel=1e-14)
    assert law[1, 1, 1] == pytest.approx(0.769230769, abs=6e-10)


def field():
    """The pairwise field of the catalogue: feeds and the energy of its states."""
    theta = np.zeros((3, 3))
    theta[0, 1], theta[1, 2] = 1, -0.8
    feeds = symbols(R=theta, b=np.array([0.5, -0.3, 0.2]))
    return feeds, lambda x: probability.pairwise_energy(x, *feeds)


@row("FAC-20", PAIRS)
def test_fac_20_bernoulli_field():
    """Z, means and a conditional as printed, the means as the gradient of log Z too; conditionals
    follow from the joint law; Gibbs sweeps have it; the likelihood is learnt.
    """
    feeds, energy = field()
    R, b = feeds
    x = probability.binary_states(3, "float64")
    log_z = probability.log_partition(energy, x)
    law = gc.exp(-energy(x) - log_z)
    seen = gc.constant(np.array([[1.0, 1, 0], [0, 1, 1]]))
    nll = gc.sum(energy(seen)) + 2 * log_z
    chance = gc.sigmoid(probability.pairwise_logits(x, R, b))
    slope = gc.grad(log_z, b)
    found, _ = differentiated([gc.exp(log_z), law @ x, slope, chance, law], nll, feeds)
    z, means, slopes, conditional, p = found
    assert z == pytest.approx(12.173500340, abs=6e-9)
    np.testing.assert_allclose(means, [0.72326853, 0.51666517, 0.44883097], atol=6e-9)
    np.testing.assert_allclose(slopes, means, rtol=1e-12)
    assert conditional[7, 1] == pytest.approx(0.475020813, abs=6e-10)
    cube = p.reshape(2, 2, 2)
    for axis in range(3):
        on = np.broadcast_to(cube.take([1], axis) / cube.sum(axis, keepdims=True), cube.shape)
        np.testing.assert_allclose(conditional[:, axis], on.ravel(), rtol=1e-12)
    start = gc.zeros((3000, 3), dtype="float64")
    close_frequencies(
        run(probability.gibbs_sweeps(start, R, b, gc.random.key(1), 12), feeds), p, 3000
    )
    v = [gc.variable(np.zeros((3, 3))), gc.variable(np.zeros(3))]
    loss = gc.mean(probability.pairwise_energy(seen, *v)) + probability.log_partition(
        lambda s: probability.pairwise_energy(s, *v), x
    )
    learns(loss, v, rate=0.2)


@row("FAC-21", PAIRS)
def test_fac_21_ising_ring():
    """Z of eight spins by enumeration, by a transfer matrix and in closed form, and a correlation,
    as printed; the derivative of log Z is the sum of the eight correlations.
    """
    K = gc.placeholder("K", (), gc.float64)
    spins = 2 * probability.binary_states(8, "float64") - 1
    ring = gc.constant(np.roll(np.eye(8), 1, axis=1))
    log_z = probability.log_partition(
        lambda s: probability.pairwise_energy(s, K * ring, gc.zeros((8,), dtype="float64")), spins
    )
    pair = gc.constant(np.array([[1.0, -1], [-1, 1]]))
    transfer = gc.trace(gc.linalg.matrix_power(gc.exp(K * pair), 8))
    closed = (2 * gc.cosh(K)) ** 8 + (2 * gc.sinh(K)) ** 8
    slope = gc.grad(log_z, K)
    feeds = {K: np.array(0.5)}
    found, _ = differentiated([gc.exp(log_z), transfer, closed, slope / 8], log_z, feeds)
    np.testing.assert_allclose(found[:3], 670.598848745, rtol=1e-12)
    assert found[3] == pytest.approx(0.465649251, abs=6e-10)
    free = gc.variable(np.array(0.0))
    loss = probability.log_partition(
        lambda s: probability.pairwise_energy(s, free * ring, gc.zeros((8,), dtype="float64")),
        spins,
    )
    wanted = 8 * found[3]
    step = gc.compile([], free, updates={free: free - 0.05 * (gc.grad(loss, free) - wanted)})
    assert [float(step()) for _ in range(60)][-1] == pytest.approx(0.5, abs=1e-6)


@row("FAC-22", "graphc/probability/gaussians.py")
def test_fac_22_gaussian_field():
    """Mean, variances and log Z as printed, the mean and the covariance as derivatives of log Z;
    zeros of J are conditional independences; J and g are learnt by likelihood.
    """
    J = 2 * np.eye(3) - np.eye(3, k=1) - np.eye(3, k=-1)
    feeds = symbols(J=J, g=np.array([1.0, 0, 0]))
    j, g = feeds
    mean, covariance = probability.gaussian_field(j, g)
    log_z = probability.gaussian_field_log_partition(j, g)
    slope = gc.grad(log_z, g)
    curvature = gc.hessian(log_z, g)
    symmetric = probability.gaussian_field_log_partition((j + j.T) / 2, g)
    given = probability.gaussian_given(mean, covariance, [1], gc.constant(np.array([0.3])))
    outputs = [mean, gc.diagonal(covariance), log_z, slope, curvature, covariance, given[1]]
    found, _ = differentiated(outputs, symmetric, feeds)
    np.testing.assert_allclose(found[0], [0.75, 0.5, 0.25], rtol=1e-12)
    np.testing.assert_allclose(found[1], [0.75, 1, 0.75], rtol=1e-12)
    assert found[2] == pytest.approx(2.438668419, abs=6e-10)
    np.testing.assert_allclose(found[3], found[0], rtol=1e-12)
    np.testing.assert_allclose(found[4], found[5], rtol=1e-12)
    np.testing.assert_allclose(found[6], np.eye(2) / 2, atol=1e-12)
    rows = gc.constant(
        np.random.default_rng(0).standard_normal((30, 2)) @ np.array([[1, 0.8], [0, 0.6]])
    )
    root, pull = gc.variable(np.eye(2)), gc.variable(np.ones(2))
    own = root @ root.T
    nll = gc.mean(gc.sum(rows @ own * rows, 1) / 2 - rows @ pull)
    nll = nll + probability.gaussian_field_log_partition(own, pull)
    learns(nll, [root, pull], steps=200, rate=0.1, part=0.92)
    moments = probability.gaussian_field(own, pull)
    found = run([*moments, gc.mean(rows, 0), rows])
    np.testing.assert_allclose(found[0], found[2], atol=1e-3)
    np.testing.assert_allclose(found[1], np.cov(found[3].T, bias=True), atol=5e-3)


@row("FAC-23", PAIRS)
def test_fac_23_hopfield_network():
    """Two patterns are stored: they stay; each is repaired where a bit that they share is flipped,
    and one of them is found where it is another bit; no update raises the energy, from noise
    either.
    """
    patterns = np.array([[1.0, 1, 1, -1, -1, -1, 1, -1], [1, -1, 1, -1, 1, -1, 1, -1]])
    flips = 1 - 2 * np.eye(8)
    starts = np.concatenate([patterns, *(p * flips for p in patterns), np.sign(S(1, 20, 8))])
    feeds = symbols(patterns=patterns, x=starts)
    stored, x = feeds
    W = probability.hopfield_couplings(stored)
    last, every = probability.hopfield_recall(x, W, 3)
    energies = probability.pairwise_energy(every, W / 2, gc.zeros((8,), dtype="float64"))
    w, ends, E = both([W, last, energies], feeds)
    np.testing.assert_allclose(w, (patterns.T @ patterns - 2 * np.eye(8)) / 8)
    np.testing.assert_array_equal(ends[:2], patterns)
    E = E.reshape(24, -1)
    assert (np.diff(E, axis=0) <= 1e-12).all() and (E[-1] < E[0] - 1e-3).any()
    shared = patterns[0] == patterns[1]
    repaired = (ends[2:18].reshape(2, 8, 8) == patterns[:, None]).all(-1)
    assert repaired[:, shared].all() and shared.sum() == 6
    # A flip of one of the other two bits is one flip away from both patterns.
    stored_too = (ends[2:18, None] == patterns).all(-1).any(-1)
    assert stored_too.all()
