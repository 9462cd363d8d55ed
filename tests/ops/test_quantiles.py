"""Quantiles against NumPy."""

import itertools
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.errors import ShapeError
from tests.support.compare import call
from tests.support.run import TARGETS, evaluate

X = np.random.default_rng(0).standard_normal((5, 4, 6))


SHARES: list[Any] = [0, 0.3, 0.5, 1, [0.1, 0.95], [[0.0, 1.0], [0.25, 0.5]]]


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
def test_quantiles_are_numpys(axis: Any) -> None:
    def all_shares(x: gc.Tensor) -> list[gc.Tensor]:
        return [gc.quantile(x, q, axis) for q in SHARES]

    for x in (X, X.astype(np.float32), (X * 20).astype(np.int8)):
        for target, symbolic in itertools.product(TARGETS, (False, True)):
            values = call(all_shares, x, symbolic=symbolic, target=target)
            for found, q in zip(values, SHARES, strict=True):
                wanted = np.quantile(x, np.asarray(q, float), axis)
                np.testing.assert_allclose(found, wanted, rtol=1e-6, err_msg=str(q))
                assert found.dtype == (x.dtype if x.dtype.kind == "f" else np.float64)


@pytest.mark.parametrize("q", SHARES)
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
def test_percentiles_are_numpys(q: Any, axis: Any) -> None:
    hundredths = np.asarray(q) * 100.0
    found = call(lambda t: gc.percentile(t, hundredths, axis, keepdims=True), X)
    np.testing.assert_allclose(found, np.percentile(X, hundredths, axis, keepdims=True))


def test_a_line_with_nan_has_no_quantile_and_infinities_have_theirs() -> None:
    x = np.array([[1.0, np.nan, 2.0], [np.inf, -np.inf, 3.0], [np.inf, np.inf, 0.0]])
    found = call(lambda t: gc.quantile(t, 0.5, 1), x, target="cpu")
    np.testing.assert_array_equal(found, [np.nan, 3, np.inf])


def test_shares_outside_of_0_to_1_are_refused_or_nan() -> None:
    x, q = gc.placeholder("x", ("n",), "float64"), gc.placeholder("q", (3,), "float64")
    with pytest.raises(ShapeError, match=r"a share from 0 to 1, not 1\.5"):
        gc.quantile(x, 1.5)
    with pytest.raises(ShapeError, match="no elements have no quantiles"):
        gc.quantile(gc.zeros((0, 3)), 0.5, 0)
    values = {x: np.array([3.0, 1.0, 2.0]), q: np.array([-0.1, 0.5, 1.01])}
    (found,) = evaluate([gc.quantile(x, q)], values, "cpu")
    np.testing.assert_array_equal(found, [np.nan, 2, np.nan])


def test_the_slope_goes_to_the_two_neighbours() -> None:
    x = gc.placeholder("x", (4,), "float64")
    (found,) = evaluate(
        [gc.grad(gc.quantile(x, 0.5), x)], {x: np.array([4.0, 1.0, 3.0, 2.0])}, "cpu"
    )
    np.testing.assert_array_equal(found, [0, 0, 0.5, 0.5])
