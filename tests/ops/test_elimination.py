"""Linear systems and determinants at and beside the edges of panels, against NumPy in float64."""

from typing import Any

import numpy as np
import pytest

import graphc as gc

SIZES = [0, 1, 7, 8, 9, 31, 32, 33, 41, 64, 67, 100]


def matrix(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [1, 20])
def test_systems_of_any_size(columns: int, dtype: str) -> None:
    a = gc.placeholder("a", ("b", "n", "n"), dtype)
    b = gc.placeholder("b", ("b", "n", columns), dtype)
    run = gc.compile([a, b], gc.linalg.solve(a, b))
    for n in SIZES:
        x, y = matrix(2, n, n, dtype=dtype), matrix(2, n, columns, dtype=dtype)
        found = run(x, y).astype(np.float64)
        size = (np.abs(x).astype(np.float64) @ np.abs(found)) + np.abs(y)
        assert (np.abs(x @ found - y) <= 16 * max(n, 1) * np.finfo(dtype).eps * size).all()


@pytest.mark.parametrize("n", [9, 33, 40])
def test_inverses_of_known_sizes(n: int) -> None:
    x = matrix(n, n)
    a = gc.placeholder("a", x.shape, gc.float64)
    run = gc.compile([a], gc.linalg.inverse(a))
    np.testing.assert_allclose(run(x) @ x, np.eye(n), atol=1e-10)


def test_determinants_of_any_size() -> None:
    a = gc.placeholder("a", ("n", "n"), gc.float64)
    run = gc.compile([a], [*gc.linalg.slogdet(a)])
    for n in SIZES:
        x = matrix(n, n)
        sign, log = run(x)
        meant = np.linalg.slogdet(x)
        assert sign == meant[0]
        np.testing.assert_allclose(log, meant[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [5, 40, 70])
def test_rows_may_come_in_any_order(n: int) -> None:
    order = np.random.default_rng(n).permutation(n)
    x, y = np.eye(n)[order], matrix(n, 3)
    a, b = gc.placeholder("a", ("n", "n"), gc.float64), gc.placeholder("b", ("n", 3), gc.float64)
    assert (gc.compile([a, b], gc.linalg.solve(a, b))(x, y)[order] == y).all()


@pytest.mark.parametrize("column", [0, 20, 39, 69])
def test_a_column_of_zeros_has_no_pivot(column: int) -> None:
    x = matrix(70, 70)
    x[:, column] = 0
    a, b = gc.placeholder("a", ("n", "n"), gc.float64), gc.placeholder("b", ("n", 1), gc.float64)
    sign, log = gc.compile([a], [*gc.linalg.slogdet(a)])(x)
    assert (sign, log) == (0, -np.inf)
    assert not np.isfinite(gc.compile([a, b], gc.linalg.solve(a, b))(x, matrix(70, 1))).all()


@pytest.mark.parametrize("n", [2, 9, 40])
def test_nothing_is_solved_from_a_pivot_that_is_no_number(n: int) -> None:
    a, b = gc.placeholder("a", ("n", "n"), gc.float64), gc.placeholder("b", ("n", 1), gc.float64)
    run = gc.compile([a, b], gc.linalg.solve(a, b))
    for k in (0, n // 2, n - 1):
        x = np.eye(n) + 1e-3
        x[k, k] = np.nan
        assert np.isnan(run(x, matrix(n, 1))).all()
