"""Linear algebra against NumPy and SciPy, with gradients by differences; the factorisations' own
laws are the op laws.
"""

import numpy as np
import pytest
import scipy.linalg

import graphc as gc
from graphc import linalg

RNG = np.random.default_rng(0)
SQUARE = RNG.standard_normal((2, 4, 4)) + 2 * np.eye(4)
SYMMETRIC = SQUARE @ np.swapaxes(SQUARE, -1, -2)
TALL = RNG.standard_normal((2, 5, 3))


def compute(f, *arrays):
    symbols = [gc.placeholder(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
    return gc.compile(symbols, f(*symbols))(*arrays)


CASES = {
    "inv": (linalg.inv, np.linalg.inv, SQUARE),
    "det": (linalg.det, np.linalg.det, SQUARE),
    "pinv": (linalg.pinv, np.linalg.pinv, TALL),
    "expm": (linalg.expm, scipy.linalg.expm, 0.7 * SQUARE),
    "sqrtm": (linalg.sqrtm, lambda a: np.stack([scipy.linalg.sqrtm(x) for x in a]), SYMMETRIC),
    "power": (lambda a: linalg.matrix_power(a, 5), lambda a: np.linalg.matrix_power(a, 5), SQUARE),
    "inverse power": (
        lambda a: linalg.matrix_power(a, -2),
        lambda a: np.linalg.matrix_power(a, -2),
        SQUARE,
    ),
    "cond": (linalg.cond, np.linalg.cond, SQUARE),
    "nuclear norm": (
        lambda a: linalg.matrix_norm(a, "nuc"),
        lambda a: np.linalg.norm(a, "nuc", axis=(-2, -1)),
        TALL,
    ),
    "eigenvalues": (linalg.eigvalsh, np.linalg.eigvalsh, SYMMETRIC),
    "wide singular values": (
        lambda a: linalg.svdvals(gc.matrix_transpose(a)),
        lambda a: np.linalg.svd(a)[1],
        TALL,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name):
    f, expected, a = CASES[name]
    np.testing.assert_allclose(compute(f, a), expected(a), rtol=1e-9, atol=1e-10)
    x = gc.placeholder("x", a.shape, "float64")
    loss = gc.sum(gc.sin(f(x)))
    both = gc.compile([x], [loss, gc.grad(loss, x)])
    direction = RNG.standard_normal(a.shape)
    direction = direction + np.swapaxes(direction, -1, -2) if a is SYMMETRIC else direction
    sides = [float(both(a + s * 1e-6 * direction)[0]) for s in (1, -1)]
    slope = float(np.sum(both(a)[1] * direction))
    assert slope == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-5, abs=1e-6)


def test_factors_multiply_to_the_matrix():
    u, s, vt = compute(linalg.svd, TALL)
    np.testing.assert_allclose((u * s[:, None, :]) @ vt, TALL, atol=1e-12)
    q, r = compute(linalg.qr, TALL)
    np.testing.assert_allclose(q @ r, TALL, atol=1e-12)
    np.testing.assert_allclose(np.swapaxes(q, 1, 2) @ q, np.tile(np.eye(3), (2, 1, 1)), atol=1e-12)


def test_least_squares_of_a_vector_and_of_columns():
    for b in (RNG.standard_normal((2, 5)), RNG.standard_normal((2, 5, 2))):
        found = compute(linalg.lstsq, TALL, b)
        for k in range(2):
            np.testing.assert_allclose(found[k], np.linalg.lstsq(TALL[k], b[k])[0], atol=1e-11)


def test_rank_counts_what_is_not_dependent():
    a = np.outer(np.arange(4.0), np.arange(1.0, 4)) + np.eye(4, 3)[::-1] * np.array([1.0, 0, 0])
    assert compute(linalg.matrix_rank, a) == np.linalg.matrix_rank(a)


def test_a_large_system_keeps_its_accuracy():
    a, b = RNG.standard_normal((120, 120)), RNG.standard_normal((120, 3))
    x = compute(linalg.solve, a, b)
    assert np.abs(a @ x - b).max() < 1e-9
    w, v = compute(linalg.eigh, a + a.T)
    np.testing.assert_allclose((a + a.T) @ v, v * w, atol=1e-9)


def test_what_is_not_positive_definite_has_no_factor():
    assert np.isnan(compute(linalg.cholesky, -np.eye(3))).all()


def test_a_wide_matrix_has_no_qr():
    with pytest.raises(gc.ShapeError, match="at least as many rows as columns"):
        linalg.qr(gc.placeholder("x", (2, 3), "float64"))


def test_the_inverse_needs_a_square_matrix() -> None:
    with pytest.raises(gc.ShapeError, match="inverse: a square matrix needed, not 3 by 4"):
        gc.linalg.inv(gc.placeholder("a", (3, 4)))


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("transpose_a", [True, False])
@pytest.mark.parametrize(("n", "k"), [(1, 3), (7, 1), (17, 65), (33, 130), (8, 64), (0, 2)])
def test_panels_of_columns_solve_like_numpy(n, k, lower, transpose_a):
    rng = np.random.default_rng(n + k)
    a = rng.standard_normal((n, n)) * 0.3 / max(n, 1) ** 0.5 + 2 * np.eye(n)
    b = rng.standard_normal((n, k))
    x, y = gc.placeholder("x", ("n", "n"), gc.float64), gc.placeholder("y", ("n", "k"), gc.float64)
    solve = gc.linalg.triangular_solve(x, y, lower=lower, transpose_a=transpose_a)
    half = np.tril(a) if lower else np.triu(a)
    expected = np.linalg.solve(half.T if transpose_a else half, b)
    np.testing.assert_allclose(gc.compile([x, y], solve)(a, b), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(9, 9), (17, 17), (64, 64), (100, 100), (3, 19, 19)])
@pytest.mark.parametrize("isa", ["host", "x86-64-v2"])
def test_large_cholesky_factors_are_numpys(shape, isa):
    m = np.random.default_rng(0).standard_normal(shape)
    a = m @ np.swapaxes(m, -1, -2) + shape[-1] * np.eye(shape[-1])
    x = gc.placeholder("x", shape, gc.float64)
    low = gc.compile([x], gc.linalg.cholesky(x), isa=isa)(a + np.triu(np.ones(shape), 1))
    np.testing.assert_allclose(low, np.linalg.cholesky(a), rtol=1e-10, atol=1e-12)


def near(a, b, dtype):
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-3 if dtype == np.float32 else 1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 33, 70])
def test_factors_of_matrices_of_named_sizes_multiply_to_them(n, dtype):
    a = np.random.default_rng(n).standard_normal((2, n + 3, n)).astype(dtype)
    s = np.swapaxes(a, 1, 2) @ a
    y = gc.placeholder("y", ("b", "n", "n"), dtype)
    fixed = gc.placeholder("x", a.shape, dtype)
    q, r, u, sigma, vt = gc.compile([fixed], [*linalg.qr(fixed), *linalg.svd(fixed)])(a)
    w, v = gc.compile([y], list(linalg.eigh(y)))(s)
    near(q @ r, a, dtype)
    near(u * sigma[:, None] @ vt, a, dtype)
    near((v * w[:, None]) @ np.swapaxes(v, 1, 2), s, dtype)
    for columns in (q, u, v, np.swapaxes(vt, 1, 2)):
        near(np.swapaxes(columns, 1, 2) @ columns, np.broadcast_to(np.eye(n), s.shape), dtype)
    assert (np.diff(w) >= 0).all()
    assert (np.diff(sigma) <= 0).all()


@pytest.mark.parametrize("factor", [linalg.eigh, linalg.svd, linalg.qr])
def test_a_nan_is_not_lost_in_all_factors(factor):
    a = np.full((3, 3), 1.0, np.float32)
    a[2, 0] = np.nan
    x = gc.placeholder("x", a.shape)
    assert any(np.isnan(y).any() for y in gc.compile([x], list(factor(x)))(a))
