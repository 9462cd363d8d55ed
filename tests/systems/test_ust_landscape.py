"""Landscapes and convexity (catalogue 9, E)."""

import itertools

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from tests.systems.catalogue import S, both, check_gradients, row, run, symbols
from tests.systems.quadratic import value

H = np.diag([0.5, 1.0, 3.0])


def quadratic(w):
    return w @ gc.constant(H) @ w / 2


def ridged(w):
    """Not convex, but its slope is nowhere small while it is high."""
    return gc.sum(w * w + 3 * gc.sin(w) ** 2)


CONVEX = {
    "log of summed exponentials": gc.logsumexp,
    "norm": gc.norm,
    "minus log": lambda w: -gc.sum(gc.log(w)),
    "exponential": lambda w: gc.sum(gc.exp(w)),
    "quadratic": quadratic,
}


@row("UST-46", "graphc/optim/convexity.py")
def test_ust_46_convexity():
    """On random segments five convex functions pass three tests of convexity and their Hessians are
    positive; a quadratic has the four inequalities of its curvatures, which fail for others; one
    that is not convex has the last.
    """
    rng = np.random.default_rng(0)
    feeds = symbols(x=rng.uniform(0.1, 2, (64, 3)), y=rng.uniform(0.1, 2, (64, 3)))
    x, y = feeds

    def each(f):
        return gc.vmap(lambda a, b: optim.convexity_gaps(f, a, b))(x, y)

    def bounds(f, least, most):
        return gc.vmap(lambda a, b: optim.curvature_gaps(f, a, b, least, most, 0.0))(x, y)

    bent = gc.stack([gc.vmap(lambda a, f=f: gc.hessian(f(a), a))(x) for f in CONVEX.values()])
    tests = {name: each(f) for name, f in CONVEX.items()}
    others = [each(ridged), bounds(quadratic, 0.5, 3.0), bounds(quadratic, 1.0, 2.0)]
    found, low, (wavy, right, wrong), hilly = both(
        [tests, gc.min(gc.linalg.eigvalsh(bent)), others, bounds(ridged, 1 / 32, 8.0)], feeds
    )
    for gaps in found.values():
        assert min(g.min() for g in gaps.values()) >= -1e-12
    assert low >= -1e-12
    assert all(g.min() < -1e-3 for g in wavy.values())
    assert all(g.min() >= -1e-12 for g in right.values())
    assert all(g.min() < -1e-3 for g in wrong.values())
    assert hilly["dominated"].min() >= 0 and hilly["strong"].min() < -1e-3


def linear_network(X, Y, chosen, C):
    """Baldi and Hornik's critical point of |Y - X B^T A^T|^2 for these eigenvectors: loss, A, B and
    the value it must have.
    """
    pull = gc.linalg.solve(X.T @ X, X.T @ Y).T
    values, vectors = gc.linalg.eigh(Y.T @ X @ pull.T)
    U = vectors[:, chosen]
    A, B = U @ C, gc.linalg.inv(C) @ U.T @ pull
    return gc.sum((Y - X @ B.T @ A.T) ** 2), A, B, gc.sum(Y * Y) - gc.sum(values[chosen]), values


@row("UST-50", "graphc/optim/landscape.py")
def test_ust_50_deep_linear_network():
    """The printed eigenvalues, global minimum and saddle, where a curvature is negative; all
    critical classes of two sizes have a zero gradient and their value; training from a random start
    reaches the minimum.
    """
    inputs = S(0, 8, 3) ** 3 + S(2, 8, 3) ** 2
    labels = inputs @ S(1, 3, 2) + 0.1 * S(5, 8, 2)
    wide = inputs @ S(1, 3, 3) ** 2 + 0.3 * S(5, 8, 3)
    results, feeds = [], symbols(X=inputs, Y=labels, Z=wide)
    X, Y, Z = feeds
    for target, d, p in ((Y, 2, 1), (Z, 3, 2)):
        for chosen in itertools.combinations(range(d), p):
            C = gc.constant(S(1, p, p) + np.eye(p))
            loss, A, B, wanted, values = linear_network(X, target, list(chosen), C)
            slope = optim.gradient_square(loss, [A, B])
            low = optim.curvatures(loss, [A, B])[0] if d == 2 else slope
            results.append([loss, wanted, slope, low, values])
    found = both(results, feeds)
    np.testing.assert_allclose(found[1][4], [0.57114122, 15.80343936], atol=6e-9)
    assert found[1][0] == pytest.approx(0.641955604, abs=6e-10)
    assert found[0][0] == pytest.approx(15.874253752, abs=6e-10)
    for k, (loss, wanted, slope, lowest, _) in enumerate(found):
        assert loss == pytest.approx(wanted, rel=1e-10)
        assert slope < 1e-18
        assert lowest < -0.1 if k == 0 else lowest > -1e-9
    A, B = gc.variable(S(0, 2, 1) / 2, "A"), gc.variable(S(3, 1, 3) / 2, "B")
    loss = gc.sum((gc.constant(labels) - gc.constant(inputs) @ B.T @ A.T) ** 2)
    step = gc.compile([], loss, updates=optim.Adam(0.03).updates(loss, [A, B]))
    losses = [float(step()) for _ in range(600)]
    assert losses[-1] == pytest.approx(0.641955604, abs=1e-6) and losses[0] > 5
    given = symbols(A=S(0, 2, 1), B=S(3, 1, 3))
    a, b = given
    check_gradients(gc.sum((labels - gc.constant(inputs) @ b.T @ a.T) ** 2), given)


@row("UST-51", "graphc/optim/landscape.py")
def test_ust_51_slices_of_a_loss():
    """A slice of a quadratic is the paraboloid; random directions have the norms of the filters;
    between a network's minimum and itself with its units swapped the loss is higher, between
    minima of a convex loss not.
    """
    w, k, b = (gc.constant(a) for a in (S(0, 3), S(1, 2, 3, 2), S(2, 4, 2)))
    ways = [S(4, 3), S(8, 3)]
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-2, 2, 4)), -1).reshape(-1, 2)
    plane = optim.loss_slice(quadratic(w), [w], [[gc.constant(d)] for d in ways], gc.constant(grid))
    directions = optim.random_direction(gc.random.key(1), [w, k, b])
    norms = [gc.norm(directions[1], axis=(1, 2)), gc.norm(directions[2], axis=0)]
    found, flat, kernels, columns = both([plane, directions[0], *norms])
    points = S(0, 3) + grid @ np.array(ways)
    np.testing.assert_allclose(found, np.sum(points @ H * points, 1) / 2, rtol=1e-13)
    assert not flat.any()
    np.testing.assert_allclose(kernels, np.linalg.norm(S(1, 2, 3, 2), axis=(1, 2)))
    np.testing.assert_allclose(columns, np.linalg.norm(S(2, 4, 2), axis=0))

    x = gc.constant(S(0, 20, 2))
    first, second = gc.constant(S(1, 2, 4)), gc.constant(S(2, 4))
    order = np.array([2, 0, 3, 1])

    def network(weights):
        return gc.tanh(x @ weights[0]) @ weights[1]

    here = [first, second]
    there = [first[:, order], second[order]]
    target = network([gc.constant(S(1, 2, 4)), gc.constant(S(2, 4))])
    line = gc.constant(np.linspace(0, 1, 11)[:, None])
    way = [b - a for a, b in zip(here, there, strict=True)]
    start = [gc.placeholder("first", (2, 4), "float64"), gc.placeholder("second", 4, "float64")]
    between = optim.loss_slice(nn.mse(network(start), target), start, [way], line)
    u = gc.placeholder("u", 3, "float64")
    valley = gc.constant(np.array([[1.0, 1, 0]]))
    flat = optim.loss_slice(gc.sum((valley @ u) ** 2), [u], [[gc.constant([1.0, -1, 2])]], line)
    wall, floor = gc.compile([*start, u], [between, flat])(S(1, 2, 4), S(2, 4), np.zeros(3))
    assert max(wall[0], wall[-1]) < 1e-20 and wall.max() > 0.05
    assert abs(floor).max() < 1e-20


@row("UST-52", "graphc/optim/landscape.py")
def test_ust_52_finder_of_critical_points():
    """Descent on the squared gradient ends at the saddle of x^2 - y^2, and at the saddle of
    x^3 - 3 x + y^2 from one side; the index there is 1, at its minimum 0; its slope is right.
    """
    w = gc.variable(np.array([[1.0, -0.7], [-0.6, 0.5], [0.8, 0.5]]), "w")
    x, y = w[:, 0], w[:, 1]
    losses = [x[0] ** 2 - y[0] ** 2, *(x[k] ** 3 - 3 * x[k] + y[k] ** 2 for k in (1, 2))]
    square = optim.gradient_square(losses[0] + losses[1] + losses[2], [w])
    bent = [optim.curvatures(f, [w]) for f in losses]
    updates = optim.SGD(0.02).updates(square, [w])
    step = gc.compile([], [square, bent], updates=updates)
    seen = [step() for _ in range(400)]
    assert seen[-1][0] < 1e-12 < seen[0][0]
    np.testing.assert_allclose(value(w), [[0, 0], [-1, 0], [1, 0]], atol=1e-6)
    assert [int((h < -1e-6).sum()) for h in seen[-1][1]] == [1, 1, 0]
    feeds = symbols(v=S(1, 3), A=S(2, 3, 3))
    v, A = feeds
    square = optim.gradient_square(gc.sum(gc.sin(A @ v) ** 2), [v])
    check_gradients(square, feeds)
    both(gc.grad(square, [v, A]), feeds)


@row("UST-53", "graphc/optim/landscape.py")
def test_ust_53_gibbs_measure_of_a_loss():
    """Of two equal minima the flatter has more, as by quadrature for large beta; Metropolis chains
    share themselves out as quadrature says for a small one.
    """

    def loss(x):
        return (x * x - 1) ** 2 * (1 + gc.tanh(x) / 2)

    x = gc.constant(np.linspace(-3, 3, 20001))
    beta = gc.placeholder("beta", (), gc.float64)
    weight = gc.exp(-beta * loss(x))
    left = gc.sum(weight * (x < 0)) / gc.sum(weight)
    minima = gc.constant(np.array([-1.0, 1.0]))
    curves = gc.vmap(lambda a: gc.hessian(loss(a), a))(minima)
    shares = optim.gibbs_shares(loss(minima), gc.reshape(curves, (2, 1, 1)), beta)
    start = gc.random.normal(gc.random.key(1), (4000,), dtype="float64")
    chains, _ = optim.metropolis_hastings(
        lambda s: -beta * loss(s), optim.random_walk(1.2), start, gc.random.key(2), 60
    )
    outputs = [left, shares, gc.mean((chains[-1] < 0).astype("float64"))]
    f = gc.compile([beta], outputs)
    exact, sharp, _ = f(400.0)
    curved = 8 * (1 + np.array([-1, 1]) * np.tanh(1) / 2)
    np.testing.assert_allclose(sharp, curved**-0.5 / (curved**-0.5).sum(), rtol=1e-12)
    assert exact == pytest.approx(sharp[0], rel=1e-3) and exact > 0.58
    exact, _, share = found = f(4.0)
    for a, b in zip(run(outputs, {beta: np.array(4.0)}, "reference"), found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert abs(share - exact) < 4 * np.sqrt(exact * (1 - exact) / 4000) and exact > 0.57
