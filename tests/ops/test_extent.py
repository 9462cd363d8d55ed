"""Lengths as numbers of the graph: they compute with tensors as Python's integers do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

A = np.arange(1, 13, dtype=np.float32).reshape(4, 3)

COMPUTATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "divided by": lambda x, n: x / n,
    "divides": lambda x, n: n / x,
    "times": lambda x, n: n * x,
    "minus": lambda x, n: n - x,
    "power": lambda x, n: x**n,
    "floor": lambda x, n: n // x,
    "remainder": lambda x, n: n % x,
    "less": lambda x, n: n > x,
    "of several": lambda x, n: x * (2 * n + 1),
}


@pytest.mark.parametrize("compute", COMPUTATIONS.values(), ids=COMPUTATIONS)
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_length_is_as_weak_as_a_number(compute: Callable[[Any, Any], Any], dtype: str) -> None:
    x = gc.placeholder("x", ("n", 3), dtype)
    for rows in (4, 1):
        given = A[:rows].astype(dtype)
        found = gc.compile([x], compute(x, x.shape[0]))(given)
        expected = np.asarray(compute(given, rows))
        np.testing.assert_allclose(found, expected, rtol=1e-3 if dtype == "int8" else 1e-6)
        assert found.dtype == expected.dtype or dtype == "int8"


def test_a_length_alone_is_an_integer() -> None:
    x = gc.placeholder("x", ("n", 3))
    n = x.shape[0]
    both = gc.compile([x], gc.stack([n, n + 1]))(A)
    assert both.dtype == np.int64 and both.tolist() == [4, 5]
    assert gc.compile([x], gc.full((2,), n, "float32"))(A).tolist() == [4, 4]


@pytest.mark.parametrize("length", [1, 4, 7])
def test_the_length_left_over_is_worked_out_beside_one_that_is_a_sum(length: int) -> None:
    x = gc.placeholder("x", (3, "m"))
    pooled = gc.nn.max_pool(gc.reshape(x, (3, 1, "m")), 2, 2, padding=1)
    rows = gc.reshape(gc.concatenate([pooled, pooled], 1), (-1, pooled.shape[-1]))
    assert rows.shape[0] == 6
    given = np.arange(3 * length, dtype=np.float32).reshape(3, length)
    whole, flat = gc.compile([x], [pooled, rows])(given)
    np.testing.assert_array_equal(flat, np.repeat(whole, 2, axis=0).reshape(6, -1))
