"""Deeper, discrete and invertible latent variables (catalogue 5, B)."""

import math

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, probability, random
from tests.systems.catalogue import CS, S, both, row, run, symbols
from tests.systems.generating import WIDE, constant, minimised
from tests.systems.sequences import checksum, differentiated, learns
from tests.systems.test_gen_variational import BITS, density, network, worked_example

FILE, QUANTISED, FLOWS = (
    "graphc/probability/variational.py",
    "graphc/nn/quantisation.py",
    "graphc/probability/flows.py",
)


@row("GEN-21", FILE)
def test_gen_21_importance_weighted_autoencoder():
    """The bounds of the worked example for k = 1, 5, 50 and 500 are as printed and grow to log p;
    the net's is 2.227965724, CS of dW .479761421; it learns.
    """
    repeats, each = 4000, [1, 5, 50, 500]
    noise = random.normal(random.key(0), (500, repeats, 1), dtype="float64")
    model = worked_example(constant([[0.2]]), constant([[math.log(0.09)]]))
    weights = model.log_weights(constant([[1.7]]), noise)
    bounds = np.array(run([probability.importance_bound(weights[:k]) for k in each]))
    error = bounds.std(1) / math.sqrt(repeats)
    printed = np.array([-1.8948, -1.7239, -1.7022, -1.7004])
    assert (abs(bounds.mean(1) - printed) < 4 * error + 5e-5).all()
    assert (np.diff(bounds.mean(1)) > 0).all()
    assert abs(bounds[-1].mean() - -1.700045083) < 1e-3
    feeds, model, x, _ = network(more=S(4, 3, 4, 2))
    loss = -gc.mean(probability.importance_bound(model.log_weights(x, list(feeds)[-1])))
    (value,), grads = differentiated([loss], loss, feeds, count=1)
    assert value == pytest.approx(2.227965724, abs=1e-9)
    assert CS(grads[1]) == pytest.approx(0.479761421, abs=1e-9)
    small = probability.VAE(
        probability.GaussianHead(3, 2, seed=0, **WIDE), nn.Dense(2, 3, seed=1, **WIDE)
    )
    noise = random.normal(random.Generator(0), (3, 4, 2), dtype="float64")
    bound = probability.importance_bound(small.log_weights(constant(BITS), noise))
    learns(-gc.mean(bound), small.parameters(), part=0.8)


@row("GEN-22", FILE)
def test_gen_22_learnt_prior():
    """The best normal prior has the mean and variance of the aggregate posterior; a q for each
    sample is no worse than a shared encoder; both fall in one ELBO; differences.
    """
    means, logs = S(0, 6, 1) * 2, S(3, 6, 1)
    prior = probability.FreeGaussian((1,), "float64")
    minimised(
        gc.sum(probability.gaussian_kl(constant(means), constant(logs), *prior())),
        prior.parameters(),
    )
    variance = (np.exp(logs) + means**2).mean() - means.mean() ** 2
    found = [prior.mean.value[0], np.exp(prior.log_variance.value[0])]
    np.testing.assert_allclose(found, [means.mean(), variance], rtol=1e-5)
    x = constant(S(0, 6, 2) ** 3)
    noise = constant(S(2, 6, 1))
    decoder = nn.Dense(1, 2, gc.tanh, seed=2, **WIDE)
    shared, free = (
        probability.GaussianHead(2, 1, seed=0, **WIDE),
        probability.FreeGaussian((6, 1), "float64"),
    )
    least = []
    for q, learnt in ((shared, [decoder, prior]), (free, [])):
        model = probability.VAE(q, decoder, probability.normal_likelihood(0.1), prior)
        loss = model.loss(x, noise)
        parameters = [p for layer in (q, *learnt) for p in layer.parameters()]
        before = run(loss)
        least.append(minimised(loss, parameters))
        assert least[-1] < before
    assert least[1] < least[0] - 1e-3
    feeds = symbols(m=S(1, 1), s=S(2, 1))
    given = probability.VAE(
        shared, decoder, probability.normal_likelihood(0.1), lambda _: tuple(feeds)
    )
    differentiated([], given.loss(x, noise), feeds)


@row("GEN-23", FILE)
def test_gen_23_hierarchical_vae():
    """Two levels with the exact posteriors give log p = -1.634911344 for every noise, other q less
    on average; differences; three levels of nets learn.
    """
    feeds = symbols(
        a=2 / 3, b=0.0, s=math.log(2 / 3), c=0.5, r=math.log(0.5), n=S(0, 400, 1), k=S(7, 400, 1)
    )
    a, b, s, c, r, n, k = feeds
    model = probability.HierarchicalVAE(
        [lambda x: (a * x + b, s), lambda z: (c * z, r)],
        [lambda z: z, lambda z: (z, constant(0.0))],
        lambda x, z: probability.normal_log_density(x, z),
    )
    weights = model.log_weights(gc.ones((400, 1), "float64"), [n, k])
    found, _ = differentiated([weights], -gc.mean(weights), feeds, count=1)
    np.testing.assert_allclose(found[0], density(1, 0, 3), rtol=1e-12)
    assert density(1, 0, 3) == pytest.approx(-1.634911344, abs=1e-9)
    rng = np.random.default_rng(0)
    draws = {n: rng.standard_normal((400, 1)), k: rng.standard_normal((400, 1))}
    bound = gc.compile(list(feeds), gc.mean(weights))
    for name, value in ((a, 0.3), (s, 0.5), (c, 0.9), (r, -2.0)):
        assert bound(*{**feeds, **draws, name: np.array(value)}.values()) < density(1, 0, 3) - 0.05
    sizes = [(3, 2), (2, 2), (2, 1)]
    encoders = [probability.GaussianHead(*size, seed=t, **WIDE) for t, size in enumerate(sizes)]
    upper = [
        probability.GaussianHead(*size[::-1], seed=t, **WIDE) for t, size in enumerate(sizes[1:])
    ]
    deep = probability.HierarchicalVAE(encoders, [nn.Dense(2, 3, seed=5, **WIDE), *upper])
    key = random.Generator(0)
    noises = [random.normal(key, (4, size), dtype="float64") for _, size in sizes]
    loss = -gc.mean(deep.log_weights(constant(BITS), noises))
    learns(loss, deep.parameters(), part=0.8)


@row("GEN-24", QUANTISED)
def test_gen_24_vq_vae():
    """Indices 0, 0, 2, 0 and mean |e - c|² .782500868; the decoder's gradient reaches e unchanged,
    codes learn from their term alone, or as running means; two levels learn.
    """
    quantiser = nn.VectorQuantiser(3, 2, **WIDE)
    feeds = symbols(e=S(0, 4, 2), codes=S(1, 3, 2), w=S(2, 4, 2))
    e, quantiser.codes, w = feeds
    c = quantiser.codes
    indices, q = quantiser.nearest(e), quantiser(e)
    decoded, loss = gc.sum(w * q**2), quantiser.loss(e, 0.25)
    square = gc.mean(gc.sum((e - quantiser.decode(indices)) ** 2, 1))
    outputs = [indices, square, q, gc.grad(decoded, e), gc.grad(decoded, q), gc.grad(decoded, c)]
    outputs += [loss, gc.grad(loss, c), gc.grad(loss, e)]
    found = both(outputs, feeds)
    E, C, _ = feeds.values()
    np.testing.assert_array_equal(found[0], [0, 0, 2, 0])
    assert found[1] == pytest.approx(0.782500868, abs=1e-9)
    np.testing.assert_array_equal(found[2], C[found[0]])
    np.testing.assert_array_equal(found[3], found[4])
    assert not found[5].any()
    assert found[6] == pytest.approx(1.25 * 0.782500868 / 2, abs=1e-9)
    chosen = np.eye(3)[found[0]]
    slope = C[found[0]] - E
    np.testing.assert_allclose(found[7], chosen.T @ slope * 2 / 8, atol=1e-15)
    np.testing.assert_allclose(found[8], -0.25 * slope * 2 / 8, atol=1e-15)
    means = nn.VectorQuantiser(3, 2, average=True, seed=0, **WIDE)
    means.codes.value = means.sums.value = S(1, 3, 2)
    assert not means.parameters()
    data = constant(S(0, 4, 2))
    step = gc.compile([], means.loss(data), updates=means.updates(data, 0.5))
    losses = [float(step()) for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]
    near = run(means.nearest(data))
    for k in set(near):
        np.testing.assert_allclose(means.codes.value[k], E[near == k].mean(0), atol=1e-9)
    assert len(set(near)) == 2 and np.isfinite(means.codes.value).all()
    two_levels()


def two_levels():
    """An encoder whose code is quantised at a coarse level, and what that leaves at a fine one."""
    x = gc.constant(S(0, 8, 4).astype(np.float32))
    down, up = nn.Dense(4, 3, gc.tanh, seed=0), nn.Dense(3, 2, seed=1)
    coarse, fine = nn.VectorQuantiser(4, 2, seed=2), nn.VectorQuantiser(6, 3, seed=3)
    widen, decode = nn.Dense(2, 3, seed=4), nn.Dense(5, 4, seed=5)
    low = down(x)
    high = up(low)
    top = coarse(high)
    rest = low + widen(top)
    y = decode(gc.concat([fine(rest), top], axis=1))
    parts = [down, up, coarse, fine, widen, decode]
    parameters = [p for part in parts for p in part.parameters()]
    learns(nn.mse(y, x) + coarse.loss(high) + fine.loss(rest), parameters, part=0.6)


@row("GEN-25", "graphc/probability/topics.py")
def test_gen_25_latent_dirichlet_allocation():
    """The bound grows with each half step; with one topic that is the share of each word; the
    gradient for topics by differences; a corpus of two topics is told apart.
    """
    generator = random.Generator(0)
    topics = np.array([[4, 4, 2, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 2, 4, 4.0]])
    topics /= topics.sum(1, keepdims=True)
    shares = random.dirichlet(generator, gc.constant(np.array([0.3, 0.3])), (12,), "float64")
    words = random.categorical(generator, gc.log(shares @ constant(topics)), shape=(30,))
    corpus = run(gc.sum(gc.one_hot(words, 6, "float64"), 0))
    assert corpus.sum() == 12 * 30
    alpha = np.array([0.3, 0.3])
    start = np.array([[1, 2, 1, 1, 1, 1], [1, 1, 1, 1, 2, 1.0]]) / 7
    feeds = symbols(n=corpus, gamma=np.ones((12, 2)), topics=start, alpha=alpha)
    n, gamma, t, a = feeds
    bound = gc.sum(probability.topic_bound(n, gamma, t, a))
    outputs = [
        bound,
        probability.document_step(n, gamma, t, a),
        probability.topic_step(n, gamma, t),
    ]
    (_, *_), _ = differentiated(outputs, bound, feeds, [gamma, t, a], count=1)
    f = gc.compile(list(feeds), outputs)
    g, b, bounds = np.ones((12, 2)), start, []
    for k in range(80):
        value, next_gamma, next_topics = f(corpus, g, b, alpha)
        bounds.append(float(value))
        g, b = (g, next_topics) if k % 4 == 3 else (next_gamma, b)
    assert (np.diff(bounds) > -1e-9).all() and bounds[-1] > bounds[0] + 10
    np.testing.assert_allclose(b, topics, atol=0.1)
    one = probability.topic_step(n, gamma[:, :1], t[:1])
    np.testing.assert_allclose(run(one, feeds)[0], corpus.sum(0) / 360, rtol=1e-12)


def printed_coupling(x):
    """The scale and shift of the catalogue's fixture."""
    return gc.tanh(x @ constant(S(1, 2, 2))), x @ constant(S(2, 2, 2))


@row("GEN-29", FLOWS)
def test_gen_29_normalising_flows():
    """CS(y) and the log determinants as printed, those of the whole Jacobian; the inverse to 1e-12;
    a density in one dimension integrates to 1; an attention as the net; fitting.
    """
    flow = probability.AffineCoupling(2, printed_coupling)
    x = gc.placeholder("x", (4, 4), gc.float64)
    y, log_det = flow(x)
    full = gc.linalg.slogdet(gc.vmap(lambda v: gc.jacobian(flow(v[None])[0][0], v))(x))[1]
    outputs = [y, log_det, flow.inverse(y), full]
    found, _ = differentiated(outputs, checksum(y) + gc.sum(log_det), {x: S(0, 4, 4)})
    assert CS(found[0]) == pytest.approx(2.188951659, abs=1e-9)
    printed = [-0.444542096, -0.610638257, 1.239986716, -1.040585074]
    np.testing.assert_allclose(found[1], printed, atol=1e-9)
    np.testing.assert_allclose(found[2], S(0, 4, 4), atol=1e-12)
    np.testing.assert_allclose(found[3], found[1], rtol=1e-12)
    attend = nn.SelfAttention(2, 1, dtype="float64")
    tokens = probability.AffineCoupling(2, lambda v: (gc.tanh(attend(v)), attend(v)), mirrored=True)
    seen = constant(S(0, 2, 3, 4))
    z, volume = tokens(seen)
    slopes = gc.jacobian(z[0], seen)[:, :, 0]
    back, whole, volume = run([tokens.inverse(z), slopes, volume])
    np.testing.assert_allclose(back, S(0, 2, 3, 4), atol=1e-12)
    assert np.linalg.slogdet(whole.reshape(12, 12))[1] == pytest.approx(volume[0], abs=1e-10)
    grid = np.linspace(-6, 6, 1201)
    mass = gc.sum(gc.exp(probability.Flow(cubic).log_density(constant(grid[:, None])))) * 0.01
    assert run(mass) == pytest.approx(1, abs=1e-9)
    two = probability.Flow(
        probability.AffineCoupling(1, net(0)), probability.AffineCoupling(1, net(2), mirrored=True)
    )
    data = np.random.default_rng(0).standard_normal((64, 2)) * [1, 0.3] + [0, 1]
    learns(-gc.mean(two.log_density(constant(data))), two.parameters(), part=0.8)


def cubic(x):
    """A step of a flow in one dimension, and its log slope."""
    return x + 0.3 * x**3, gc.sum(gc.log(1 + 0.9 * x**2), 1)


def net(seed):
    """A small net for a coupling of two elements."""
    scale, shift = nn.Dense(1, 1, seed=seed, **WIDE), nn.Dense(1, 1, seed=seed + 1, **WIDE)

    class Net(nn.Layer):
        def __init__(self):
            self.scale, self.shift = scale, shift

        def __call__(self, x):
            return gc.tanh(scale(x)), shift(x)

    return Net()


@row("GEN-30", FILE)
def test_gen_30_completion():
    """The best z for all pixels restores an image, for some of them its hidden part, with frozen
    weights; interpolation begins and ends exactly; what is generated can be trained on.
    """
    decoder = nn.Dense(2, 5, gc.tanh, seed=0, **WIDE)
    frozen = decoder.state_dict()
    target = run(decoder(constant([[0.7, -0.4]])))
    mask = gc.placeholder("mask", (1, 5), gc.float64)
    z = gc.variable(np.zeros((1, 2)), "z")
    y = decoder(z)
    loss = gc.sum(mask * (y - constant(target)) ** 2)
    step = gc.compile([mask], [loss, y], updates=optim.Adam(0.1).updates(loss, [z]))
    for given in (np.ones((1, 5)), np.array([[1.0, 1, 1, 0, 0]])):
        z.value = np.zeros((1, 2))
        values = [step(given) for _ in range(200)]
        assert values[-1][0] < 1e-6 * values[0][0]
        np.testing.assert_allclose(values[-1][1], target, atol=2e-3)
    for name, array in decoder.state_dict().items():
        np.testing.assert_array_equal(array, frozen[name])
    a, b = S(0, 2), S(5, 2)
    line = run(probability.interpolated(constant(a), constant(b), 5))
    np.testing.assert_array_equal(line[[0, -1]], [a, b])
    np.testing.assert_allclose(line[2], (a + b) / 2)
    made = run(decoder(random.normal(random.key(0), (16, 2), dtype="float64")))
    head = nn.Dense(5, 1, seed=1, **WIDE)
    label = constant((made[:, 0] > 0) * 1.0)
    learns(nn.binary_cross_entropy(head(constant(made))[:, 0], label), head.parameters(), part=0.8)
