"""Diffusion models (catalogue 5, C)."""

import math

import numpy as np
import pytest
import scipy.stats

import graphc as gc
from graphc import nn, optim, probability, random
from tests.systems.catalogue import S, both, row, run, symbols
from tests.systems.generating import WIDE, constant, quadrature
from tests.systems.sequences import differentiated, learns

FILE, CONTINUOUS = "graphc/probability/diffusion.py", "graphc/probability/continuous_diffusion.py"
BETAS = np.array([0.1, 0.2, 0.3, 0.4])
KEPT = [1, 0.9, 0.72, 0.504, 0.3024]
TIMES = gc.constant(np.arange(1, 5))


def schedule(betas=BETAS):
    """The catalogue's four steps."""
    return probability.NoiseSchedule(betas, "float64")


@row("GEN-31", FILE)
def test_gen_31_forward_process():
    """ᾱ = .9, .72, .504, .3024; the chain is the same linear map of data as the jump, and its
    noises have the same variance together; β may be differentiated.
    """
    noises, x = gc.placeholder("noises", (4, 1, 1), gc.float64), constant([[0.7]])
    levels, z = schedule(), x
    chain = []
    for t in range(4):
        z = levels.step(z, noises[t], TIMES[t : t + 1])
        chain.append(z[0, 0])
    jump = levels.diffuse(gc.ones((4, 1), "float64") * 0.7, gc.zeros((4, 1), "float64"), TIMES)
    slopes = gc.jacobian(gc.stack(chain), noises)[..., 0, 0]
    wide = gc.placeholder("betas", (4,), gc.float64)
    by_beta = gc.grad(schedule(wide).kept[4], wide)
    feeds = {noises: np.zeros((4, 1, 1)), wide: BETAS}
    kept, still, jumped, spread, by_beta = both(
        [levels.kept, gc.stack(chain), jump[:, 0], gc.sum(slopes**2, 1), by_beta], feeds
    )
    np.testing.assert_allclose(kept, KEPT, rtol=1e-12)
    np.testing.assert_allclose(still, jumped, rtol=1e-13)
    np.testing.assert_allclose(still, 0.7 * np.sqrt(KEPT[1:]), rtol=1e-13)
    np.testing.assert_allclose(spread, 1 - np.array(KEPT[1:]), rtol=1e-13)
    np.testing.assert_allclose(by_beta, -0.3024 / (1 - BETAS), rtol=1e-12)
    long = probability.NoiseSchedule(np.linspace(1e-4, 0.02, 1000))
    exact = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))[-1]
    assert run(long.kept[-1]) == pytest.approx(exact, rel=1e-7)


@row("GEN-32", FILE)
def test_gen_32_true_reverse_posterior():
    """The printed factors and variance at t = 3, equal to Bayes' rule for every t; at t = 1 it is
    the data.
    """
    feeds = symbols(x=np.array([[1.0], [0], [0.3]]), z=np.array([[0.0], [1], [-0.8]]))
    x, z = feeds
    third = gc.constant(np.full(3, 3))
    mean, variance = schedule().posterior(x, z, third)
    ones, none = gc.ones((4, 1), "float64"), gc.zeros((4, 1), "float64")
    factors = [schedule().posterior(*pair, TIMES)[0] for pair in ((ones, none), (none, ones))]
    found = both([mean, variance, *factors, schedule().posterior_variances], feeds)
    np.testing.assert_allclose(found[0][:2, 0], [0.513222664, 0.472308079], atol=1e-9)
    np.testing.assert_allclose(found[1][:, 0], 0.169354839, atol=1e-9)
    before = 1 - np.array(KEPT[1:4])
    precision = 1 / before + (1 - BETAS[1:]) / BETAS[1:]
    np.testing.assert_allclose(found[4][2:], 1 / precision, rtol=1e-12)
    by_data = np.sqrt(KEPT[1:4]) / before / precision
    by_chain = np.sqrt(1 - BETAS[1:]) / BETAS[1:] / precision
    np.testing.assert_allclose(found[2][:, 0], [1, *by_data], rtol=1e-12)
    np.testing.assert_allclose(found[3][:, 0], [0, *by_chain], rtol=1e-12, atol=1e-15)


@row("GEN-33", FILE)
def test_gen_33_reverse_model():
    """One function for all times, which are an argument: a batch of times is each by itself, and
    each has another result; differences; it learns.
    """
    model = probability.Denoiser(2, 6, seed=0, **WIDE)
    z, t = gc.placeholder("z", ("n", 2), gc.float64), gc.placeholder("t", ("n",), gc.int64)
    y = model(z, t)
    f = gc.compile([z, t], y)
    data, times = S(0, 4, 2), np.array([1, 2, 3, 4])
    together = f(data, times)
    for k in range(4):
        np.testing.assert_allclose(f(data[k : k + 1], times[k : k + 1])[0], together[k], rtol=1e-12)
    same = f(np.tile(data[:1], (4, 1)), times)
    assert np.ptp(same, axis=0).min() > 1e-3
    weights = symbols(A=S(0, 2, 6), B=S(1, 6, 6) / 3, C=S(2, 6, 2))
    model.into.weight, model.within.weight, model.out.weight = weights
    out = model(constant(data), gc.constant(times))
    differentiated([out], gc.sum(out * out), weights)
    fresh = probability.Denoiser(2, 6, seed=0)
    goal = gc.constant((S(3, 4, 2) * times[:, None]).astype(np.float32))
    learns(nn.mse(fresh(gc.constant(data.astype(np.float32)), TIMES), goal), fresh.parameters())


@row("GEN-34", FILE)
def test_gen_34_full_objective():
    """It differs from minus the ELBO, made of divergences of normal laws, by a constant that is the
    same for other weights and other data; differences; it falls.
    """
    levels, variances = schedule(), constant([0, 0.08, 0.1, 0.2, 0.3])
    feeds = symbols(w=S(1, 3, 2), x=S(0, 4, 2), noises=S(2, 4, 4, 2))
    w, x, noises = feeds

    def mean_of(z, t):
        clock = gc.reshape(gc.astype(t, "float64") / 4, (4, 1))
        return gc.tanh(gc.concat([z, clock], 1) @ w)

    path = levels.path_loss(mean_of, x, noises, variances)
    bound = 0
    for t in range(1, 5):
        now = gc.constant(np.full(4, t))
        z = levels.diffuse(x, noises[t - 1], now)
        guess, log_s = mean_of(z, now), gc.log(variances[t])
        if t == 1:
            bound = bound - gc.sum(probability.normal_log_density(x, guess, log_s), 1)
        else:
            true, variance = levels.posterior(x, z, now)
            bound = bound + gc.sum(probability.gaussian_kl(true, gc.log(variance), guess, log_s), 1)
    found, _ = differentiated([bound - path, path], gc.sum(path), feeds, count=1)
    moved = {w: S(5, 3, 2), x: S(3, 4, 2) * 2, noises: S(8, 4, 4, 2)}
    other = run([bound - path, path], moved)
    np.testing.assert_allclose(other[0], found[0], rtol=1e-12)
    np.testing.assert_allclose(found[0], found[0][0], rtol=1e-12)
    assert abs(other[1] - found[1]).min() > 0.1
    model = probability.Denoiser(2, 6, seed=0, **WIDE)
    noise = random.normal(random.Generator(0), (4, 4, 2), dtype="float64")
    loss = gc.mean(levels.path_loss(model, constant(S(0, 4, 2)), noise, variances))
    learns(loss, model.parameters(), part=0.6)


@row("GEN-35", FILE)
def test_gen_35_noise_prediction():
    """2.948238469; weights 1.25, .765306122, .672043011; for normal data √(1-ᾱ)z is the best
    prediction, with the loss ᾱ at each time; differences; it falls.
    """
    levels = schedule()
    feeds = symbols(x=S(0, 4, 2), noise=S(1, 4, 2), w=S(2, 3, 2))
    x, noise, w = feeds

    def model(z, t):
        clock = gc.reshape(gc.astype(t, "float64") / 4, (4, 1))
        return gc.tanh(gc.concat([z, clock], 1) @ w)

    loss = levels.noise_loss(model, x, noise, TIMES)
    weights = levels.noise_weights(spread(levels))
    weighted = levels.noise_loss(model, x, noise, TIMES, weights)
    found, _ = differentiated([loss, weights], loss + weighted, feeds)
    assert found[0] == pytest.approx(2.948238469, abs=1e-9)
    np.testing.assert_allclose(found[1][2:], [1.25, 0.765306122, 0.672043011], atol=1e-9)
    # E over x and noise, both standard normal, by quadrature; for each time its own factor.
    nodes, chances = quadrature(3, 2)
    data, noises = (gc.broadcast_to(nodes[:, 0, k : k + 1], (9, 4)).T for k in (0, 1))
    factor = gc.placeholder("factor", (4,), gc.float64)
    z = levels.diffuse(data, noises, TIMES)
    mean_square = gc.sum(chances[:, 0] * (noises - gc.reshape(factor, (4, 1)) * z) ** 2, 1)
    slope = gc.grad(gc.sum(mean_square), factor)
    best = np.sqrt(1 - np.array(KEPT[1:]))
    least, slope = run([mean_square, slope], {factor: best})
    np.testing.assert_allclose(least, KEPT[1:], rtol=1e-12)
    np.testing.assert_allclose(slope, 0, atol=1e-12)
    fresh = probability.Denoiser(1, 8, seed=0, **WIDE)
    generator = random.Generator(0)
    x, noise = (random.normal(generator, (64, 1), dtype="float64") for _ in range(2))
    t = random.randint(generator, 1, 5, (64,))
    loss = levels.noise_loss(fresh, 0.1 * x, noise, t)
    step = gc.compile([], loss, updates=optim.Adam(0.02).updates(loss, fresh.parameters()))
    losses = [float(step()) for _ in range(80)]
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])


def spread(levels):
    """The posterior's variances, with one of its own for the first time."""
    return gc.where(gc.arange(5) == 1, 0.05, levels.posterior_variances)


def best_for_normal_data(levels):
    """The prediction of noise that is best for standard normal data."""
    return lambda z, t: gc.sqrt(1 - levels.at(levels.kept, t, z)) * z


@row("GEN-36", FILE)
def test_gen_36_sampler():
    """With the best prediction for normal data and s² = β, samples are standard normal; the loop
    draws what its steps written out draw; with the posterior's variance the last step adds nothing.
    """
    levels, key = schedule(), random.key(3)
    model = best_for_normal_data(levels)
    many = levels.sample(model, key, (4000, 1), levels.betas)
    few = [levels.sample(model, key, (3, 2), s) for s in (levels.betas, None)]
    found, *loops = both([many, *few])
    assert scipy.stats.kstest(found[:, 0], "norm").pvalue > 1e-3
    for loop, variances in zip(loops, (BETAS, None), strict=True):
        if variances is None:
            variances = run(levels.posterior_variances)[1:]
            assert variances[0] == 0
        z = random.normal(random.fold_in(key, 0), (3, 2), dtype="float64")
        for t in (4, 3, 2, 1):
            now = gc.constant(np.full(3, t))
            n = random.normal(random.fold_in(key, t), (3, 2), dtype="float64")
            z = levels.reverse_mean(z, model(z, now), now) + math.sqrt(variances[t - 1]) * n
        np.testing.assert_allclose(loop, run(z), rtol=1e-12)
    again = gc.compile([], levels.sample(model, random.Generator(0), (2, 1)))
    assert (again() != again()).all()


@row("GEN-37", CONTINUOUS)
def test_gen_37_variational_diffusion():
    """The loss, integrated over time, is that of its end points in closed form whatever lies
    between, and its gradient there vanishes, while the variance of a draw of time changes and can
    be lowered; γ grows; differences.
    """
    line = probability.MonotoneSchedule(-4.0, 3.0, 3)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    times = gc.placeholder("t", (40,), gc.float64)
    share = constant(weights / 2)
    variance = 0.3  # of the data, whose best prediction is known
    shape = [line.weights, line.steepness, line.centres]
    feeds = {times: (nodes + 1) / 2}
    for name, v in zip(("weights", "steepness", "centres"), shape, strict=True):
        symbol = gc.placeholder(name, v.shape, gc.float64)
        feeds[symbol] = v.value
        setattr(line, name, symbol)
    gamma, slope = line(times), line.slope(times)
    # E|noise - prediction|² = σ(log variance - γ) for that prediction.
    each = 0.5 * slope * gc.sigmoid(math.log(variance) - gamma)
    loss, square = gc.sum(share * each), gc.sum(share * each**2)
    symbols_ = list(feeds)[1:]
    ends = [-gc.softplus(constant(math.log(variance) - g)) for g in (-4.0, 3.0)]
    inner = list(gc.grad(loss, symbols_))
    outputs = [loss, square, 0.5 * (ends[1] - ends[0]), line.start, *inner]
    found, by = differentiated(outputs, square, feeds, symbols_)
    assert found[0] == pytest.approx(found[2], rel=1e-9)
    for vanishing, moving in zip(found[4:], by, strict=True):
        assert np.abs(vanishing).max() < 1e-6 < np.abs(moving).max()
    f = gc.compile(list(feeds), [loss, square, gamma, *gc.grad(square, symbols_)])
    values = list(feeds.values())
    before = f(*values)
    for _ in range(40):
        _, _, gammas, *slopes = f(*values)
        values[1:] = [v - 0.5 * g for v, g in zip(values[1:], slopes, strict=True)]
        assert (np.diff(gammas) > 0).all()
    after = f(*values)
    assert after[0] == pytest.approx(before[0], rel=1e-8)
    assert after[1] - after[0] ** 2 < 0.9 * (before[1] - before[0] ** 2)
    sampled_loss()


def sampled_loss():
    """The loss at drawn times, noise and data, for the prediction that is best for normal data, is
    on average the closed form.
    """
    line, n = probability.MonotoneSchedule(-4.0, 3.0, 3), 20_000
    key = random.split(random.key(0), 3)
    x, noise = (random.normal(key[k], (n, 1), dtype="float64") for k in (0, 1))
    t = random.uniform(key[2], (n,), dtype="float64")
    losses = run(line.loss(lambda z, g: gc.sqrt(gc.sigmoid(g))[:, None] * z, x, noise, t))
    exact = 0.5 * (np.logaddexp(0, 4) - np.logaddexp(0, -3))
    assert abs(losses.mean() - exact) < 4 * losses.std() / math.sqrt(n)
