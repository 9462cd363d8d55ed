"""Gaussian processes, ensembles and what they doubt (catalogue 9, A)."""

import math

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, probability, random
from tests.systems.catalogue import S, both, check_gradients, row, run, symbols

WIDE = {"dtype": "float64"}


@row("UST-07", "graphc/probability/sparse_process.py")
def test_ust_07_gaussian_processes():
    """With a linear kernel, the predictions of Bayesian regression as printed; a deep process of
    one layer, with its best law of all points, is the process itself and its bound the evidence;
    one of two layers has the gradients of differences, and its bound rises.
    """
    phi = np.array([[1.0, 0], [1, 1], [1, 2]])
    y = np.array([1.0, 2, 2])
    at = gc.constant(np.array([[1.0, 3]]))
    linear = probability.gp_predict(
        probability.linear_kernel, gc.constant(phi), gc.constant(y), 0.25, at
    )
    x, noise = S(0, 5, 2), 0.1
    t, new = S(3, 5), S(7, 3, 2)
    gram = np.exp(-0.5 * ((x[:, None] - x[None]) ** 2).sum(-1))
    best = gram @ np.linalg.inv(gram + noise * np.eye(5))
    layer = probability.SparseGP(x, jitter=0.0)
    layer.mean.value = (best @ t)[:, None]
    layer.root.value = np.linalg.cholesky(gram - best @ gram)
    data = gc.constant(x), gc.constant(t)
    exact = probability.gp_predict(probability.rbf_kernel, *data, noise, gc.constant(new))
    deep = probability.DeepGP(layer)
    key = random.key(0)
    bound = deep.elbo(data[0], gc.constant(t[:, None]), noise, key)
    evidence = probability.gp_log_evidence(probability.rbf_kernel, *data, noise)
    one = deep.moments(gc.constant(new), key)
    found = both([*linear, *exact, evidence, *one, bound])
    assert found[0].item() == pytest.approx(2.697674419, abs=6e-10)
    assert found[1].item() == pytest.approx(0.511627907, abs=6e-10)
    for a, b in zip(found[2:5], found[5:], strict=True):
        np.testing.assert_allclose(np.ravel(b), np.ravel(a), rtol=1e-7)

    stack = probability.DeepGP(probability.SparseGP(S(1, 3, 1)), probability.SparseGP(S(2, 3, 1)))
    stack.steps[0].mean.value = S(1, 3, 1)
    rows, wanted = gc.constant(S(0, 6, 1)), gc.constant(S(4, 6, 1))
    drawn, weights = stack.elbo(rows, wanted, 0.05, key), stack.named_parameters()
    slopes = gc.grad(drawn, list(weights.values()))
    rate = gc.placeholder("rate", (), "float64")
    moves = optim.Adam(rate).apply(dict(zip(weights, (-g for g in slopes), strict=True)), weights)
    step = gc.compile([rate], [drawn, *slopes], updates=moves)
    for p, slope in zip(weights.values(), step(0.0)[1:], strict=True):
        k, start = np.argmax(abs(slope)), p.value
        sides = []
        for move in (1e-6, -1e-6):
            p.value = start + move * (np.arange(start.size) == k).reshape(start.shape)
            sides.append(float(step(0.0)[0]))
        p.value = start
        difference = (sides[0] - sides[1]) / 2e-6
        assert difference == pytest.approx(slope.flat[k], rel=1e-6, abs=1e-6)
    seen = [float(step(0.02)[0]) for _ in range(60)]
    assert seen[-1] > seen[0] + 10


def descent(x, y, rate, steps, start):
    """A function of weights: those of a small network after some steps of gradient descent."""

    def loss(w):
        hidden = gc.tanh(x @ gc.reshape(w[:4], (1, 4)) + w[4:8])
        return gc.mean((hidden @ w[8:] - y) ** 2)

    return gc.scan(lambda w, _: (w - rate * gc.grad(loss(w), w), loss(w)), start, length=steps)


@row("UST-08", "graphc/passes/derivatives/batch.py")
def test_ust_08_ensembles():
    """Five networks, of different starts, data (bootstrap) and rates, trained in one mapped
    program, are those of five runs; classifiers are averaged as probabilities.
    """
    x, y = np.linspace(-1, 1, 10)[:, None], np.abs(np.linspace(-1, 1, 10))

    def member(key, rate):
        keys = random.split(key, 2)
        rows = random.choice(keys[0], 10, (10,))
        begin = random.normal(keys[1], (12,), dtype="float64")
        a, b = gc.take(gc.constant(x), rows, axis=0), gc.take(gc.constant(y), rows, axis=0)
        return descent(a, b, rate, 10, begin)

    keys, rates = run(random.split(random.key(4), 5)), np.array([0.05, 0.1, 0.05, 0.2, 0.1])
    weights, losses = both(gc.vmap(member)(gc.constant(keys), gc.constant(rates)))
    key, rate = gc.placeholder("key", (4,), "uint32"), gc.placeholder("rate", (), "float64")
    one = gc.compile([key, rate], member(key, rate))
    for k in range(5):
        alone = one(keys[k], rates[k])
        np.testing.assert_allclose(weights[k], alone[0], rtol=1e-10)
        np.testing.assert_allclose(losses[k], alone[1], rtol=1e-10)
    assert (losses[:, -1] < losses[:, 0]).all()
    logits = S(0, 5, 3, 4)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(run(gc.mean(gc.softmax(gc.constant(logits)), 0)), p.mean(0))


def snapshot_run(model):
    """An optimiser with restarts, and its step."""
    x = np.linspace(-1, 1, 16)[:, None]
    loss = nn.mse(model(gc.constant(x)), gc.constant(np.sin(3 * x)))
    optimiser = optim.SGD(optim.warm_restarts(0.5, 20), momentum=0.5)
    return optimiser, gc.compile([], loss, updates=optimiser.updates(loss, model.parameters()))


@row("UST-09", "graphc/probability/ensembles.py")
def test_ust_09_snapshot_ensemble():
    """Three members from one run, each better than the start, whose mean is no worse than their
    mean error; a run resumed in the middle of a cycle gives the same members bit for bit.
    """

    def network():
        return nn.Sequential(
            nn.Dense(1, 6, gc.tanh, seed=1, **WIDE), nn.Dense(6, 1, seed=2, **WIDE)
        )

    model = network()
    optimiser, step = snapshot_run(model)
    first = float(step())
    for _ in range(19):
        step()
    early = model.state_dict()
    for _ in range(7):
        step()
    state, slots = model.state_dict(), optimiser.state_dict()
    for _ in range(13):
        step()
    members = [early, model.state_dict(), *probability.snapshots(step, model, 20, 1)]

    again = network()
    resumed, other = snapshot_run(again)
    again.load_state_dict(state)
    resumed.load_state_dict(slots)
    for _ in range(13):
        other()
    for wanted, found in zip(
        members[1:], [again.state_dict(), *probability.snapshots(other, again, 20, 1)], strict=True
    ):
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array)
    x = np.linspace(-1, 1, 16)[:, None]
    predict = gc.compile([], model(gc.constant(x)))
    each = []
    for member in members:
        model.load_state_dict(member)
        each.append(predict())
    errors = [np.mean((e - np.sin(3 * x)) ** 2) for e in each]
    assert max(errors) < first
    assert np.mean((np.mean(each, 0) - np.sin(3 * x)) ** 2) <= np.mean(errors)
    assert np.ptp(each, axis=0).max() > 1e-3


@row("UST-10", "graphc/probability/ensembles.py")
def test_ust_10_mixture_moments():
    """Mean 2 and variance 1.096666667 for the printed members."""
    feeds = symbols(means=np.array([1.0, 2, 3]), deviations=np.array([1, 0.5, 0.2]))
    means, deviations = feeds
    mean, variance = both(probability.mixture_moments(means, deviations**2), feeds)
    assert mean == pytest.approx(2) and variance == pytest.approx(1.096666667, abs=6e-10)


@row("UST-11", "graphc/nn/margins.py")
def test_ust_11_heteroscedastic_network():
    """1.121279877 for the printed case; a network with two heads finds how the noise of its data
    grows with x.
    """
    case = symbols(mean=np.array(0.5), s=np.array(0.2))
    (mean, s) = case
    loss = nn.gaussian_nll(mean, 1.0, s)
    assert both(loss, case) == pytest.approx(1.121279877, abs=6e-10)
    check_gradients(loss, case)
    x = np.linspace(-1, 1, 400)[:, None]
    deviation = np.exp(x - 1)
    y = x + deviation * np.random.default_rng(0).standard_normal((400, 1))
    model = nn.Dense(1, 2, weights=lambda shape, seed, dtype: np.zeros(shape, dtype), **WIDE)
    heads = model(gc.constant(x))
    nll = nn.gaussian_nll(heads[:, :1], gc.constant(y), heads[:, 1:])
    step = gc.compile([], [nll, heads], updates=optim.Adam(0.03).updates(nll, model.parameters()))
    seen = [step() for _ in range(250)]
    assert seen[-1][0] < seen[0][0] - 0.5
    # The Fisher information of s at n points is n / 2: its line is known to 4 sqrt(2 / n (1 + 3)).
    assert abs(0.5 * seen[-1][1][:, 1:] - np.log(deviation)).max() < 2 * math.sqrt(8 / 400)


@row("UST-12", "graphc/probability/ensembles.py")
def test_ust_12_aleatoric_and_epistemic():
    """The printed entropies; members that agree have no epistemic part; of regressions it is the
    variance of the means.
    """
    feeds = symbols(p=np.array([[0.9, 0.1], [0.5, 0.5]]), m=S(0, 4, 3), v=S(2, 4, 3) ** 2)
    p, m, v = feeds
    same = gc.stack([p[0], p[0]])
    found = both(
        [
            probability.doubt_of_classes(p),
            probability.doubt_of_classes(same),
            probability.doubt_of_regression(m, v),
        ],
        feeds,
    )
    np.testing.assert_allclose(found[0], [0.610864302, 0.509115077, 0.101749225], atol=6e-10)
    assert abs(found[1][2]) < 1e-15
    np.testing.assert_allclose(found[2], [np.mean(S(2, 4, 3) ** 2, 0), np.var(S(0, 4, 3), 0)])


@row("UST-13", "graphc/probability/ensembles.py")
def test_ust_13_predictive_checks():
    """A uniform guess of ten classes scores -log 10; the table of a model that is right as often as
    it is sure; a bootstrap's deviation of a mean is that of the data over the root of n.
    """
    labels = np.arange(6) % 10
    sure = np.array([0.55, 0.55, 0.85, 0.85, 0.85, 1.0])
    p = np.stack([sure, 1 - sure], 1)
    right = np.array([0, 1, 0, 0, 1, 0])
    values = S(0, 200)
    feeds = symbols(logits=np.zeros((6, 10)), p=p, values=values)
    logits, chances, x = feeds
    table = probability.calibration_table(chances, gc.constant(right))
    spread = probability.bootstrap(gc.mean, x, random.key(0), 800)
    score, found, (mean, deviation) = both(
        [probability.log_score(logits, gc.constant(labels)), table, spread], feeds
    )
    assert score == pytest.approx(-math.log(10))
    counts = np.array([0, 0, 0, 0, 0, 2, 0, 0, 3, 1])
    np.testing.assert_array_equal(found[0], counts)
    np.testing.assert_allclose(found[1][[5, 8, 9]], [0.55, 0.85, 1.0])
    np.testing.assert_allclose(found[2][[5, 8, 9]], [1 / 2, 2 / 3, 1])
    exact = values.std() / math.sqrt(200)
    assert abs(mean - values.mean()) < 4 * exact / math.sqrt(800)
    assert abs(deviation / exact - 1) < 4 / math.sqrt(2 * 800)
