"""Linear factor models (catalogue 6, A)."""

import numpy as np
import pytest
from scipy import linalg

import graphc as gc
from graphc import nn, optim, probability
from graphc.nn import penalties
from tests.systems.catalogue import S, both, row, run, symbols
from tests.systems.sequences import differentiated, learns

FACTORS, ICA = "graphc/probability/factors.py", "graphc/probability/independent.py"
X4 = S(0, 40, 4) + 0.3 * S(7, 40, 4) ** 2
CENTRED = X4 - X4.mean(0)


@row("FAC-01", FACTORS)
def test_fac_01_linear_factor_model():
    """Draws with normal and with Laplace factors have mean b and covariance W W^T (times the
    factors' variance) plus the noise's, within four standard errors.
    """
    feeds = symbols(W=S(1, 3, 2), b=np.array([1.0, -2, 0.5]), v=np.array([0.3, 0.2, 0.5]))
    W, b, v = feeds
    count, key = 5000, gc.random.key(1)
    normal = probability.factor_sample(key, count, W, b, v)
    heavy = probability.factor_sample(key, count, W, b, v, gc.random.laplace)
    few = probability.factor_sample(key, 4, W, b, v)
    found = both([normal, heavy, few, probability.covariance(normal)], feeds)
    w = feeds[W]
    for x, scale in ((found[0], 1), (found[1], 2)):
        wanted = scale * w @ w.T + np.diag(feeds[v])
        centred = x - feeds[b]
        products = centred[:, :, None] * centred[:, None, :]
        error = products.std(0) / np.sqrt(count)
        assert (abs(centred.mean(0)) < 4 * np.sqrt(np.diag(wanted) / count)).all()
        assert (abs(products.mean(0) - wanted) < 4 * error).all()
    np.testing.assert_allclose(found[3], np.cov(found[0].T, bias=True), rtol=1e-10)


@row("FAC-02", FACTORS)
def test_fac_02_factor_analysis():
    """By gradient through a solve and log det, and by expectation and maximisation, which never
    falls, the one factor and the noise of a covariance are found, and the likelihood is as printed;
    the posterior is that of the joint normal law.
    """
    w, psi = np.array([[1.0], [0.8], [0.6], [0.4]]), np.array([0.5, 0.4, 0.3, 0.2])
    C = w @ w.T + np.diag(psi)
    feeds = symbols(S=C, W=S(0, 4, 1) + 0.6, v=np.array([0.3, 0.4, 0.5, 0.6]), x=S(2, 3, 4))
    data, W, v, x = feeds
    start = probability.factor_log_likelihood(data, W, v)

    def step(state, _):
        new = probability.factor_step(data, *state)
        return new, probability.factor_log_likelihood(data, *new)

    (last, noise), values = gc.scan(step, (W, v), length=400)
    means, spread = probability.factor_posterior(x, W, gc.zeros((4,), dtype="float64"), v)
    joint = gc.concat(
        [gc.concat([gc.eye(1, dtype="float64"), W.T], 1), gc.concat([W, W @ W.T + gc.diag(v)], 1)]
    )
    given = probability.gaussian_given(gc.zeros((5,), dtype="float64"), joint, range(1, 5), x[0])
    outputs = [start, values, last, noise, means, spread, *given]
    found, _ = differentiated(outputs, start, feeds, [W, v])
    assert (np.diff([found[0], *found[1]]) > -1e-12).all()
    assert found[1][-1] == pytest.approx(-4.407864643, abs=6e-10)
    np.testing.assert_allclose(found[2] * np.sign(found[2][0]), w, atol=1e-5)
    np.testing.assert_allclose(found[3], psi, atol=1e-5)
    np.testing.assert_allclose(found[4][0], found[6], rtol=1e-12)
    np.testing.assert_allclose(found[5], found[7], rtol=1e-12)
    free, logs = gc.variable(S(0, 4, 1) + 0.6), gc.variable(np.zeros(4))
    loss = -probability.factor_log_likelihood(gc.constant(C), free, gc.exp(logs))
    losses = learns(loss, [free, logs], steps=400, rate=0.03, part=0.95)
    assert losses[-1] == pytest.approx(4.407864643, abs=1e-6)
    np.testing.assert_allclose(np.exp(logs.value), psi, atol=2e-3)


@row("FAC-03", FACTORS)
def test_fac_03_probabilistic_pca():
    """Noise and likelihood as printed; there the likelihood's gradient is zero, and training ends
    no higher; without noise the posterior mean is the projection of PCA.
    """
    feeds = symbols(X=X4, W=S(1, 4, 2), v=np.array(0.3))
    X, W, v = feeds
    C = probability.covariance(X)
    best, noise = probability.probabilistic_pca(C, 2)
    ones = gc.ones((4,), dtype="float64")
    value = 40 * probability.factor_log_likelihood(C, best, noise * ones)
    density = probability.multivariate_normal_log_density(
        X, gc.mean(X, 0), best @ best.T + noise * gc.eye(4, dtype="float64")
    )
    held = gc.stop_gradient(best), gc.stop_gradient(noise)
    flat = gc.grad(probability.factor_log_likelihood(C, held[0], held[1] * ones), list(held))
    h, _ = probability.factor_posterior(X, best, gc.mean(X, 0), 1e-10 * ones)
    axes = probability.pca(X, 2)
    gap = h @ best.T + axes.mean - axes.decode(axes.encode(X))
    loss = -probability.factor_log_likelihood(C, W, v * ones)
    found, _ = differentiated([noise, value, gc.sum(density), *flat, gap], loss, feeds)
    assert found[0] == pytest.approx(0.016941093, abs=6e-10)
    np.testing.assert_allclose(found[1:3], -63.214186352, atol=6e-9)
    assert abs(found[3]).max() < 1e-9 and abs(found[4]) < 1e-9
    assert abs(found[5]).max() < 1e-6
    free, log = gc.variable(S(1, 4, 2)), gc.variable(np.array(0.0))
    data = gc.constant(CENTRED.T @ CENTRED / 40)
    loss = -40 * probability.factor_log_likelihood(data, free, gc.exp(log) * ones)
    losses = learns(loss, [free, log], steps=400, rate=0.05, part=0.9)
    assert losses[-1] == pytest.approx(63.214186352, abs=1e-3)
    assert min(losses) > 63.214186352 - 1e-8


@row("FAC-04", FACTORS)
def test_fac_04_pca():
    """Variances as printed, from singular values and from eigenvalues of the covariance; axes up to
    sign; the error of two coordinates is the sum of what was left out.
    """
    feeds = symbols(X=X4)
    (X,) = feeds
    whole, two = probability.pca(X), probability.pca(X, 2)
    again = two.decode(two.encode(X))
    values, vectors = gc.linalg.eigh(probability.covariance(X))
    outputs = [whole.variances, whole.axes, values, vectors, gc.sum((X - again) ** 2)]
    variances, axes, w, v, error = both(outputs, feeds)
    printed = [1.223156097, 0.789616980, 0.022837308, 0.011044878]
    np.testing.assert_allclose(variances, printed, atol=6e-10)
    np.testing.assert_allclose(w[::-1], printed, atol=6e-10)
    np.testing.assert_allclose(abs(axes.T @ v[:, ::-1]), np.eye(4), atol=1e-10)
    assert error == pytest.approx(1.355287437, abs=6e-9)
    assert error == pytest.approx(40 * variances[2:].sum(), rel=1e-10)


@row("FAC-05", "graphc/nn/normalisation.py")
def test_fac_05_whitening():
    """Both ways give covariance I to 1e-12; the matrix of ZCA is symmetric; white coordinates of
    PCA are a rotation of ZCA's.
    """
    feeds = symbols(X=X4)
    (X,) = feeds
    zca, rotated = nn.whiten(X), probability.pca(X).whiten(X)
    outputs = [probability.covariance(zca), probability.covariance(rotated), zca, rotated]
    one, other, z, r = both(outputs, feeds)
    np.testing.assert_allclose(one, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(other, np.eye(4), atol=1e-12)
    matrix = np.linalg.lstsq(CENTRED, z, rcond=None)[0]
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-10)
    turn = z.T @ r / 40
    np.testing.assert_allclose(turn @ turn.T, np.eye(4), atol=1e-11)
    np.testing.assert_allclose(z @ turn, r, atol=1e-10)


@row("FAC-06", ICA)
def test_fac_06_independent_components():
    """Kurtoses of three laws; a sine, a square wave and a saw tooth are found again from three
    mixtures, by the fixed point and by gradient over orthogonal matrices.
    """
    key = gc.random.key(1)
    n = 40000
    laws = [f(key, (n,), dtype="float64") for f in (gc.random.uniform, gc.random.normal)]
    laws.append(gc.random.laplace(key, (n,), dtype="float64"))
    t = np.arange(600) * 2 * np.pi / 600 + 0.01
    saw = (7 * t / np.pi) % 2 - 1
    sources = np.stack([np.sin(2 * t), np.sign(np.sin(3 * t)), saw], 1)
    feeds = symbols(x=sources @ np.array([[1, 0.5, 1.5], [1, 2, 1], [1, 1, 2.0]]).T)
    (x,) = feeds
    z = nn.whiten(x)
    start = gc.constant(S(1, 3, 3))
    found, white, *kurtoses = both(
        [z @ probability.fast_ica(z, start, 30).T, z, *map(probability.excess_kurtosis, laws)],
        feeds,
    )
    np.testing.assert_allclose(kurtoses, [-1.2, 0, 3], atol=0.25)
    assert abs(kurtoses[0] + 1.2) < 0.03 and abs(kurtoses[1]) < 0.1

    def matched(y):
        match = abs(np.corrcoef(y.T, sources.T)[:3, 3:])
        return (match.max(0) >= 0.995).all() and len(set(match.argmax(0))) == 3

    assert matched(found) and not matched(white)
    rows = symbols(A=S(1, 3, 3) + np.eye(3), z=white)
    A, fixed = rows
    y = fixed @ gc.linalg.qr(A)[0]
    loss = -gc.sum(probability.excess_kurtosis(y) ** 2)
    differentiated([], loss, rows, [A])
    free = gc.variable(S(1, 3, 3))
    y = gc.constant(white) @ gc.linalg.qr(free)[0]
    loss = 10 - gc.sum(probability.excess_kurtosis(y) ** 2)
    updates = optim.Adam(0.05).updates(loss, [free])
    step = gc.compile([], [loss, y], updates=updates)
    losses, ends = zip(*(step() for _ in range(150)), strict=True)
    assert losses[-1] < losses[0] and matched(ends[-1])


def slow_series(count=2000):
    """Two fast signals of which a quadratic combination is slow, all monomials up to degree two,
    and the time between rows.
    """
    t = np.linspace(0, 2 * np.pi, count)
    a, b = np.sin(t) + np.cos(11 * t) ** 2, np.cos(11 * t)
    return t, np.stack([a, b, a * a, a * b, b * b], 1), t[1]


@row("FAC-07", ICA)
def test_fac_07_slow_features():
    """The slowest quadratic feature is x1 - x2^2 = sin t, of eigenvalue 1 per unit of time; all
    features are uncorrelated and of unit variance, and the weights solve the generalised
    eigenproblem; gradients by differences.
    """
    t, x, dt = slow_series()
    feeds = symbols(x=x)
    (X,) = feeds
    speeds, weights = probability.slow_features(X)
    y = (X - gc.mean(X, 0)) @ weights
    s, w, features = both([speeds / dt**2, weights, y], feeds)
    assert s[0] == pytest.approx(1, abs=2e-3) and (np.diff(s) > 0).all()
    assert abs(np.corrcoef(features[:, 0], np.sin(t))[0, 1]) == pytest.approx(1, abs=1e-6)
    shape = w[:, 0] / w[0, 0]
    np.testing.assert_allclose(shape, [1, 0, 0, 0, -1], atol=1e-3)
    np.testing.assert_allclose(np.cov(features.T, bias=True), np.eye(5), atol=1e-9)
    change = np.diff(features, axis=0)
    np.testing.assert_allclose(change.T @ change / 1999 / dt**2, np.diag(s), atol=1e-6 * s[-1])
    pair = symbols(a=S(0, 4, 4) + S(0, 4, 4).T, b=np.cov(X4.T))
    values, vectors = both(gc.linalg.generalised_eigh(*pair), pair)
    known, axes = linalg.eigh(*pair.values())
    np.testing.assert_allclose(values, known, rtol=1e-10)
    np.testing.assert_allclose(abs(vectors), abs(axes), rtol=1e-9)
    small = symbols(x=S(0, 12, 3) ** 3 + S(5, 12, 3))
    (X,) = small
    speeds, weights = probability.slow_features(X)
    differentiated([], speeds[0] + gc.sum(gc.abs(weights[:, 1])), small)


@row("FAC-08", "graphc/nn/penalties.py")
def test_fac_08_slowness_penalty():
    """A linear layer held at unit variance by batch normalisation and trained for slowness ends at
    the slowest feature; without that it would end at a constant; gradients by differences.
    """
    t, x, _ = slow_series(300)
    x = (x - x.mean(0)) / x.std(0)
    slowest = run(probability.slow_features(gc.constant(x))[0][0])
    layer = nn.Dense(5, 1, bias=False, seed=1, dtype="float64")
    norm = nn.BatchNorm(1, eps=0.0, affine=False, dtype="float64")
    y = norm(layer(gc.constant(x)))
    loss = penalties.slowness(y)
    updates = optim.Adam(optim.cosine(0.1, 300)).updates(loss, layer.parameters())
    step = gc.compile([], [loss, y], updates=updates)
    losses, ends = zip(*(step() for _ in range(300)), strict=True)
    assert losses[-1] < 0.1 * losses[0]
    assert slowest * (1 - 1e-9) <= losses[-1] == pytest.approx(slowest, rel=1e-2)
    assert abs(np.corrcoef(ends[-1][:, 0], np.sin(t))[0, 1]) > 0.999
    feeds = symbols(x=S(0, 6, 3), w=S(1, 3, 2))
    raw = gc.matmul(*feeds)
    free, _ = differentiated(
        [penalties.slowness(0 * raw)], penalties.slowness(nn.normalise(raw, 0)), feeds
    )
    assert free[0] == 0
