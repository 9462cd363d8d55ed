"""Variational autoencoders and what they are made of (catalogue 5, B)."""

import math

import numpy as np
import pytest

import graphc as gc
from graphc import nn, probability, random
from tests.systems.catalogue import CS, S, row, run, symbols
from tests.systems.generating import CENTRED, WIDE, constant, minimised, quadrature
from tests.systems.sequences import differentiated, learns

FILE, DENSITIES = "graphc/probability/variational.py", "graphc/probability/distributions.py"
BITS = (S(0, 4, 3) > 0) * 1.0


def density(x, mean, variance):
    """log N(x; mean, variance)."""
    return -0.5 * (math.log(2 * math.pi * variance) + (x - mean) ** 2 / variance)


@row("GEN-11", FILE)
def test_gen_11_deep_latent_variable_model():
    """log p = -1.013083795 by quadrature, its gradients by differences; samples of z and then of x
    have the means that quadrature gives; fitting raises log p.
    """
    nodes, weights = quadrature(100)
    feeds = symbols(w=np.array([1.0, -2]), b=np.array([0.5, 0]), x=np.array([1.0, 0]))
    w, b, x = feeds
    logits = nodes[:, 0] * w + b
    given = gc.sum(probability.bernoulli_log_probability(x, logits), -1)
    log_p = gc.logsumexp(given + gc.log(weights[:, 0]))
    chances = gc.sum(weights * gc.sigmoid(logits), 0)
    generator = random.Generator(0)
    z = random.normal(generator, (20000, 1), dtype="float64")
    draws = gc.mean(random.bernoulli(generator, gc.sigmoid(z * w + b)), 0)
    (value, wanted), _ = differentiated([log_p, chances], -log_p, feeds)
    assert value == pytest.approx(-1.013083795, abs=1e-9)
    found = run(draws, {k: feeds[k] for k in (w, b)})
    assert (abs(found - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / 20000)).all()
    decoder = nn.Dense(1, 3, seed=0, **WIDE)
    each = gc.sum(probability.bernoulli_log_probability(constant(BITS), decoder(nodes)), -1)
    learns(-gc.mean(gc.logsumexp(each + gc.log(weights), 0)), decoder.parameters(), part=0.85)


def worked_example(mean, log_variance):
    """The model z ~ N(0, 1), x | z ~ N(2z + 1, .25) with that q."""
    likelihood = probability.normal_likelihood(0.25)
    return probability.VAE(lambda x: (mean, log_variance), lambda z: 2 * z + 1, likelihood)


@row("GEN-13", FILE)
def test_gen_13_elbo():
    """-1.894764157, below log p by the divergence .194719073 from the posterior; the best q is the
    posterior, N(.329411765, .242535625²), whose bound is tight; differences.
    """
    feeds = symbols(m=np.array([[0.2]]), s=np.log([[0.09]]), x=np.array([[1.7]]))
    m, s, x = feeds
    noise, weights = quadrature(3)

    def elbo(m, s, x):
        rate, distortion = worked_example(m, s).terms(x, noise)
        return -gc.sum(gc.sum(weights * distortion, 0) + rate)

    bound = elbo(m, s, x)
    gap = probability.gaussian_kl(m, s, 0.7 * 2 / 4.25, math.log(0.25 / 4.25))
    (value, gap), _ = differentiated([bound, gap], bound, feeds)
    log_p = density(1.7, 1, 4.25)
    assert value == pytest.approx(-1.894764157, abs=1e-9)
    assert gap[0, 0] == pytest.approx(0.194719073, abs=1e-9)
    assert value + gap[0, 0] == pytest.approx(log_p, rel=1e-12)
    assert log_p == pytest.approx(-1.700045083, abs=1e-9)
    q = probability.FreeGaussian((1, 1), "float64")
    assert -minimised(-elbo(*q(), constant([[1.7]])), q.parameters()) == pytest.approx(log_p)
    found = [q.mean.value[0, 0], np.exp(q.log_variance.value[0, 0] / 2)]
    np.testing.assert_allclose(found, [0.329411765, 0.242535625], atol=1e-6)


@row("GEN-14", DENSITIES)
def test_gen_14_gaussian_divergences():
    """Three printed values; the sum over factors is that of the joint distribution; differences."""
    feeds = symbols(m=np.array([1.0, -0.5]), s=np.array([0, 0.3]))
    m, s = feeds
    one, quarter = constant(1.0), constant(math.log(0.25))
    values = [
        probability.gaussian_kl(one, quarter),
        probability.gaussian_kl(one, quarter, -1.0, math.log(4)),
        total := gc.sum(probability.gaussian_kl(m, s)),
        probability.multivariate_gaussian_kl(
            m, gc.diag(gc.exp(s)), 0 * m, gc.eye(2, dtype="float64")
        ),
    ]  # fmt: skip
    found, _ = differentiated(values, total, feeds)
    printed = [0.818147181, 1.417544361, 0.649929404, 0.649929404]
    np.testing.assert_allclose(found, printed, atol=1e-9)


def moments_of(samples):
    """Mean, its standard error, variance, and the standard error of that."""
    n, centred = len(samples), samples - samples.mean()
    v = (centred**2).mean()
    return samples.mean(), math.sqrt(v / n), v, math.sqrt(((centred**4).mean() - v * v) / n)


def estimates(count):
    """Per-sample estimates of d/dμ E z² at N(1, 1): through the sample, through the score, that
    with a baseline, and that with importance weights of draws from N(1, 2).
    """
    mu = gc.variable(np.array(1.0))

    def through_sample(e):
        return gc.grad(probability.reparameterised(mu, constant(0.0), e) ** 2, mu)

    def through_score(e, baseline=0.0):
        z = gc.stop_gradient(mu + e)
        return gc.grad(
            probability.score_surrogate(z * z, probability.normal_log_density(z, mu), baseline), mu
        )

    def weighted(e):
        z = gc.stop_gradient(mu + 2**0.5 * e)
        log_q = probability.normal_log_density(z, mu)
        weight = gc.exp(
            log_q - probability.normal_log_density(z, gc.stop_gradient(mu), math.log(2))
        )
        return gc.grad(probability.score_surrogate(z * z, log_q, weights=weight), mu)

    noise = random.normal(random.key(0), (count,), dtype="float64")
    ways = [through_sample, through_score, lambda e: through_score(e, 2.0), weighted]
    return [gc.vmap(f)(noise) for f in ways]


@row("GEN-15", FILE)
def test_gen_15_reparameterised_sampling():
    """The estimates of d/dμ E z² at μ = 1 have mean 2 and variance 4; gradients reach μ and s."""
    found = run(estimates(20000)[0])
    mean, error, variance, wide = moments_of(found)
    assert abs(mean - 2) < 4 * error and abs(variance - 4) < 4 * wide
    feeds = symbols(m=S(0, 3), s=S(1, 3), e=S(2, 3))
    z = probability.reparameterised(*feeds)
    _, s, _ = feeds
    found, _ = differentiated([z, gc.grad(gc.sum(z), s)], gc.sum(z * z), feeds)
    np.testing.assert_allclose(found[0], S(0, 3) + np.exp(S(1, 3) / 2) * S(2, 3), rtol=1e-13)
    np.testing.assert_allclose(found[1], np.exp(S(1, 3) / 2) * S(2, 3) / 2, rtol=1e-13)
    q = probability.FreeGaussian((1,), "float64")
    draws = probability.reparameterised(
        *q(), random.normal(random.Generator(1), (64, 1), dtype="float64")
    )
    learns(gc.mean((draws - 2) ** 2), q.parameters(), steps=120)


@row("GEN-16", FILE)
def test_gen_16_score_function():
    """The same slope 2 without a gradient of z², at a variance of 30; a baseline lowers it; draws
    of another q agree with weights; descent by it finds the minimum; differences.
    """
    every = run(estimates(40000))
    for found in every:
        mean, error, *_ = moments_of(found)
        assert abs(mean - 2) < 4 * error
    *_, variance, wide = moments_of(every[1])
    assert abs(variance - 30) < 4 * wide
    assert every[2].var() < 0.8 * variance
    feeds = symbols(m=S(1, 4), z=S(0, 4))
    m, z = feeds
    surrogate = probability.score_surrogate(
        z**2, probability.normal_log_density(z, m), 0.3, 1 + z**2
    )
    differentiated([], surrogate, feeds, [m])
    q = probability.FreeGaussian((1,), "float64")
    z = gc.stop_gradient(
        probability.reparameterised(
            *q(), random.normal(random.Generator(1), (256, 1), dtype="float64")
        )
    )
    cost = gc.stop_gradient((z - 1) ** 2)
    surrogate = probability.score_surrogate(
        cost, probability.normal_log_density(z, q.mean), gc.mean(cost)
    )
    step = gc.compile(
        [], gc.mean(cost), updates={q.mean: q.mean - 0.05 * gc.grad(surrogate, q.mean)}
    )
    costs = [float(step()) for _ in range(60)]
    assert np.mean(costs[-10:]) < 0.75 * np.mean(costs[:5]) and abs(q.mean.value[0] - 1) < 0.3


def network(**more):
    """The net that the catalogue prints: feeds, the model, x and noise."""
    feeds = symbols(
        x=BITS, W=S(1, 3, 4), m=S(2, 4, 2), s=S(3, 4, 2), e=S(4, 4, 2), d=S(5, 2, 3), **more
    )
    x, W, m, s, e, d, *_ = feeds

    def encoder(x):
        h = gc.tanh(x[:, :3] @ W)
        return h @ m, h @ s

    return feeds, probability.VAE(encoder, lambda z: z[..., :2] @ d), x, e


@row("GEN-17", FILE)
def test_gen_17_variational_autoencoder():
    """2.449263373 and .948635276; without noise or prior it is an autoencoder; a linear one comes
    to the likelihood of probabilistic PCA, -63.214186352; a small one learns.
    """
    feeds, model, x, e = network()
    loss = model.loss(x, e)
    plain = nn.binary_cross_entropy(model.decode(model.encode(x)[0]), x, "none")
    outputs = [loss, model.loss(x, 0 * e, beta=0.0), gc.mean(gc.sum(plain, 1))]
    found, grads = differentiated(outputs, loss, feeds)
    assert found[0] == pytest.approx(2.449263373, abs=1e-9)
    assert CS(grads[1]) == pytest.approx(0.948635276, abs=1e-9)
    assert found[1] == pytest.approx(found[2], rel=1e-12)
    W, m, s = gc.variable(S(1, 2, 4)), gc.variable(S(2, 4, 2)), gc.variable(S(3, 2))
    log_variance = gc.variable(np.array(0.0))
    linear = probability.VAE(
        lambda x: (x @ m, s), lambda z: z @ W,
        lambda x, y: probability.normal_log_density(x, y, log_variance),
    )  # fmt: skip
    nodes, weights = quadrature(2, 2)
    rate, distortion = linear.terms(constant(CENTRED), nodes)
    least = minimised(gc.sum(rate) + gc.sum(weights * distortion), [W, m, s, log_variance])
    assert least == pytest.approx(63.214186352, abs=1e-6)
    assert np.exp(log_variance.value) == pytest.approx(0.016941093, rel=1e-4)
    small = probability.VAE(
        probability.GaussianHead(4, 2, nn.Dense(3, 4, gc.tanh, seed=0)), nn.Dense(2, 3, seed=1)
    )
    noise = random.normal(random.Generator(0), (4, 2))
    learns(small.loss(gc.constant(BITS.astype(np.float32)), noise), small.parameters(), part=0.85)


@row("GEN-18", FILE)
def test_gen_18_rate_and_distortion():
    """With β = 1 minus the ELBO; the more the divergence weighs, the lower the rate and the higher
    the distortion.
    """
    feeds, model, x, e = network(beta=1.0)
    beta = list(feeds)[-1]
    rate, distortion = model.terms(x, e)
    loss = model.loss(x, e, beta=beta)
    (a, b), _ = differentiated([loss, gc.mean(rate + distortion)], loss, feeds)
    assert a == pytest.approx(b, rel=1e-13)
    weight = gc.variable(np.array(1.0), trainable=False)
    W, m, s = gc.variable(S(1, 1, 4)), gc.variable(S(2, 4, 1)), gc.variable(S(3, 1))
    linear = probability.VAE(
        lambda x: (x @ m, s + 0 * x[:, :1]), lambda z: z @ W, probability.normal_likelihood(1.0)
    )
    nodes, weights = quadrature(2)
    each, distortion = linear.terms(constant(CENTRED), nodes)
    rate, error = gc.mean(each), gc.sum(weights * distortion) / 40
    curve = []
    look = gc.compile([], [rate, error])
    for value in (0.1, 0.4, 2.0):
        weight.value = np.array(value)
        minimised(weight * rate + error, [W, m, s])
        curve.append(look())
    rates, distortions = np.array(curve).T
    assert (np.diff(rates) < 0).all() and (np.diff(distortions) > 0).all()


@row("GEN-19", "graphc/nn/losses.py")
def test_gen_19_decoders_of_pixels():
    """.440189699 for two bits; 256 levels for each of 28 by 28 pixels: the logarithm of 256 each
    for equal logits; both learn.
    """
    feeds = symbols(logits=np.array([2.0, -1]))
    (logits,) = feeds
    loss = nn.binary_cross_entropy(logits, constant([1.0, 0]), "sum")
    (value,), _ = differentiated([loss], loss, feeds)
    assert value == pytest.approx(0.440189699, abs=1e-9)
    pixels = (np.arange(28 * 28) * 7 % 256).reshape(1, 28, 28)
    levels = gc.placeholder("levels", ("n", 28, 28, 256))
    image = gc.placeholder("image", ("n", 28, 28), gc.int64)
    flat = nn.cross_entropy(levels, image, reduction="sum")
    found = run(flat, {levels: np.zeros((1, 28, 28, 256), np.float32), image: pixels})
    assert found == pytest.approx(784 * math.log(256), rel=1e-5)
    z = gc.constant(S(0, 1, 3).astype(np.float32))
    few = gc.constant(pixels[:, :3, :3])
    wide, narrow = nn.Dense(3, 9 * 256, seed=0), nn.Dense(3, 9, seed=1)
    logits = gc.reshape(wide(z), (1, 3, 3, 256))
    binary = gc.astype(few >= 128, "float32")
    bits = nn.binary_cross_entropy(gc.reshape(narrow(z), (1, 3, 3)), binary)
    learns(nn.cross_entropy(logits, few), wide.parameters(), part=0.7)
    learns(bits, narrow.parameters())


@row("GEN-20", FILE)
def test_gen_20_conditional_vae():
    """A net that ignores y gives the bound without; a linear one reaches the log density of x given
    y; differences.
    """
    feeds, model, x, e = network(y=S(6, 4, 2))
    y = list(feeds)[-1]
    both_losses = [model.loss(x, e, y), model.loss(x, e)]
    found, _ = differentiated(both_losses, both_losses[0], feeds, count=1)
    assert found[0] == found[1] == pytest.approx(2.449263373, abs=1e-9)
    # z | y ~ N(.5 y, 1) and x | z, y ~ N(2 z - y, .25); with y ~ N(0, 1) jointly normal.
    covariance = np.array([[4 + 0.25, 0], [0, 1.0]])
    xs, ys = S(0, 5, 1), S(3, 5, 1)
    m, s = gc.variable(np.zeros((2, 1))), gc.variable(np.zeros(1))
    linear = probability.VAE(
        lambda xy: (xy @ m, s + 0 * xy[:, :1]), lambda zy: 2 * zy[..., :1] - zy[..., 1:],
        probability.normal_likelihood(0.25), lambda y: (0.5 * y, 0 * y),
    )  # fmt: skip
    nodes, _ = quadrature(2)
    noise = gc.broadcast_to(nodes, (2, 5, 1))
    terms = [linear.terms(constant(xs), noise[k], constant(ys)) for k in range(2)]
    loss = sum(gc.sum(rate + distortion) for rate, distortion in terms) / 2
    slope = covariance[0, 1] / covariance[1, 1]
    variance = covariance[0, 0] - covariance[0, 1] * slope
    exact = density(xs, slope * ys, variance).sum()
    assert -minimised(loss, [m, s]) == pytest.approx(exact, rel=1e-9)
