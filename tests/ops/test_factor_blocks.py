"""Cholesky factors and triangular systems at and beside the edges of their blocks."""

import numpy as np
import pytest

import graphc as gc

SIZES = [1, 7, 8, 9, 16, 63, 64, 65, 130]


def positive(n, dtype):
    a = np.random.default_rng(n).standard_normal((2, n, n))
    return (a @ np.swapaxes(a, 1, 2) / n + np.eye(n)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("named", [False, True])
def test_factors_of_any_size(dtype, named):
    x = gc.placeholder("x", ("b", "n", "n"), dtype)
    f = gc.compile([x], gc.linalg.cholesky(x))
    for n in SIZES:
        a = positive(n, dtype)
        if not named and n in (9, 64, 65):
            x = gc.placeholder("x", a.shape, dtype)
            f = gc.compile([x], gc.linalg.cholesky(x))
        elif not named:
            continue
        meant = np.linalg.cholesky(a.astype(float))
        unread = np.triu(np.full((n, n), np.nan), 1).astype(dtype)
        np.testing.assert_allclose(f(a + unread), meant, rtol=0, atol=40 * np.finfo(dtype).eps)


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("columns", [1, 5, 64, 70])
def test_systems_of_any_size(lower, flip, columns):
    a = gc.placeholder("a", ("n", "n"), "float64")
    b = gc.placeholder("b", ("n", columns), "float64")
    f = gc.compile([a, b], gc.linalg.triangular_solve(a, b, lower, flip))
    for n in SIZES:
        half = np.linalg.cholesky(positive(n, "float64")[0])
        half = half if lower else half.T
        right = np.random.default_rng(1).standard_normal((n, columns))
        meant = np.linalg.solve(half.T if flip else half, right)
        np.testing.assert_allclose(f(half, right), meant, rtol=0, atol=1e-12 * n)


def spoiled(kind, n):
    """One of two matrices is not positive definite."""
    a = positive(n, "float64")
    at = n // 2
    a[1, at, at] = {"negative": -1, "nan": np.nan, "minus infinity": -np.inf}.get(kind, 1)
    if kind in ("zero", "late zero"):
        row = at if kind == "zero" else n - 1
        a[1, row] = a[1, :, row] = 0
    if kind == "infinite beside":
        a[1, at, 0] = np.inf
    return a


@pytest.mark.parametrize("n", [1, 3, 70])
def test_a_matrix_that_is_not_positive_gives_nan(n):
    x = gc.placeholder("x", ("b", "n", "n") if n == 70 else (2, n, n), "float64")
    low = gc.linalg.cholesky(x)
    weights = gc.cumsum(gc.ones_like(low), axis=2)
    results = [low, gc.grad(gc.sum(low * weights), x)]
    f, reference = (gc.compile([x], results, target=t) for t in ("cpu", "reference"))
    for kind in ("negative", "nan", "minus infinity", "zero", "late zero", "infinite beside"):
        a = spoiled(kind, n)
        (low, slope), wanted = f(a), reference(a)
        if n > 1 or kind != "infinite beside":
            assert np.isnan(low[1]).all(), kind
            assert np.isnan(slope[1][np.tril_indices(n)]).all(), kind
        np.testing.assert_allclose(low, wanted[0], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(slope, wanted[1], rtol=1e-9, atol=1e-9)
