"""Nearly equal elements, and those among others, against NumPy."""

import itertools
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.support.compare import agrees
from tests.support.run import TARGETS

EDGES = np.array([0.0, 1.0, 1.0 + 5e-6, 1.1, -1.0, np.inf, -np.inf, np.nan])
X, Y = (np.array(v) for v in zip(*itertools.product(EDGES, EDGES), strict=True))


@pytest.mark.parametrize("options", [{}, {"equal_nan": True}, {"rtol": 0.2}, {"atol": 2.0}])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_closeness_is_numpys(options: dict[str, Any], dtype: str) -> None:
    agrees(
        lambda x, y: gc.isclose(x, y, **options),
        lambda x, y: np.isclose(x, y, **options),
        X.astype(dtype),
        Y.astype(dtype),
        targets=TARGETS,
    )


def test_whole_numbers_are_compared_as_float64() -> None:
    a, b = np.array([100_000, 3, 7]), np.array([100_001, 3, 8])
    agrees(gc.isclose, np.isclose, a, b)
    agrees(gc.allclose, np.allclose, a[:2], b[:2])
    agrees(gc.allclose, np.allclose, a, b)


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint8"])
def test_elements_among_others_are_numpys(dtype: str) -> None:
    x, values = np.arange(24).reshape(4, 6).astype(dtype), np.array([[3, 7], [23, 60]])
    agrees(gc.isin, np.isin, x, values, targets=TARGETS)
    agrees(gc.isin, np.isin, x, values[:0])
