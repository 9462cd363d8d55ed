"""The first of many elements, by a heap: ties, NaN, orders that fill it anew, positions."""

import numpy as np
import pytest

import graphc as gc

N, K = 3000, 100


def lines():
    rng = np.random.default_rng(0)
    some = rng.standard_normal(N)
    some[rng.integers(0, N, 40)] = np.nan
    return {
        "random": rng.standard_normal(N),
        "rising": np.arange(N) * 1.0,
        "falling": -np.arange(N) * 1.0,
        "equal": np.zeros(N),
        "few values": rng.integers(0, 5, N) * 1.0,
        "some NaN": some,
        "infinite": np.where(rng.random(N) < 0.1, np.inf, -np.inf),
    }


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "float16"])
def test_as_of_a_stable_sort(largest, named, dtype):
    given = lines()
    if not dtype.startswith("float"):
        given = {k: given[k] for k in ("rising", "falling", "equal", "few values")}
    a = np.stack(list(given.values())).astype(dtype)
    x = gc.placeholder("x", ("b", "n") if named else a.shape, dtype)
    values, order = gc.compile([x], list(gc.topk(x, K, largest=largest)))(a)
    reference = gc.compile([x], list(gc.topk(x, K, largest=largest)), target="reference")(a)
    np.testing.assert_array_equal(order, reference[1])
    np.testing.assert_array_equal(values, reference[0])


def test_all_elements_of_a_named_axis():
    x = gc.placeholder("x", ("n",), "float32")
    f = gc.compile([x], list(gc.topk(x, K)))
    for n in (K, K + 1, K + 129):
        a = np.random.default_rng(n).standard_normal(n).astype("f4")
        values, order = f(a)
        np.testing.assert_array_equal(values, np.sort(a)[::-1][:K])
        np.testing.assert_array_equal(a[order], values)
