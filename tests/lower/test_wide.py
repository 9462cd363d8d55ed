"""Long rows, columns and totals are added up so that little more than the result is rounded."""

import numpy as np
import pytest

import graphc as gc
from graphc import Tensor


def error(ours: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(ours - exact) / np.linalg.norm(exact))


def normalised(x: Tensor) -> Tensor:
    c = x - gc.mean(x, axis=1, keepdims=True)
    return c / gc.sqrt(gc.mean(c * c, axis=1, keepdims=True) + 1e-5)


def data(rows: int, length: int) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, length)).astype(np.float32)


def test_a_softmax_rounds_little() -> None:
    x, values = gc.placeholder("x", ("n", 1024), gc.float32), data(300, 1024)
    e = np.exp(values.astype(np.float64) - values.max(axis=1, keepdims=True))
    ours = gc.compile([x], gc.softmax(x, axis=1))(values)
    assert error(ours, e / e.sum(axis=1, keepdims=True)) < 6.5e-8


def test_a_norm_and_its_gradient_round_little() -> None:
    x, w = (gc.placeholder(name, ("n", 1024), gc.float32) for name in "xw")
    y = normalised(x)
    values, weights = data(300, 1024), data(301, 1024)[1:]
    f = gc.compile([x, w], [y, gc.grad(gc.sum(y * w), x)])
    wide, g = values.astype(np.float64), weights.astype(np.float64)
    c = wide - wide.mean(axis=1, keepdims=True)
    r = 1 / np.sqrt((c * c).mean(axis=1, keepdims=True) + 1e-5)
    h = c * r
    dx = r * (g - g.mean(axis=1, keepdims=True) - h * (g * h).mean(axis=1, keepdims=True))
    for ours, exact in zip(f(values, weights), (h, dx), strict=True):
        assert error(ours, exact) < 5.5e-8


def test_totals_are_off_by_a_rounding() -> None:
    x, values = gc.placeholder("x", ("n", 300), gc.float32), data(5000, 300)
    f = gc.compile([x], [gc.sum(x * x), gc.mean(gc.exp(x))])
    wide = values.astype(np.float64)
    for ours, exact in zip(f(values), ((wide * wide).sum(), np.exp(wide).mean()), strict=True):
        assert abs(ours - exact) / exact < 1.2e-7


def test_columns_and_their_variances_round_little() -> None:
    x, values = gc.placeholder("x", (4096, 1024), gc.float32), data(4096, 1024)
    f = gc.compile([x], [gc.mean(x, axis=0), gc.var(x, axis=0)])
    wide = values.astype(np.float64)
    mean, variance = f(values)
    assert error(mean, wide.mean(axis=0)) < 1.25e-7
    assert error(variance, wide.var(axis=0)) < 5.2e-8


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38])
def test_sums_beyond_all_numbers_stay_so(value: float) -> None:
    x = gc.placeholder("x", ("n", 1024), gc.float32)
    values = np.zeros((3, 1024), np.float32)
    values[1, 5:7], values[1, 9] = value, -1.0
    outputs = [gc.sum(x, axis=1), gc.sum(x), gc.softmax(x, axis=1), normalised(x)]
    with np.errstate(over="ignore", invalid="ignore"):
        native, expected = (
            gc.compile([x], outputs, target=t)(values) for t in ("cpu", "reference")
        )
    for ours, theirs in zip(native, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", [2048, 4099])
def test_columns_beside_long_rows_round_little_more_than_their_terms(rows: int) -> None:
    random = np.random.default_rng(rows)
    data = [random.normal(size=(rows, 300)).astype(np.float32) for _ in range(2)]
    x, w = (gc.placeholder(name, ("n", 300), gc.float32) for name in "xw")
    c = x - gc.mean(x, axis=1, keepdims=True)
    y = c / gc.sqrt(gc.mean(c * c, axis=1, keepdims=True) + 1e-5)
    got = gc.compile([x, w], [gc.sum(w * y, axis=0), gc.sum(w, axis=0)])(*data)
    a, b = (d.astype(np.float64) for d in data)
    a -= a.mean(axis=1, keepdims=True)
    a /= np.sqrt((a * a).mean(axis=1, keepdims=True) + 1e-5)
    for ours, exact, bound in zip(got, ((a * b).sum(0), b.sum(0)), (8.5e-8, 5e-8), strict=True):
        assert np.linalg.norm(ours - exact) < bound * np.linalg.norm(exact)
