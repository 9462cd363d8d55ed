"""Curvature and sloppiness (catalogue 9, F)."""

import itertools
import math

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, probability
from tests.systems.catalogue import CS, S, both, check_gradients, row, run, symbols
from tests.systems.quadratic import value
from tests.systems.test_mlp_networks import network


@row("UST-54", "graphc/optim/curvature.py")
def test_ust_54_fisher_information():
    """Trace and top eigenvalue for a network, and the matrix of a logistic regression, as printed;
    both are the mean Hessian of minus the log probability over the model's own labels; for
    regression J^T J / n.
    """
    feeds, logits, _ = network()
    _, *parameters = feeds
    fisher = optim.classification_fisher(logits, parameters)
    x = optim.joined(parameters)
    own = gc.stop_gradient(gc.softmax(logits, axis=-1))
    expected = optim.along(nn.cross_entropy(logits, own), parameters, x)
    eigenvalues, found, meant = both(
        [gc.linalg.eigvalsh(fisher), fisher, gc.hessian(expected, x)], feeds
    )
    assert eigenvalues.sum() == pytest.approx(4.310114411, abs=6e-10)
    assert eigenvalues[-1] == pytest.approx(1.432208799, abs=6e-10)
    np.testing.assert_allclose(found, meant, atol=1e-12)

    feeds = symbols(X=np.array([[1.0, 0], [0, 1], [1, 1]]), w=np.array([0.5, -1]))
    X, w = feeds
    z = X @ w
    logistic = optim.classification_fisher(gc.stack([z, 0 * z], axis=1), [w])
    labels = gc.stop_gradient(gc.sigmoid(z))
    bent = gc.hessian(nn.binary_cross_entropy(z, labels), w)
    wave = optim.regression_fisher(gc.sin(z), [w])
    found, meant, square = both([logistic, bent, wave], feeds)
    printed = [[0.15666914, 0.07833457], [0.07833457, 0.14387188]]
    np.testing.assert_allclose(found, printed, atol=6e-9)
    np.testing.assert_allclose(found, meant, atol=1e-14)
    a, b = feeds.values()
    slopes = np.cos(a @ b)[:, None] * a
    np.testing.assert_allclose(square, slopes.T @ slopes / 3, atol=1e-14)


@row("UST-55", "graphc/optim/curvature.py")
def test_ust_55_gauss_newton_products():
    """The printed checksum of a product; products are those of the Fisher information, whose trace
    and ends random signs, Lanczos and power iteration find, and those of the Hessian, as printed;
    for 3,001,000 parameters a call takes less than six times their memory.
    """
    feeds, logits, loss = network()
    _, *parameters = feeds
    product = optim.gauss_newton_product(loss, logits, parameters)
    v = gc.constant(S(0, 51))
    ones = gc.constant(np.eye(51))
    outputs = [
        product(v),
        gc.vmap(product)(ones),
        optim.classification_fisher(logits, parameters),
        optim.lanczos(product, v, 30),
        optim.power_iteration(product, v, 40)[0],
        optim.trace_estimate(product, v, gc.random.key(1), 400),
        optim.lanczos(optim.hessian_product(loss, parameters), v, 40)[gc.constant([0, -1])],
    ]
    along, dense, fisher, spectrum, top, traces, ends = both(outputs, feeds)
    assert CS(along) == pytest.approx(0.344345838, abs=6e-10)
    np.testing.assert_allclose(dense, fisher, atol=1e-13)
    exact = np.linalg.eigvalsh(fisher)
    np.testing.assert_allclose(spectrum[-10:], exact[-10:], rtol=1e-8)
    np.testing.assert_allclose(spectrum[:-10], 0, atol=1e-12)
    assert top == pytest.approx(exact[-1], rel=1e-6)
    np.testing.assert_allclose(ends, [-0.501469520, 1.520576070], atol=6e-10)
    with pytest.raises(gc.GraphError, match="52 orthogonal vectors of length 51 do not exist"):
        optim.lanczos(product, v, 52)
    assert abs(traces.mean() - exact.sum()) < 4 * traces.std() / 20

    model = nn.Dense(3000, 1000, gc.tanh, seed=1)
    x = gc.placeholder("x", ("n", 3000))
    v = gc.placeholder("v", (model.parameter_count(),))
    y = model(x)
    large = gc.compile(
        [x, v], optim.gauss_newton_product(nn.mse(y, 0 * y), y, model.parameters())(v)
    )
    assert v.shape == (3001000,)
    assert large.memory.at(n=2).peak < 6 * 4 * 3001000
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3000), np.float32), rng.standard_normal(3001000, np.float32)
    bent = 1 - np.tanh(a @ value(model.weight)) ** 2
    pushed = bent * (a @ b[:3000000].reshape(3000, 1000) + b[3000000:])
    back = bent * pushed * 2 / 2000
    expected = np.concatenate([(a.T @ back).ravel(), back.sum(0)])
    np.testing.assert_allclose(large(a, b), expected, atol=2e-5 * abs(expected).max())


@row("UST-56", "graphc/linalg.py")
def test_ust_56_sloppy_polynomial():
    """The determinants of J^T J of polynomials at n equispaced points as printed for five n, by
    singular values and by elimination; eigenvalues span decades, evenly.
    """
    logs = []
    for n in (3, 5, 8, 10, 15):
        x, w = gc.constant(np.linspace(-1, 1, n)), gc.constant(np.ones(n))
        terms = [x**j for j in range(n)]
        j = gc.jacobian(gc.stack(terms, axis=1) @ w, w)
        s = gc.linalg.svdvals(j)
        logs.append([2 * gc.sum(gc.log(s)), 2 * gc.linalg.slogdet(j)[1], s])
    found = both(logs)
    printed = {3: 4, 5: 0.0791, 8: 5.36e-9, 10: 5.47e-17, 15: 1.62e-48}
    for n, (one, other, _) in zip(printed, found, strict=True):
        points = np.linspace(-1, 1, n)
        exact = 2 * sum(math.log(b - a) for a, b in itertools.combinations(points, 2))
        assert one == pytest.approx(exact, abs=1e-10 * max(1, abs(exact)))
        assert other == pytest.approx(exact, abs=1e-10 * max(1, abs(exact)))
        assert math.exp(one) == pytest.approx(printed[n], rel=3e-3)
    decades = np.log10(found[-1][2])
    assert decades[0] - decades[-1] > 5 and (np.diff(decades) > -1.5).all()


def exponentials(k):
    """The sum of exp(-k t) at t = 0, 0.5, ..., 5."""
    t = gc.constant(np.arange(11) / 2)
    return gc.sum(gc.exp(-gc.expand_dims(t, 1) * k), axis=1)


@row("UST-57", "graphc/optim/curvature.py")
def test_ust_57_sum_of_exponentials():
    """The three eigenvalues of J^T J as printed, each about a hundredth of the one before."""
    feeds = symbols(k=np.array([1, 1.2, 1.5]))
    (k,) = feeds
    y = exponentials(k)
    found = both(gc.linalg.eigvalsh(optim.regression_fisher(y, [k]) * 11), feeds)
    np.testing.assert_allclose(found[::-1], [0.915718625, 0.0139223869, 8.92189e-5], rtol=1e-6)
    check_gradients(gc.sum(y * y), feeds)


@row("UST-58", "graphc/optim/curvature.py")
def test_ust_58_model_manifold():
    """For a linear model the geodesic is straight and least squares attains the bound of Cramer and
    Rao; for exponentials a geodesic has constant speed and is shorter than the straight way; the
    volume of an ellipsoid of equal distance.
    """
    design = S(1, 6, 2)
    ends = np.array([[0.1, 4.0], [1.0, 1.2]])
    interior = gc.variable(np.linspace(*ends, 10)[1:-1] + 0.03 * S(0, 8, 2), "w")
    path = gc.concat([gc.constant(ends[:1]), interior, gc.constant(ends[1:])], axis=0)
    rough, straight = value(interior), np.linspace(*ends, 10)
    for f in (lambda w: gc.constant(design) @ w, exponentials):
        interior.value = rough
        outputs = gc.vmap(f)(path)
        steps = gc.reshape(outputs[1:] - outputs[:-1], -1)
        updates = optim.GaussNewton().updates(steps, [interior])
        report = [optim.path_length(f, p) for p in (path, gc.constant(straight))]
        energy = optim.path_energy(f, path)
        speeds = gc.norm(outputs[1:] - outputs[:-1], axis=1)
        chord = gc.norm(outputs[-1] - outputs[0])
        step = gc.compile([], [*report, energy, speeds, chord], updates=updates)
        seen = [step() for _ in range(8)]
        length, direct, energy, speeds, chord = seen[-1]
        if f is exponentials:
            assert chord < speeds.sum() < 0.95 * direct
            assert length == pytest.approx(speeds.sum(), rel=1e-2)
            np.testing.assert_allclose(speeds, speeds.mean(), rtol=1e-3)
            assert energy == pytest.approx(speeds.sum() ** 2 / 2, rel=1e-6)
        else:
            np.testing.assert_allclose(value(interior), straight[1:-1], atol=1e-12)
            assert length == pytest.approx(np.linalg.norm(design @ (ends[1] - ends[0])))
            assert seen[0][0] > 1.0001 * length and chord == pytest.approx(length)
    w = gc.constant(ends[0])
    g = optim.regression_fisher(gc.constant(design) @ w, [w])
    best = gc.linalg.pinv(gc.constant(design))
    half = gc.linalg.pinv(gc.constant(design[:4]))
    throws = gc.random.uniform(gc.random.key(1), (20000, 2), -4.0, 4.0, dtype="float64")
    within = gc.mean((gc.sum(throws @ g * throws, axis=1) <= 1).astype("float64"))
    volume = math.pi / gc.sqrt(gc.linalg.det(g))
    inverse, *covariances, share, volume = both(
        [gc.linalg.inv(g), 6 * best @ best.T, 6 * half @ half.T, within, volume]
    )
    np.testing.assert_allclose(covariances[0], inverse, atol=1e-12)
    assert np.linalg.eigvalsh(covariances[1] - inverse)[-1] > 0.1
    assert np.linalg.eigvalsh(covariances[1] - inverse)[0] > -1e-12
    assert abs(share - volume / 64) < 4 * math.sqrt(share / 20000)


@row("UST-59", "graphc/nn/bounds.py")
def test_ust_59_pac_bayes_along_sloppy_directions():
    """Minimised over a normal law along the eigenvectors of the Fisher information, the bound falls
    below 1 and stays above the risk, measured and on new data; the law is narrow where the model is
    stiff; its divergence is that of the full matrices.
    """
    rng = np.random.default_rng(0)
    scales = np.array([3.0, 1.0, 0.1])
    inputs = rng.standard_normal((1200, 3)) * scales
    signs = np.sign(inputs @ [1.0, -1, 2] + 0.5 * rng.standard_normal(1200))
    n = 400
    centre = gc.variable(np.array([0.5, -0.5, 0.5]), "centre")
    spreads = gc.variable(np.zeros(3), "log_variance")
    noise = gc.constant(rng.standard_normal((64, 3)))
    first = gc.constant(value(centre))
    z = gc.constant(inputs[:n]) @ first
    fisher = optim.classification_fisher(gc.stack([z, 0 * z], axis=1), [first])
    frame = gc.constant(run(gc.linalg.eigh(fisher))[1])

    def risk(x, y):
        w = centre + (gc.exp(spreads / 2) * noise) @ frame.T
        return gc.mean(gc.sigmoid(-gc.constant(y) * (w @ gc.constant(x).T)))

    prior = math.log(4.0)
    divergence = gc.sum(probability.gaussian_kl(frame.T @ centre, spreads, 0.0, prior))
    empirical, fresh = risk(inputs[:n], signs[:n]), risk(inputs[n:], signs[n:])
    bound = nn.pac_bayes(empirical, divergence, n, 0.05)
    outputs = [bound, empirical, fresh, spreads, divergence]
    whole = frame * gc.exp(spreads) @ frame.T
    full = probability.multivariate_gaussian_kl(
        centre, whole, 0 * centre, 4 * gc.eye(3, dtype="float64")
    )
    found = both([divergence, full, gc.grad(bound, [centre, spreads])])
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    updates = optim.Adam(0.05).updates(bound, [centre, spreads])
    step = gc.compile([], outputs, updates=updates)
    seen = [step() for _ in range(150)]
    final, empirical, fresh, widths, divergence = seen[-1]
    assert final < seen[0][0] - 0.02 and final < 0.5
    assert max(empirical, fresh) < final
    assert widths[2] < widths[1] < widths[0] < prior + 0.1
    gap = math.sqrt((divergence + math.log(2 * math.sqrt(n) / 0.05)) / (2 * n))
    assert final == pytest.approx(empirical + gap, rel=1e-12)
    feeds = symbols(m=S(0, 3), s=S(1, 3))
    m, s = feeds
    loss = gc.mean(gc.sigmoid((m + gc.exp(s / 2) * noise) @ gc.constant(S(2, 3))))
    check_gradients(nn.pac_bayes(loss, gc.sum(probability.gaussian_kl(m, s)), 9, 0.1), feeds)
