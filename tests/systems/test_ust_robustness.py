"""Robustness (catalogue 9, G)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from tests.systems.catalogue import S, both, check_gradients, row, run, symbols
from tests.systems.quadratic import Q, path, value


@row("UST-60", "graphc/nn/robustness.py")
def test_ust_60_adversarial_examples_and_training():
    """The printed loss before and after, the worst of the cube's corners; the rise is the radius
    times the sum of slopes to first order; projected ascent gets as far, and in a ball to its edge;
    training on such examples lowers the worst loss, which plain training does not.
    """
    feeds = symbols(x=np.array([[0.5, 1, -1]]), w=np.array([1, -2, 0.5]))
    x, w = feeds

    def losses(x):
        return gc.softplus(-x @ w)

    loss = losses(x)[0]
    worst = nn.fast_gradient_sign(loss, x, 0.1)
    near = nn.fast_gradient_sign(loss, x, 1e-5)
    far = nn.projected_ascent(losses, x, 0.1, 0.03, 6)
    ball = nn.projected_ascent(losses, x, 0.1, 0.03, 6, "2")
    corners = gc.constant(0.1 * np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T)
    outputs = [loss, losses(worst)[0], losses(near)[0], gc.max(losses(x + corners)), far, ball]
    plain, high, little, corner, far, ball = both([*outputs], feeds)
    assert plain == pytest.approx(2.126928011, abs=6e-10)
    assert high == pytest.approx(2.441091441, abs=6e-10) and corner == pytest.approx(high)
    slope = 3.5 * (1 - np.exp(-plain))
    assert little - plain == pytest.approx(1e-5 * slope, rel=1e-4)
    point, weights = feeds.values()
    np.testing.assert_allclose(far, point - 0.1 * np.sign(weights), atol=1e-15)
    np.testing.assert_allclose(ball, point - 0.1 * weights / np.linalg.norm(weights), atol=1e-15)
    given = gc.constant(point)
    check_gradients(losses(nn.fast_gradient_sign(losses(given)[0], given, 0.1))[0], {w: weights})
    with pytest.raises(gc.GraphError, match="the norm is 'inf' or '2', not 'one'"):
        nn.projected_ascent(losses, x, 0.1, 0.1, 1, "one")

    rng = np.random.default_rng(0)
    labels = rng.choice([-1.0, 1], 200)
    strong = labels * np.where(rng.random(200) < 0.9, 1, -1)
    weak = 0.2 * labels[:, None] + 0.3 * rng.standard_normal((200, 10))
    inputs, y = gc.constant(np.column_stack([strong, weak])), gc.constant(labels)
    models = [gc.variable(np.full(11, 0.01), name) for name in ("plain", "hardened")]

    def mean_loss(x, w):
        return gc.mean(gc.softplus(-y * (x @ w)))

    attacks = [nn.fast_gradient_sign(mean_loss(inputs, w), inputs, 0.3) for w in models]
    hard = [mean_loss(attack, w) for attack, w in zip(attacks, models, strict=True)]
    closed = [gc.mean(gc.softplus(0.3 * gc.sum(gc.abs(w)) - y * (inputs @ w))) for w in models]
    train = optim.Adam(0.05), optim.Adam(0.05)
    updates = train[0].updates(mean_loss(inputs, models[0]), models[:1])
    updates |= train[1].updates(hard[1], models[1:])
    step = gc.compile([], [gc.stack(hard), gc.stack(closed)], updates=updates)
    seen = [step() for _ in range(120)]
    np.testing.assert_allclose(seen[-1][0], seen[-1][1], rtol=1e-12)
    assert seen[-1][0][1] < 0.9 * seen[0][0][1] < seen[-1][0][0]


@row("UST-61", "graphc/nn/robustness.py")
def test_ust_61_lipschitz_constant():
    """The printed bound; the norms of a tanh network's Jacobians at 200 points and its quotients
    stay below it; power iteration gives the largest singular values.
    """
    feeds = symbols(V=S(1, 4, 3), W=S(2, 2, 4))
    V, W = feeds
    points = gc.random.normal(gc.random.key(1), (200, 3), std=0.5, dtype="float64")

    def network(x):
        return W @ gc.tanh(V @ x)

    jacobians = gc.vmap(lambda x: gc.jacobian(network(x), x))(points)
    sizes = gc.linalg.matrix_norm(jacobians, 2)
    values = gc.vmap(network)(points)
    quotients = gc.norm(values[1:] - values[:-1], axis=1) / gc.norm(
        points[1:] - points[:-1], axis=1
    )
    powers = [
        optim.power_iteration(lambda v, m=m: m.T @ (m @ v), gc.constant(S(1, n)), 60)[0] ** 0.5
        for m, n in ((V, 3), (W, 4))
    ]
    bound = nn.lipschitz_bound([V, W])
    found, sizes, quotients, powers = both([bound, sizes, quotients, powers], feeds)
    assert found == pytest.approx(4.536880188, abs=6e-10)
    assert 0.2 * found < sizes.max() <= found and quotients.max() <= found
    norms = [np.linalg.norm(m, 2) for m in feeds.values()]
    np.testing.assert_allclose(powers, norms, rtol=1e-10)
    check_gradients(bound, feeds)


@row("UST-62", "graphc/optim/sharpness.py")
def test_ust_62_sharpness_aware_steps():
    """Q after ten steps as printed; with a rate of 0 the weights keep their bits; weights trained
    for the worst architecture nearby have the gradient there, and their loss falls.
    """
    points = path(lambda: optim.SharpnessAware(optim.SGD(0.05), 0.1))
    np.testing.assert_allclose(points[-1], [0.291295171, 5.382e-10], atol=6e-10)
    still = path(lambda: optim.SharpnessAware(optim.SGD(0.0), 0.1), 3, start=np.array([0.1, 0.3]))
    assert (still == still[0]).all()

    rng = np.random.default_rng(0)
    x = gc.constant(rng.standard_normal((16, 3)))
    w, a = gc.variable(S(1, 3, 2), "w"), gc.variable(np.array([0.3, -0.2]), "a")
    z = gc.softmax(a) * (gc.tanh(x) @ w)
    loss = nn.mse(gc.sum(z, axis=1), gc.sin(gc.sum(x, axis=1)))
    e = gc.grad(loss, a)
    moved = a + 0.5 * e / gc.norm(e)
    far = gc.softmax(moved) * (gc.tanh(x) @ w)
    expected = w - 0.1 * gc.grad(nn.mse(gc.sum(far, axis=1), gc.sin(gc.sum(x, axis=1))), w)
    updates = optim.SharpnessAware(optim.SGD(0.1), 0.5, around=[a]).updates(loss, [w])
    assert list(updates) == [w]
    found, wanted = both([updates[w], expected])
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    step = gc.compile([], loss, updates=updates)
    losses = [float(step()) for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]
    np.testing.assert_array_equal(value(a), [0.3, -0.2])
    assert run(Q(gc.constant(points[-1]))) < 0.1
