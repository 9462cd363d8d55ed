"""Samplers, fits of normal laws, and distances between samples (catalogue 5, B and D)."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

import graphc as gc
from graphc import probability, random
from tests.systems.catalogue import S, both, row, run, symbols
from tests.systems.generating import constant, minimised, quadrature
from tests.systems.sequences import differentiated, learns

DENSITIES, TESTS = "graphc/probability/distributions.py", "graphc/probability/two_sample.py"
N = 20_000


@row("GEN-12", "graphc/ops/randomness/distributions.py")
def test_gen_12_base_samplers():
    """Exponential, Laplace, Gumbel and normal draws by inverse distribution functions, pairs by
    Box and Muller: laws by Kolmogorov and Smirnov, moments within 4 standard errors, no
    correlation, no u of 0.
    """
    keys = [random.key(k) for k in range(6)]
    wide = {"shape": (N,), "dtype": "float64"}
    first, second = random.normal_pair(keys[0], **wide)
    u = random.uniform(keys[1], **wide)
    draws = {
        "expon": random.exponential(keys[1], **wide), "laplace": random.laplace(keys[2], **wide),
        "gumbel_r": random.gumbel(keys[3], **wide), "norm": random.normal(keys[4], **wide),
    }  # fmt: skip
    more = [first, second, -gc.log1p(-u) / 2.0, gc.min(1 - u)]
    *laws, a, b, half, least = both([*draws.values(), *more])
    for name, x in [*zip(draws, laws, strict=True), ("norm", a), ("norm", b)]:
        law = getattr(scipy.stats, name)
        assert scipy.stats.kstest(x, law.cdf).pvalue > 1e-3
        assert abs(x.mean() - law.mean()) < 4 * law.std() / math.sqrt(N)
        spread = math.sqrt((law.stats(moments="k") + 2) * law.var() ** 2 / N)
        assert abs(((x - law.mean()) ** 2).mean() - law.var()) < 4 * spread
    np.testing.assert_allclose(half, laws[0] / 2, rtol=1e-15)
    assert abs((a * b).mean()) < 4 / math.sqrt(N) and least > 0
    assert abs((a * a * b * b).mean() - 1) < 4 * math.sqrt(8 / N)


@row("GEN-26", DENSITIES)
def test_gen_26_laplace_approximation():
    """.560499 for l = cosh x - 1 and n = 20, beside .557090 by quadrature; exact for a quadratic
    in two dimensions.
    """
    feeds = symbols(x=np.zeros(1), H=np.array([[2.0, 0.3], [0.3, 1]]))
    x, H = feeds
    least = gc.cosh(x[0]) - 1
    points = gc.linspace(-6, 6, 2001, dtype="float64")
    values = [
        gc.exp(probability.log_laplace_integral(least, gc.hessian(least, x), 20)),
        gc.sum(gc.exp(-20 * (gc.cosh(points) - 1))) * (12 / 2000),
        probability.log_laplace_integral(constant(0.7), H, 3.0),
    ]
    close, exact, flat = both(values, feeds)
    assert close == pytest.approx(0.560499, abs=5e-7)
    assert exact == pytest.approx(0.557090, abs=5e-7)
    assert flat == pytest.approx(-2.1 + math.log(2 * math.pi / 3) - 0.5 * math.log(1.91))


@row("GEN-27", DENSITIES)
def test_gen_27_gaussian_fits():
    """Of factorised fits to a correlation of .9, one divergence gives variances of .19, the other
    1; for two modes the first has several minima, the second matches moments; differences.
    """
    C = constant([[1, 0.9], [0.9, 1]])
    none = constant(np.zeros(2))
    feeds = symbols(s=np.array([0.2, -0.4]), m=np.array([0.3, 0.1]))
    s, m = feeds
    forth = probability.multivariate_gaussian_kl(m, gc.diag(gc.exp(s)), none, C)
    back = probability.multivariate_gaussian_kl(none, C, m, gc.diag(gc.exp(s)))
    differentiated([forth, back], forth + back, feeds)
    q = probability.FreeGaussian((2,), "float64")
    for forward, variance in ((True, 0.19), (False, 1.0)):
        fit = (q.mean, gc.diag(gc.exp(q.log_variance)))
        pair = (*fit, none, C) if forward else (none, C, *fit)
        minimised(probability.multivariate_gaussian_kl(*pair), q.parameters())
        np.testing.assert_allclose(np.exp(q.log_variance.value), variance, rtol=1e-5)
    nodes, weights = (x[:, 0] for x in quadrature(40))

    def log_p(x):
        modes = [probability.normal_log_density(x, centre) for centre in (-3.0, 3.0)]
        return gc.logaddexp(*modes) - math.log(2)

    q = probability.FreeGaussian((1,), "float64")
    z = probability.reparameterised(*q(), nodes[:, 0])
    entropy = 0.5 * gc.sum(q.log_variance) + 0.5 * math.log(2 * math.pi * math.e)
    loss = -entropy - gc.sum(weights * log_p(z))
    ends = []
    for start in (-2.0, 2.0):
        q.mean.value, q.log_variance.value = np.array([start]), np.zeros(1)
        ends.append((minimised(loss, q.parameters()), float(q.mean.value[0])))
    assert ends[0][0] == pytest.approx(ends[1][0], rel=1e-6)
    assert ends[0][1] < -2.5 and ends[1][1] > 2.5
    x = constant(np.concatenate([run(nodes[:, 0]) - 3, run(nodes[:, 0]) + 3]))
    chances = constant(np.tile(run(weights), 2) / 2)
    cross = -gc.sum(chances * probability.normal_log_density(x, *q()))
    learns(cross, q.parameters(), steps=200, rate=0.1, part=0.9)
    np.testing.assert_allclose(
        [q.mean.value[0], np.exp(q.log_variance.value[0])], [0, 10], atol=0.1
    )


@row("GEN-28", DENSITIES)
def test_gen_28_wasserstein_distance():
    """N(0, 1) to N(1, 2²): 2; three dimensions beside SciPy's root; of samples it is GEN-43."""
    A, B = np.cov(S(0, 3, 8) ** 3), np.cov(S(1, 3, 8) ** 3)
    cross = scipy.linalg.sqrtm(A @ B).real
    feeds = symbols(x=S(0, 30, 2), y=S(3, 20, 2) ** 3)
    x, y = feeds
    one = [probability.frechet_distance(*(constant(v) for v in ([0], [[1]], [1], [[4]])))]
    three = probability.frechet_distance(
        constant([1, 2, 3]), constant(A), constant([0, 0, 1]), constant(B)
    )
    sampled = probability.frechet_distance(*probability.moments(x), *probability.moments(y))
    found = both([*one, three, sampled], feeds)
    assert found[0] == pytest.approx(2, rel=1e-12)
    assert found[1] == pytest.approx(9 + np.trace(A + B - 2 * cross), rel=1e-7)
    X, Y = feeds.values()
    covariances = [np.cov(v.T, bias=True) for v in (X, Y)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    fid = ((X.mean(0) - Y.mean(0)) ** 2).sum() + np.trace(sum(covariances) - 2 * root)
    assert found[2] == pytest.approx(fid, rel=1e-7)


@row("GEN-42", TESTS)
def test_gen_42_two_sample_tests():
    """On equal laws the permutation test rejects at its level and p-values are uniform, on others
    nearly always; a perfect discriminator scores 2, a blind one 1.
    """
    x, y = gc.placeholder("x", (12,), gc.float64), gc.placeholder("y", (10,), gc.float64)
    p = probability.permutation_test(probability.mean_difference, x, y, random.Generator(0), 99)
    test = gc.compile([x, y], p)
    rng = np.random.default_rng(0)
    null = np.array([test(rng.standard_normal(12), rng.standard_normal(10)) for _ in range(400)])
    assert abs((null <= 0.05).mean() - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 400)
    assert abs(null.mean() - 0.505) < 4 * math.sqrt(1 / 12 / 400)
    moved = [test(rng.standard_normal(12), rng.standard_normal(10) + 2) for _ in range(50)]
    assert np.mean(np.array(moved) <= 0.05) > 0.9
    feeds = symbols(real=np.array([1.0, 2, 3]), fake=np.array([-1.0, -4]))
    real, fake = feeds
    scores = [
        probability.classifier_statistic(real, fake),
        probability.classifier_statistic(real, -fake),
    ]
    np.testing.assert_array_equal(both(scores, feeds), [2, 1])


@row("GEN-43", DENSITIES)
def test_gen_43_frechet_inception_distance():
    """5.929311855 for printed moments; 0 for a set of features and itself, more for another."""
    moments = [[1, 2], [[2, 0.5], [0.5, 1]], [0, 0], [[1, -0.3], [-0.3, 3]]]
    x = gc.placeholder("x", ("n", 3), gc.float64)
    y = gc.placeholder("y", ("m", 3), gc.float64)
    values = [
        probability.frechet_distance(*map(constant, moments)),
        probability.frechet_distance(*probability.moments(x), *probability.moments(x)),
        probability.frechet_distance(*probability.moments(x), *probability.moments(y)),
    ]
    found = both(values, {x: S(0, 20, 3) ** 3, y: S(1, 30, 3)})
    assert found[0] == pytest.approx(5.929311855, abs=1e-8)
    assert abs(found[1]) < 1e-7 < found[2]


@row("GEN-44", TESTS)
def test_gen_44_maximum_mean_discrepancy():
    """1.162375548 for {0, 1} and {2, 3}; 0 for a set and itself; without bias 0 on average for one
    law; differences; a sample moved to lower it meets the other.
    """
    feeds = symbols(x=np.array([[0.0], [1]]), y=np.array([[2.0], [3]]))
    x, y = feeds
    kernel = probability.gaussian_kernel()
    value = probability.squared_mmd(x, y, kernel)
    found, _ = differentiated([value, probability.squared_mmd(x, x, kernel)], value, feeds)
    assert found[0] == pytest.approx(1.162375548, abs=1e-8) and abs(found[1]) < 1e-15

    def null(key):
        pair = random.normal(key, (2, 6, 1), dtype="float64")
        return probability.squared_mmd(pair[0], pair[1], kernel, biased=False)

    draws = run(gc.vmap(null)(random.split(random.key(0), 500)))
    assert abs(draws.mean()) < 4 * draws.std() / math.sqrt(500)
    z = gc.variable(np.array([[1.2], [3.4]]))
    learns(
        probability.squared_mmd(z, constant([[2], [3]]), kernel), [z], steps=80, rate=0.05, part=0.1
    )
