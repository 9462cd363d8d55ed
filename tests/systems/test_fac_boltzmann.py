"""Boltzmann machines (catalogue 6, C)."""

import numpy as np
import pytest

import graphc as gc
from graphc import probability
from tests.systems.catalogue import both, row, run, symbols
from tests.systems.sequences import differentiated, learns

PAIRS, RBMS = "graphc/probability/pairwise.py", "graphc/probability/boltzmann.py"
STATES = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
LAW = [0.066435597, 0.172057542, 0.220387652, 0.541119210]


def machine():
    """The RBM whose figures the catalogue prints, with its parameters as arguments: feeds, it."""
    feeds = symbols(
        W=np.array([[1.0, -1], [0.5, 2]]), b=np.array([0.1, -0.2]), c=np.array([0.3, 0])
    )
    model = probability.RBM(2, 2, seed=0, dtype="float64")
    model.weight, model.hidden_bias, model.visible_bias = feeds
    return feeds, model


def log_bernoulli(x, logits):
    """log p of rows x under each row of logits: (rows of x, rows of logits)."""
    return x @ logits.T - gc.sum(gc.softplus(logits), axis=1)


def kernel(model):
    """The law of one round of Gibbs sampling, from each of the four visible states to each."""
    states = gc.constant(STATES)
    down = model.visible_mean(states)
    up = gc.exp(log_bernoulli(states, model.hidden_input(states))).T
    return up @ gc.exp(log_bernoulli(states, gc.log(down / (1 - down)))).T


def close_frequencies(states, law, effective):
    """Whether the shares of rows of zeros and ones are those, within four standard errors of so
    many independent draws.
    """
    places = (states @ (2 ** np.arange(states.shape[1])[::-1])).astype(int)
    share = np.bincount(places, minlength=len(law)) / len(places)
    error = np.sqrt(law * (1 - law) / effective)
    assert (abs(share - law) < 4 * error).all(), (share, law)


@row("FAC-24", PAIRS)
def test_fac_24_boltzmann_machine():
    """log Z and a correlation as printed, the latter as a derivative of log Z; the gradient is the
    positive phase less the negative one, both by enumeration; Gibbs samples have the machine's law,
    clamped ones that given v; the likelihood is learnt.
    """
    R = np.array([[0, 0.5, 1], [0, 0, -1], [0, 0, 0]])
    feeds = symbols(R=R, b=np.array([0.1, 0.2, -0.3]))
    model = probability.BoltzmannMachine(2, 1, "float64")
    model.couplings, model.bias = feeds
    log_z, seen = model.log_partition(), gc.constant(np.array([[1.0, 0.0]]))
    nll = gc.sum(model.nll(seen))
    every = probability.binary_states(3, "float64")
    law = gc.exp(-model.energy(every) - log_z)
    given = gc.where(gc.all(every[:, :2] == seen, axis=1), law, 0)
    phases = [(p / gc.sum(p)) @ (every[:, 0] * every[:, 1]) for p in (given, law)]
    (z, e, value, slope, positive, negative, p), _ = differentiated(
        [log_z, gc.grad(log_z, model.couplings)[0, 1], nll, gc.grad(nll, model.couplings),
         *phases, law],
        nll, feeds,
    )  # fmt: skip
    assert z == pytest.approx(2.351381553, abs=6e-10)
    assert e == pytest.approx(0.368975029, abs=6e-10)
    assert -slope[0, 1] == pytest.approx(positive - negative, rel=1e-12)
    assert np.exp(-value) == pytest.approx(p[4] + p[5], rel=1e-12)
    x = gc.zeros((3000, 3), dtype="float64") + gc.constant(np.array([1.0, 0, 0]))
    keys = gc.random.key(1), gc.random.key(2)
    free, clamped = run([model.gibbs(x, keys[0], 12), model.gibbs(x, keys[1], 1, True)], feeds)
    close_frequencies(free, p, 3000)
    assert (clamped[:, :2] == [1, 0]).all()
    close_frequencies(clamped[:, 2:], p[4:6] / p[4:6].sum(), 3000)
    both(model.gibbs(x[:3], keys[0], 2), feeds)
    learner = probability.BoltzmannMachine(2, 2, "float64")
    data = gc.constant(np.array([[1.0, 0], [0, 1], [1, 0]]))
    learns(gc.mean(learner.nll(data)), learner.parameters(), steps=80, rate=0.2, part=0.55)


@row("FAC-25", RBMS)
def test_fac_25_product_of_experts():
    """The product of e^(c x) and one factor of each expert is the RBM's marginal; each expert is an
    RBM of one hidden unit.
    """
    feeds, model = machine()
    W, b, c = feeds
    x = gc.constant(STATES)
    experts = gc.exp(x @ c) * gc.prod(1 + gc.exp(x @ W.T + b), axis=1)
    ones = []
    for j in range(2):
        one = probability.RBM(2, 1, seed=0, dtype="float64")
        one.weight, one.hidden_bias = W[j : j + 1], b[j : j + 1]
        one.visible_bias = gc.zeros((2,), dtype="float64")
        ones.append(gc.exp(-one.free_energy(x)))
    whole, parts, p = both(
        [experts / gc.sum(experts), gc.exp(x @ c) * ones[0] * ones[1], gc.exp(-model.nll(x))], feeds
    )
    np.testing.assert_allclose(whole, LAW, atol=6e-10)
    np.testing.assert_allclose(p, whole, rtol=1e-13)
    np.testing.assert_allclose(parts / parts.sum(), whole, rtol=1e-13)


@row("FAC-26", RBMS)
def test_fac_26_bernoulli_rbm():
    """log Z, p of each state and p(h | 10) as printed; the free energy is minus the log of the sum
    over h of e^-E, and both conditionals follow from E.
    """
    feeds, model = machine()
    x = gc.constant(STATES)
    shape = (4, 4, 2)
    v, h = gc.broadcast_to(x[:, None], shape), gc.broadcast_to(x, shape)
    energies = model.energy(v, h)
    free = [model.free_energy(x), -gc.logsumexp(-energies, axis=1)]
    over_v = [model.hidden_free_energy(x), -gc.logsumexp(-energies, axis=0)]
    means = gc.softmax(-energies, axis=1) @ x, gc.softmax(-energies, axis=0).T @ x
    found = both(
        [model.log_partition(), gc.exp(-model.nll(x)), model(x), model.visible_mean(x), *means,
         *free, *over_v], feeds
    )  # fmt: skip
    assert found[0] == pytest.approx(4.054057799, abs=6e-10)
    np.testing.assert_allclose(found[1], LAW, atol=6e-10)
    np.testing.assert_allclose(found[2][2], [0.75026011, 0.57444252], atol=6e-9)
    for a, b in ((2, 4), (3, 5), (6, 7), (8, 9)):
        np.testing.assert_allclose(found[a], found[b], rtol=1e-12)


@row("FAC-27", RBMS)
def test_fac_27_rbm_likelihood_gradient():
    """NLL and its gradients at x = (1, 0) as printed; they are the expectations of the two phases;
    the likelihood is learnt.
    """
    feeds, model = machine()
    W, b, c = feeds
    x, states = gc.constant(np.array([[1.0, 0]])), gc.constant(STATES)
    nll = gc.sum(model.nll(x))
    p = gc.exp(-model.nll(states))
    phases = model(x).T @ x - (model(states) * p[:, None]).T @ states
    (value, phase), (dW, db, dc) = differentiated([nll, phases], nll, feeds, [W, b, c])
    assert value == pytest.approx(1.512367229, abs=6e-10)
    printed = [[-0.30083572, 0.33380964], [0.04396835, 0.63946182]]
    np.testing.assert_allclose(dW, printed, atol=6e-9)
    np.testing.assert_allclose(db, [-0.2162251, 0.22152639], atol=6e-9)
    np.testing.assert_allclose(dc, [-0.23849314, 0.71317675], atol=6e-9)
    np.testing.assert_allclose(-phase, dW, rtol=1e-12)
    learner = probability.RBM(2, 2, seed=1, dtype="float64")
    data = gc.constant(np.array([[1.0, 0], [0, 1], [0, 1]]))
    learns(gc.mean(learner.nll(data)), learner.parameters(), steps=100, rate=0.2, part=0.55)


@row("FAC-28", RBMS)
def test_fac_28_block_gibbs_sampling():
    """p(x) is stationary under the enumerated law of one round, whose second eigenvalue is as
    printed; many chains end in it, and the frequencies of long ones are those of p(x).
    """
    feeds, model = machine()
    T, p = run([kernel(model), gc.exp(-model.nll(gc.constant(STATES)))], feeds)
    np.testing.assert_allclose(p @ T, p, atol=2e-16)
    values = np.sort(np.linalg.eigvals(T).real)
    np.testing.assert_allclose(values[-2:], [0.190921367, 1], atol=6e-10)
    start = gc.zeros((4000, 2), dtype="float64")
    close_frequencies(run(model.gibbs(gc.random.key(1), start, 15), feeds), p, 4000)
    keys = gc.random.split(gc.random.key(2), 500)
    _, long = gc.scan(lambda v, k: (model.gibbs(k, v),) * 2, start[:8], keys)
    mixing = (1 - values[-2]) / (1 + values[-2])
    close_frequencies(run(long, feeds).reshape(-1, 2), p, 4000 * mixing)
    both(model.gibbs(gc.random.key(1), start[:5], 3), feeds)
