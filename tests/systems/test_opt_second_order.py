"""Second-order methods (catalogue 7, D)."""

import itertools

import numpy as np

import graphc as gc
from graphc import optim
from tests.systems.catalogue import S, both, row, run, symbols
from tests.systems.quadratic import CURVES, START, Q, path, value

EXACT = optim.exact_on_quadratics


def bowl(w):
    """A smooth function with its minimum at (0, 0) and a changing Hessian."""
    return gc.sum(gc.exp(w) - w) + gc.sum((w[0] + w[1]) ** 2) - 2


@row("OPT-43", "graphc/optim/second_order.py")
def test_opt_43_newton():
    """One step minimises a quadratic; near a minimum the loss is squared; an undamped step goes to
    a saddle, a damped one downhill; two parameters have one joint Hessian.
    """
    np.testing.assert_allclose(path(lambda: optim.Newton(), 1)[-1], 0, atol=1e-15)
    points = path(lambda: optim.Newton(), 5, bowl, np.array([0.8, -0.3]))
    losses = [float(run(bowl(gc.constant(w)))) for w in points]
    assert losses[-1] < 1e-14
    assert all(b <= 2 * a * a + 1e-15 for a, b in itertools.pairwise(losses[1:]))

    def saddle(w):
        return w[0] ** 2 - w[1] ** 2

    np.testing.assert_allclose(path(lambda: optim.Newton(), 1, saddle)[-1], 0, atol=1e-15)
    away = path(lambda: optim.Newton(damping=3.0), 1, saddle)[-1]
    assert abs(away[1]) > 1
    a, b = gc.variable(np.array(1.0), "a"), gc.variable(np.ones((2, 1)), "b")
    loss = (a + b[0, 0]) ** 2 + (a - b[1, 0] - 3) ** 2 + (b[0, 0] - 1) ** 2
    gc.compile([], None, updates=optim.Newton().updates(loss, [a, b]))()
    np.testing.assert_allclose([value(a), *value(b).ravel()], [-1, 1, -4], atol=1e-14)


@row("OPT-44", "graphc/optim/second_order.py")
def test_opt_44_newton_for_logistic_regression():
    """Iteratively reweighted least squares as written and Newton's method on the cross-entropy
    make the same steps, the first two as printed; eight reach the limit to 1e-15.
    """
    X = np.stack([np.ones(4), np.arange(4.0)], 1)
    y = np.array([0.0, 1.0, 0.0, 1.0])
    w = gc.variable(np.zeros(2), "w")
    z = gc.constant(X) @ w
    a = gc.sigmoid(z)
    h = gc.constant(X.T) @ (gc.constant(X) * gc.reshape(a * (1 - a), (4, 1)))
    written = w - gc.linalg.solve(h, gc.constant(X.T) @ (a - y))

    def f(w):
        logits = gc.constant(X) @ w
        return gc.sum(gc.softplus(logits) - gc.constant(y) * logits)

    newton = path(lambda: optim.Newton(), 9, f, np.zeros(2))
    step = gc.compile([], None, updates={w: written})
    for t in range(9):
        step()
        np.testing.assert_allclose(value(w), newton[t + 1], rtol=1e-13)
    np.testing.assert_allclose(newton[1], [-1.2, 0.8], rtol=1e-14)
    np.testing.assert_allclose(newton[2], [-1.35598343, 0.90398896], atol=6e-9)
    np.testing.assert_allclose(newton[8], newton[9], atol=1e-15)


@row("OPT-45", "graphc/optim/second_order.py")
def test_opt_45_diagonal_newton():
    """Q is at its minimum after one step."""
    np.testing.assert_allclose(path(lambda: optim.DiagonalNewton(), 1)[-1], 0, atol=1e-15)


@row("OPT-46", "graphc/optim/line_search.py")
def test_opt_46_exact_line_search():
    """The first and the tenth iterate on Q as printed; gradients of successive points are
    orthogonal.
    """
    points = path(lambda: optim.SteepestDescent(search=EXACT), 10)
    np.testing.assert_allclose(points[1], [0.7936507937, -0.0317460317], atol=6e-11)
    np.testing.assert_allclose(abs(points[10]), 1.32691e-5, rtol=1e-5)
    slopes = 2 * CURVES * points
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in itertools.pairwise(slopes)]
    np.testing.assert_allclose(cosines, 0, atol=1e-12)


@row("OPT-47", "graphc/optim/quasi_newton.py")
def test_opt_47_bfgs_and_l_bfgs():
    """With an exact line search Q is at its minimum after two steps and the matrix is diag(0.5,
    0.1); L-BFGS with pairs for all steps makes the same steps as BFGS; with a Wolfe search both
    minimise Rosenbrock's function.
    """
    w, bfgs = gc.variable(START, "w"), optim.BFGS(EXACT)
    step = gc.compile([], None, updates=bfgs.updates(Q(w), [w]))
    step(), step()
    np.testing.assert_allclose(value(w), 0, atol=1e-14)
    np.testing.assert_allclose(value(bfgs.slots["all.inverse"]), np.diag([0.5, 0.1]), atol=1e-12)

    def valley(w):
        return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2

    begin = np.array([-1.2, 1.0])
    full = path(lambda: optim.BFGS(), 12, valley, begin)
    limited = path(lambda: optim.LBFGS(12, scaled=False), 12, valley, begin)
    np.testing.assert_allclose(limited, full, rtol=1e-7, atol=1e-9)
    w = gc.variable(begin, "w")
    step = gc.compile([], valley(w), updates=optim.LBFGS(5).updates(valley(w), [w]))
    losses = [float(step()) for _ in range(50)]
    assert losses[-1] < 1e-16 and all(np.diff(losses) <= 0)


@row("OPT-48", "graphc/optim/second_order.py")
def test_opt_48_gauss_newton_and_outer_products():
    """For linear least squares J^T J is the Hessian and one step reaches NumPy's solution; the mean
    of outer products, its diagonal, and the step that divides by its root are those of a loop over
    the samples.
    """
    feeds = symbols(X=S(0, 6, 3) ** 2, y=S(5, 6))
    X, y = feeds
    w = gc.variable(S(2, 3), "w")
    residuals = X @ w - y
    a, b = feeds.values()
    j = gc.jacobian(residuals, w)
    square, curvature = both([j.T @ j, gc.hessian(gc.sum(residuals**2) / 2, w)], feeds)
    np.testing.assert_allclose(square, curvature, atol=1e-13)
    each = (a @ S(2, 3) - b)[:, None] * a
    losses = residuals**2 / 2
    found = both(optim.outer_product_hessian(losses, [w]), feeds)
    np.testing.assert_allclose(found, each.T @ each / 6, atol=1e-13)
    step = optim.OuterProductDiagonal(0.1, 0.0).updates(losses, [w])
    expected = S(2, 3) - 0.1 * each.mean(0) / np.sqrt((each**2).mean(0))
    np.testing.assert_allclose(both(step[w], feeds), expected, rtol=1e-12)
    solved = both(optim.GaussNewton().updates(residuals, [w])[w], feeds)
    np.testing.assert_allclose(solved, np.linalg.lstsq(a, b)[0], atol=1e-12)


@row("OPT-49", "graphc/optim/second_order.py")
def test_opt_49_preconditioning():
    """Q in y, where w = P^1/2 y, has the Hessian P^1/2 H P^1/2; for P = H^-1 its condition number
    falls from 5 to 1, with the symmetric root and with Cholesky's, and one step minimises Q.
    """
    inverse = gc.constant(np.diag(1 / (2 * CURVES)))
    y = gc.constant(START)
    roots = (gc.linalg.sqrtm(inverse), gc.linalg.cholesky(inverse))
    before, *after = both([gc.hessian(Q(r @ y), y) for r in (gc.eye(2, dtype="float64"), *roots)])
    assert np.linalg.cond(before) == 5
    for h in after:
        np.testing.assert_allclose(h, np.eye(2), atol=1e-14)
    np.testing.assert_allclose(path(lambda: optim.Preconditioned(inverse), 1)[-1], 0, atol=1e-15)


@row("OPT-50", "graphc/optim/krylov.py")
def test_opt_50_newton_and_curvature_by_products():
    """Conjugate gradients on products of the Hessian make Newton's steps to 1e-8 and hold no matrix
    of n x n; power iteration and Lanczos give the ends of the dense spectrum.
    """
    begin = np.array([0.8, -0.3])
    dense = path(lambda: optim.Newton(damping=0.1), 3, bowl, begin)
    free = path(lambda: optim.Newton(damping=0.1, by="cg", iterations=4), 3, bowl, begin)
    np.testing.assert_allclose(free, dense, atol=1e-8)
    n = 301
    w = gc.variable(S(0, n), "w")
    f = gc.sum(gc.cosh(w * gc.constant(np.linspace(0.5, 1.5, n)))) + gc.mean(w) ** 2

    def product(v):
        return gc.hvp(f, w, v)

    start = gc.constant(S(1, n))
    top, direction = optim.power_iteration(product, start, 400)
    spectrum = np.linalg.eigvalsh(run(gc.hessian(f, w)))
    found = both([top, direction, optim.lanczos(product, start, 60)])
    np.testing.assert_allclose(found[0], spectrum[-1], rtol=1e-3)
    np.testing.assert_allclose(found[2][-1], spectrum[-1], rtol=1e-8)
    np.testing.assert_allclose(found[2][0], spectrum[0], rtol=1e-2)
    newton = optim.Newton(by="cg", iterations=5).updates(f, [w])[w]
    assert gc.compile([], newton).memory.peak < 8 * n * n
