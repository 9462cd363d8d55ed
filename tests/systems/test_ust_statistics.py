"""Generalisation and statistics (catalogue 9, D)."""

import itertools
import math

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.systems.catalogue import S, both, check_gradients, row, run, symbols


@row("UST-39", "graphc/nn/validation.py")
def test_ust_39_risk_and_cross_validation():
    """Folds partition the data; leaving one out of a ridge regression four times gives the printed
    figure, and so does the closed form; a test set gives the true risk within 4 standard errors.
    """
    for parts, seed in ((3, None), (4, 5), (10, 1)):
        held = [h for train, h in nn.folds(10, parts, seed) if not set(train) & set(h)]
        assert len(held) == parts and max(map(len, held)) - min(map(len, held)) <= 1
        np.testing.assert_array_equal(np.sort(np.concatenate(held)), np.arange(10))
    with pytest.raises(gc.GraphError, match="10 samples fall into 2 to 10 parts, not 11"):
        next(nn.folds(10, 11))
    inputs = np.stack([np.ones(4), np.arange(4.0)], 1)
    targets = np.array([0.0, 1, 0, 1])
    feeds = symbols(X=inputs, y=targets)
    closed = gc.mean(nn.leave_one_out(*feeds, alpha=0.5))
    assert both(closed, feeds) == pytest.approx(0.457673894, abs=6e-10)
    check_gradients(closed, feeds)
    X, y = gc.placeholder("X", ("n", 2), gc.float64), gc.placeholder("y", ("n",), gc.float64)
    Z, t = gc.placeholder("Z", ("m", 2), gc.float64), gc.placeholder("t", ("m",), gc.float64)
    w = gc.linalg.solve(X.T @ X + 0.5 * gc.eye(2, dtype="float64"), X.T @ y)
    error = gc.compile([X, y, Z, t], nn.mse(Z @ w, t))

    def left_out(train, held):
        return error(inputs[train], targets[train], inputs[held], targets[held])

    assert nn.cross_validate(left_out, 4, 4) == pytest.approx(0.457673894, abs=6e-10)
    x = gc.random.normal(gc.random.key(1), (4000, 3), dtype="float64")
    losses = (x @ gc.constant(np.array([0.5, -1, 2])) - 1) ** 2
    mean, deviation = run([gc.mean(losses), gc.std(losses)])
    assert abs(mean - (1 + 0.25 + 1 + 4)) < 4 * deviation / math.sqrt(4000)


@row("UST-40", "graphc/nn/validation.py")
def test_ust_40_bias_and_variance():
    """For 50 cubic fits of a sine the mean squared error is bias, variance and noise to 1e-12, and
    for softmax classifiers the mean cross-entropy is bias, variance and entropy.
    """
    rng = np.random.default_rng(0)
    x, grid = np.linspace(-2, 2, 12), np.linspace(-2, 2, 30)
    signs = gc.constant(0.3 * np.array([-1.0, 1])[:, None, None])
    feeds = symbols(samples=np.sin(2 * x) + 0.3 * rng.choice([-1.0, 1], (50, 12)))
    (samples,) = feeds
    powers = np.arange(4)
    weights = gc.linalg.lstsq(gc.constant(x[:, None] ** powers), samples.T)
    fits = (gc.constant(grid[:, None] ** powers) @ weights).T
    truth = gc.constant(np.sin(2 * grid))
    bias, variance = nn.bias_variance(fits, truth)
    whole = gc.mean((fits - (truth + signs)) ** 2, axis=(0, 1))
    found = both([bias, variance, whole], feeds)
    np.testing.assert_allclose(found[0] + found[1] + 0.09, found[2], atol=1e-12)
    assert found[0].max() > 0.1 and found[1].min() > 1e-3
    feeds = symbols(logits=rng.standard_normal((6, 5, 3)), target=S(1, 5, 3))
    logits, target = feeds
    logs, p = gc.log_softmax(logits, axis=-1), gc.softmax(target, axis=-1)
    parts = nn.classification_bias_variance(logs, p)
    loss = gc.mean(-gc.sum(p * logs, axis=-1), axis=0)
    bias, variance, noise, whole = both([*parts, nn.entropy(p), loss], feeds)
    np.testing.assert_allclose(bias + variance + noise, whole, atol=1e-12)
    assert bias.min() > 0 and variance.min() > 0


@row("UST-41", "graphc/linalg.py")
def test_ust_41_double_descent():
    """The test error of least squares of least norm, from 50 noisy points, peaks where there are 50
    features and falls beyond below its least value before; its gradient is right on both sides.
    """
    rng = np.random.default_rng(0)
    inputs, fresh = rng.standard_normal((50, 120)), rng.standard_normal((500, 120))
    truth = np.ones(120) / math.sqrt(120)
    labels = inputs @ truth + 0.5 * rng.standard_normal(50)
    feeds = symbols(X=inputs, y=labels, Z=fresh, t=fresh @ truth)
    X, y, Z, t = feeds
    p = gc.placeholder("p", (), gc.int64)
    used = gc.iota((120,)) < p
    error = nn.mse(Z @ (gc.linalg.lstsq(X * used, y) * used), t)
    f = gc.compile([*feeds, p], error)
    widths = [5, 10, 20, 30, 40, 45, 50, 55, 60, 70, 80, 100, 120]
    errors = np.array([f(*feeds.values(), k) for k in widths])
    for k, found in zip(widths, errors, strict=True):
        w = np.linalg.lstsq(inputs[:, :k], labels)[0]
        assert found == pytest.approx(np.mean((fresh[:, :k] @ w - fresh @ truth) ** 2), rel=1e-9)
    assert widths[errors.argmax()] == 50
    assert (np.diff(errors[widths.index(50) :]) < 0).all() and errors[-1] < errors[:6].min()
    assert errors.max() > 10 * errors[-1]
    for shape in ((5, 3), (3, 5)):
        small = symbols(X=S(0, *shape) ** 2, y=S(2, shape[0]))
        X, y = small
        check_gradients(gc.sum(gc.linalg.lstsq(X, y) ** 2), small)


@row("UST-42", "graphc/nn/bounds.py")
def test_ust_42_bounds_for_finite_classes():
    """The printed number of samples and the printed gaps; half the gap takes four times as many."""
    assert nn.finite_class_samples(math.log(1e6), 0.05, 0.05) == 3501
    assert abs(nn.finite_class_samples(math.log(1e6), 0.025, 0.05) - 4 * 3501) <= 4
    size = 1000 * math.log(2)
    gaps = [nn.finite_class_excess(size, n, 1e-3) for n in (10**3, 10**4, 10**5, 10**6)]
    np.testing.assert_allclose(gaps, [1.184, 0.375, 0.118, 0.0375], rtol=5e-3)
    half = nn.finite_class_excess(size, 4 * 10**4, 1e-3)
    assert half == pytest.approx(gaps[1] / 2, rel=1e-12)


@row("UST-43", "graphc/nn/bounds.py")
def test_ust_43_union_and_hoeffding_bounds():
    """The printed bound; simulated means of 100 leave their limits no more often than it says, nor
    any of five than five times that; errors fall as 1 / sqrt(n); means become normal.
    """
    assert nn.hoeffding(100, 0.1) == pytest.approx(0.270670566, abs=6e-10)
    runs, n = 4000, 100
    u = gc.random.uniform(gc.random.key(3), (runs, n), dtype="float64")
    levels = gc.constant(np.linspace(0.1, 0.9, 5))
    means = gc.mean((gc.expand_dims(u, 2) < levels).astype("float64"), axis=1)
    gap = gc.abs(means - levels)
    far = [gc.mean((gap >= e).astype("float64"), axis=0) for e in (0.05, 0.1, 0.15)]
    any_far = gc.mean(gc.any(gap >= 0.1, axis=1).astype("float64"))
    running = gc.cumsum(u, axis=1) / (gc.iota((n,)) + 1).astype("float64")
    spread = gc.sqrt(gc.mean((running - 0.5) ** 2, axis=0))
    z = (running[:, -1] - 0.5) * math.sqrt(12 * n)
    law = 0.5 * gc.erfc(-gc.sort(z) / math.sqrt(2))
    far, any_far, spread, law = both([far, any_far, spread, law])
    for e, share in zip((0.05, 0.1, 0.15), far, strict=True):
        assert (share <= nn.hoeffding(n, e)).all() and share.max() > 0
    assert far[1].max() < any_far <= 5 * nn.hoeffding(n, 0.1)
    np.testing.assert_allclose(spread * np.sqrt(12 * np.arange(1, n + 1)), 1, atol=0.06)
    assert abs(law - np.arange(1, runs + 1) / runs).max() < 1.95 / math.sqrt(runs)


@row("UST-44", "graphc/nn/bounds.py")
def test_ust_44_learner_of_monotone_conjunctions():
    """The printed number of samples and values; from as many the learner, one reduction over the
    positive samples, is within the risk in all of 40 runs and never says yes wrongly; from 20 not.
    """
    assert nn.conjunction_samples(10, 0.1, 0.05) == 530
    x = gc.placeholder("x", ("n", "d"), gc.bool)
    kept = gc.placeholder("kept", ("d",), gc.bool)
    said = gc.compile([x, kept], gc.all(x | ~kept, axis=1))
    literals = np.isin(np.arange(5), [0, 2, 3])
    points = np.array([[1, 0, 0, 1, 1], [1, 1, 1, 1, 0]], bool)
    np.testing.assert_array_equal(said(points, literals), [False, True])

    d, runs = 10, 40
    truth = np.isin(np.arange(d), [0, 2, 3])
    samples = gc.placeholder("samples", (runs, "n", d), gc.bool)
    positive = gc.all(samples | ~gc.constant(truth), axis=2, keepdims=True)
    learn = gc.compile([samples], gc.all(samples | ~positive, axis=1))
    rng, often = np.random.default_rng(0), 0.97
    cube = np.array(list(itertools.product([False, True], repeat=d)))
    weights = np.prod(np.where(cube, often, 1 - often), axis=1)
    assert weights.sum() == pytest.approx(1)
    worst = {}
    for n in (20, 530):
        guesses = [said(cube, h) for h in learn(rng.random((runs, n, d)) < often)]
        answer = said(cube, truth)
        assert not any((guess & ~answer).any() for guess in guesses)
        worst[n] = max(weights[guess != answer].sum() for guess in guesses)
    assert worst[530] <= 0.1 < worst[20]


def patterns(answers):
    """How many different rows there are."""
    return len(np.unique(answers, axis=0))


@row("UST-45", "graphc/nn/bounds.py")
def test_ust_45_vapnik_chervonenkis_dimensions():
    """Lines shatter three points of the plane but give only 14 of 16 labellings of four; rectangles
    shatter four but not five; the sign of a sine shatters eight; the printed bound.
    """
    rng = np.random.default_rng(0)
    p, w = gc.placeholder("p", ("n", 2), gc.float64), gc.placeholder("w", ("m", 3), gc.float64)
    lines = gc.compile([p, w], w[:, :2] @ p.T > w[:, 2:])
    box = gc.placeholder("box", ("m", 2, 2), gc.float64)
    inside = (p >= box[:, None, 0]) & (p <= box[:, None, 1])
    boxes = gc.compile([p, box], gc.all(inside, axis=2))
    directions = rng.standard_normal((20000, 3))
    assert patterns(lines(rng.standard_normal((3, 2)), directions)) == 2**3
    for _ in range(3):
        assert patterns(lines(rng.standard_normal((4, 2)), directions)) == 14
    ends = np.linspace(-1.5, 1.5, 7)
    sides = np.array([(a, b) for a in ends for b in ends])
    every = np.array([np.stack([s, t], 1) for s in sides for t in sides])
    diamond = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    assert patterns(boxes(diamond, every)) == 2**4
    centred = np.concatenate([diamond, [[0.1, 0.1]]])
    assert patterns(boxes(centred, every)) < 2**5
    n = 8
    x = 10.0 ** -np.arange(1, n + 1)
    labels = np.array(list(itertools.product([0, 1], repeat=n)))
    frequency = np.pi * (1 + (1 - labels) @ 10.0 ** np.arange(1, n + 1))
    waves = run(gc.sin(gc.expand_dims(gc.constant(frequency), 1) * gc.constant(x)) > 0)
    np.testing.assert_array_equal(waves, labels)
    assert nn.vc_excess(1e8, 5 * 10**4, 0.05) == pytest.approx(126.49, abs=6e-3)
