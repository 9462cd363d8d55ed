"""Directed models (catalogue 6, B)."""

import numpy as np
import pytest
from scipy import stats

import graphc as gc
from graphc import nn, probability
from tests.systems.catalogue import S, both, row, run, symbols
from tests.systems.sequences import differentiated, learns

ARROWS, NORMAL = "graphc/probability/directed.py", "graphc/probability/gaussians.py"


@row("FAC-11", ARROWS)
def test_fac_11_ancestral_sampling():
    """Draws of a model with a common child have the frequencies of the enumerated joint law, and
    log p is its logarithm; a chain's samples have the mean of powers of its matrix; a circle of
    arrows is refused.
    """
    parents = {"wet": ("rain", "sprinkler"), "sprinkler": ("rain",), "rain": ()}
    feeds = symbols(rain=S(0, 3), sprinkler=S(1, 3, 2), wet=S(2, 3, 2, 2))
    model = probability.DirectedModel(
        parents, dict(zip(("rain", "sprinkler", "wet"), feeds, strict=True))
    )
    assert model.order == ["rain", "sprinkler", "wet"]
    draws = model.sample(gc.random.key(1), 5000)
    few = model.sample(gc.random.key(1), 4)
    states = dict(zip(model.order, probability.all_states((3, 2, 2)).T, strict=True))
    joint, found, log_p, _ = both(
        [gc.exp(model.log_joint()), draws, model.log_probability(states), few], feeds
    )
    np.testing.assert_allclose(joint.ravel(), np.exp(log_p), rtol=1e-12)
    assert joint.sum() == pytest.approx(1, rel=1e-12)
    counts = np.zeros((3, 2, 2))
    np.add.at(counts, tuple(found[name] for name in model.order), 1)
    error = np.sqrt(joint * (1 - joint) / 5000)
    assert (abs(counts / 5000 - joint) < 4 * error).all()
    T = np.array([[0.9, 0.1], [0.3, 0.7]])
    names = [f"x{k}" for k in range(5)]
    chain = {name: (names[k - 1],) if k else () for k, name in enumerate(names)}
    logits = {name: gc.constant(np.log(T if k else T[0])) for k, name in enumerate(names)}
    ends = run(probability.DirectedModel(chain, logits).sample(gc.random.key(2), 4000)["x4"])
    wanted = (T[0] @ np.linalg.matrix_power(T, 4))[1]
    assert abs(ends.mean() - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / 4000)
    with pytest.raises(gc.ShapeError, match=r"the table of rain needs shape \(2,\)"):
        probability.DirectedModel({}, {"rain": gc.constant(T)})
    with pytest.raises(gc.GraphError, match=r"run in a circle: (a -> b -> a|b -> a -> b)"):
        probability.markov_blanket({"a": ("b",), "b": ("a",)}, "a")


@row("FAC-12", ARROWS)
def test_fac_12_markov_blanket():
    """A collider separates until it or what follows from it is given, a chain once its middle is;
    blankets are parents, children and co-parents; both agree with the conditional mutual
    information of random tables.
    """
    collider = {"c": ("a", "b"), "d": ("c",)}
    assert probability.d_separated(collider, "a", "b")
    assert not probability.d_separated(collider, "a", "b", "c")
    assert not probability.d_separated(collider, "a", "b", "d")
    chain = {"b": ("a",), "c": ("b",)}
    assert probability.d_separated(chain, "a", "c", "b") and not probability.d_separated(
        chain, "a", "c"
    )
    parents = {"c": ("a", "b"), "d": ("c",), "e": ("c", "a"), "a": (), "b": ()}
    assert probability.markov_blanket(parents, "c") == {"a", "b", "d", "e"}
    assert probability.markov_blanket(parents, "b") == {"a", "c"}
    ring = {k: {(k + 1) % 4, (k - 1) % 4} for k in range(4)}
    assert probability.separated(ring, 0, 2, (1, 3)) and not probability.separated(ring, 0, 2, (1,))
    tables = {
        n: gc.constant(S(k, *(2,) * (len(p) + 1))) for k, (n, p) in enumerate(parents.items())
    }
    model = probability.DirectedModel(parents, tables)
    joint = run(gc.exp(model.log_joint()))
    axis = {name: k for k, name in enumerate(model.order)}
    for x, y, given in (("a", "b", ""), ("a", "b", "c"), ("d", "e", "c"), ("b", "e", "ac"),
                        ("b", "e", "c"), ("a", "d", "")):  # fmt: skip
        kept = [axis[n] for n in (x, y, *given)]
        p = np.transpose(joint, kept + [k for k in range(5) if k not in kept])
        p = p.reshape(2, 2, 2 ** len(given), -1).sum(-1)
        gap = p * p.sum((0, 1)) - p.sum(0) * p.sum(1)[:, None]
        assert (abs(gap).max() < 1e-12) == probability.d_separated(parents, x, y, given), (
            x,
            y,
            given,
        )


@row("FAC-13", "graphc/rejection.py")
def test_fac_13_chain_with_dirichlet_priors():
    """Draws have a Dirichlet's means and variances, gamma draws the distribution function, also for
    small parameters; a relay's posterior is Dir(alpha + counts), in closed form and by the joint
    density; MAP by gradient on logits finds its mode, with own and with shared priors.
    """
    alpha = np.array([0.4, 1.0, 2.5])
    feeds = symbols(alpha=alpha)
    (a,) = feeds
    key = gc.random.key(3)
    draws = gc.random.dirichlet(key, a, (4000,), dtype="float64")
    ones = gc.random.gamma(key, gc.broadcast_to(a, (1500, 3)), dtype="float64")
    small = gc.random.dirichlet(key, gc.constant(np.full((2, 3), 1e-3)), (3,), dtype="float32")
    p, g, tiny = both([draws, ones, small], feeds)
    mean, total = alpha / alpha.sum(), alpha.sum()
    variance = mean * (1 - mean) / (total + 1)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-12)
    assert (abs(p.mean(0) - mean) < 4 * np.sqrt(variance / 4000)).all()
    spread = ((p - mean) ** 2).std(0) / np.sqrt(4000)
    assert (abs(p.var(0) - variance) < 4 * spread).all()
    for k, value in enumerate(alpha):
        assert stats.kstest(g[:, k], stats.gamma(value).cdf).pvalue > 1e-4
    assert tiny.shape == (3, 2, 3) and np.isfinite(tiny).all()
    np.testing.assert_allclose(tiny.sum(-1), 1, rtol=1e-5)
    # A relay of two runners with three speeds: who follows whom was counted.
    prior, counts = np.array([2.0, 3.0, 1.5]), np.array([[5.0, 1, 2], [0, 4, 3], [2, 2, 6]])
    logits = gc.variable(np.zeros((3, 3)))
    log_mu = gc.log_softmax(logits)
    loss = -gc.sum(log_mu * gc.constant(counts + prior - 1))
    learns(loss, [logits], steps=300, rate=0.1, part=0.95)
    shared = gc.variable(np.zeros(3))
    learns(-gc.sum(gc.log_softmax(shared) * gc.constant(counts + (prior - 1) / 3)), [shared],
           steps=200, rate=0.1, part=0.99)  # fmt: skip
    mu, one = run([gc.softmax(logits), gc.softmax(shared)])
    mode = (counts + prior - 1) / (counts + prior - 1).sum(1, keepdims=True)
    np.testing.assert_allclose(mu, mode, atol=1e-4)
    pooled = counts.sum(0) + prior - 1
    np.testing.assert_allclose(one, pooled / pooled.sum(), atol=1e-4)
    states = np.repeat(np.arange(9), counts.astype(int).ravel())
    rows = symbols(mu=S(0, 3, 3) ** 2 + 0.1)
    (m,) = rows
    m = m / gc.sum(m, axis=1, keepdims=True)
    density = gc.sum(gc.log(m) * gc.constant(prior - 1)) + gc.sum(
        gc.log(gc.reshape(m, (-1,)))[gc.constant(states)]
    )
    value, law = run([density, m], rows)
    closed = sum(stats.dirichlet(prior + c).logpdf(q) for c, q in zip(counts, law, strict=True))
    evidence = sum(_log_beta(prior + c) for c in counts)
    assert closed == pytest.approx(value - evidence, rel=1e-12)


def _log_beta(alpha):
    from scipy.special import gammaln

    return gammaln(alpha).sum() - gammaln(alpha.sum())


@row("FAC-14", "graphc/nn/layers.py")
def test_fac_14_logistic_conditional():
    """M + 1 parameters stand for a table of 2^M rows, which they give exactly where it is logistic;
    gradients by differences; the weights are found again from counts.
    """
    rows = probability.binary_states(4, "float64")
    feeds = symbols(w=np.array([1.0, -2, 0.5, 0.3]), w0=np.array(-0.2))
    w, w0 = feeds
    logits = rows @ w + w0
    loss = gc.mean(nn.binary_cross_entropy(logits, gc.constant(S(0, 16) ** 2)))
    (table,), _ = differentiated([gc.sigmoid(logits)], loss, feeds)
    assert table.shape == (2**4,) and sum(np.size(v) for v in feeds.values()) == 4 + 1
    model = nn.Dense(4, 1, dtype="float64")
    fitted = nn.binary_cross_entropy(model(rows)[:, 0], gc.constant(table))
    learns(fitted, model.parameters(), steps=400, rate=0.1, part=0.9)
    assert model.parameter_count() == 4 + 1
    np.testing.assert_allclose(model.weight.value[:, 0], feeds[w], atol=2e-2)


@row("FAC-15", NORMAL)
def test_fac_15_linear_gaussian_network():
    """Mean and covariance as printed, by the recursion along the order of the variables too;
    ancestral draws have them; D + D(D - 1)/2 weights and D variances are learnt by likelihood.
    """
    B = np.array([[0, 0, 0], [0.5, 0, 0], [0.3, -0.7, 0]])
    feeds = symbols(B=B, b=np.array([1.0, 0, -1]), v=np.array([1, 0.5, 0.2]))
    w, b, v = feeds
    mean, covariance = probability.gaussian_network(w, b, v)
    x = []
    noise = gc.random.normal(gc.random.key(1), (3, 4000), dtype="float64")
    for i in range(3):
        x.append(sum((w[i, j] * x[j] for j in range(i)), b[i]) + gc.sqrt(v[i]) * noise[i])
    loss = gc.sum(mean**2) + gc.sum(gc.sin(covariance))
    (m, c, draws), _ = differentiated([mean, covariance, gc.stack(x)], loss, feeds)
    np.testing.assert_allclose(m, [1, 0.5, -1.05], rtol=1e-12)
    printed = [[1, 0.5, -0.05], [0.5, 0.75, -0.375], [-0.05, -0.375, 0.4475]]
    np.testing.assert_allclose(c, printed, rtol=1e-12)
    by_order = np.zeros((3, 3))
    for j in range(3):
        for i in range(j + 1):
            own = feeds[v][j] if i == j else 0
            by_order[i, j] = by_order[j, i] = by_order[i, :j] @ B[j, :j] + own
            if i == j:
                by_order[j, j] = B[j, :j] @ by_order[:j, j] + own
    np.testing.assert_allclose(c, by_order, rtol=1e-12)
    assert (abs(draws.mean(1) - m) < 4 * np.sqrt(np.diag(c) / 4000)).all()
    assert (abs(np.cov(draws) - c) < 4 * np.sqrt((c**2 + np.outer(*[np.diag(c)] * 2)) / 4000)).all()
    below = np.tril_indices(3, -1)
    free, offset, logs = (gc.variable(np.zeros(3)) for _ in range(3))
    assert 3 + len(below[0]) == 3 + 3 * 2 // 2
    place = np.zeros((3, 3, 3))
    place[below[0], below[1], range(3)] = 1
    found = probability.gaussian_network(gc.constant(place) @ free, offset, gc.exp(logs))
    data = gc.constant(draws.T[:200])
    nll = -gc.mean(probability.multivariate_normal_log_density(data, *found))
    learns(nll, [free, offset, logs], steps=150, rate=0.05, part=0.9)


@row("FAC-16", "graphc/ops/randomness/distributions.py")
def test_fac_16_bilinear_gaussian():
    """E r = 0, Var r = 2 and E r^4 = 18 by quadrature in the graph, and by draws."""
    u, v, e = (gc.random.normal(key, (20000,), dtype="float64")
               for key in [gc.random.key(k) for k in range(3)])  # fmt: skip
    r = u * v + e
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    x, w = gc.constant(nodes), gc.constant(weights / weights.sum())
    cube = x[:, None, None] * x[None, :, None] + x
    exact = [gc.einsum("ijk,i,j,k->", cube**k, w, w, w) for k in (1, 2, 4)]
    found = both([r, *exact])
    np.testing.assert_allclose(found[1:], [0, 2, 18], atol=1e-9)
    for k, wanted in ((1, 0), (2, 2), (4, 18)):
        power = found[0] ** k
        assert abs(power.mean() - wanted) < 4 * power.std() / np.sqrt(20000)


@row("FAC-17", NORMAL)
def test_fac_17_gaussian_identities():
    """A conditional and a product as printed; p(x1, x2) = p(x1 | x2) p(x2) in five dimensions, with
    marginals as slices; a linear map has the moments of mapped draws; gradients by differences.
    """
    feeds = symbols(mean=np.array([1.0, 2]), S=np.array([[2, 0.6], [0.6, 1]]), x=np.array([3.0]))
    mean, covariance, x = feeds
    given = probability.gaussian_given(mean, covariance, [1], x)
    one = gc.ones((1, 1), dtype="float64")
    product = probability.gaussian_product(0 * x, one, 0 * x + 2, 2 * one)
    loss = gc.sum(given[0] ** 2) + gc.sum(given[1])
    found, _ = differentiated([*given, *product], loss, feeds)
    np.testing.assert_allclose(
        [np.ravel(a)[0] for a in found], [1.6, 1.64, 2 / 3, 2 / 3], rtol=1e-12
    )
    root = S(1, 5, 5) + 2 * np.eye(5)
    feeds = symbols(m=S(0, 5), C=root @ root.T, x=S(2, 1, 5), A=S(3, 2, 5), other=S(4, 5))
    m, C, x, A, other = feeds
    seen, rest = [3, 0], [1, 2, 4]
    density = probability.multivariate_normal_log_density
    middle, spread = probability.gaussian_given(m, C, seen, x[0, seen])
    parts = density(x[:, rest], middle, spread) + density(x[:, seen], m[seen], C[seen][:, seen])
    mapped = probability.gaussian_map(m, C, A, 1.0)
    together = probability.gaussian_product(m, C, other, 2 * C)
    gap = (
        density(x, *together) - density(x, m, C) - density(x, other, 2 * C)
        + density(m[None], other, 3 * C)
    )  # fmt: skip
    loss = gc.sum(middle) + gc.sum(together[0]) + gc.sum(gc.sin(spread))
    outputs = [parts, density(x, m, C), *mapped, gap]
    found, _ = differentiated(outputs, loss, feeds, [m, C, other])
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    np.testing.assert_allclose(found[2], feeds[A] @ feeds[m] + 1, rtol=1e-12)
    np.testing.assert_allclose(found[3], feeds[A] @ feeds[C] @ feeds[A].T, rtol=1e-12)
    np.testing.assert_allclose(found[4], 0, atol=1e-11)
