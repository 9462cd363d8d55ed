"""The first loop over a row goes along with the second one over the row before."""

import numpy as np
import pytest

import graphc as gc
from graphc import Tensor

LENGTHS = (256, 300, 1000, 2048)
ROWS = (0, 1, 2, 16, 17, 131)


def normalised(x: Tensor) -> Tensor:
    c = x - gc.mean(x, axis=1, keepdims=True)
    return c / gc.sqrt(gc.mean(c * c, axis=1, keepdims=True) + 1e-5)


def results(x: Tensor) -> list[Tensor]:
    return [gc.softmax(x, axis=1), gc.max(x, axis=1), normalised(x), gc.logsumexp(x, axis=1)]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("one", range(4))
def test_rows_are_as_the_reference_has_them(length: int, one: int) -> None:
    x = gc.placeholder("x", ("n", length), gc.float32)
    outputs = results(x)[one : one + 2]
    native, expected = gc.compile([x], outputs), gc.compile([x], outputs, target="reference")
    for rows in ROWS:
        data = np.random.default_rng(rows).normal(size=(rows, length)).astype(np.float32)
        for ours, theirs in zip(native(data), expected(data), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=3e-5, atol=3e-6)


def test_odd_values_stay_in_their_row() -> None:
    x = gc.placeholder("x", ("n", 256), gc.float32)
    f, g = (gc.compile([x], gc.softmax(x, axis=1), target=t) for t in ("cpu", "reference"))
    data = np.random.default_rng(0).normal(size=(23, 256)).astype(np.float32)
    data[3, 7], data[5, 0], data[9, 255], data[22] = np.nan, np.inf, -np.inf, -np.inf
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(f(data), g(data), rtol=1e-5, atol=1e-9)


def test_a_variable_is_replaced_where_it_lies() -> None:
    v = gc.variable(np.random.default_rng(0).normal(size=(37, 512)).astype(np.float32), "v")
    expected = gc.compile([], gc.softmax(v, axis=1), target="reference")()
    gc.compile([], [], updates={v: gc.softmax(v, axis=1)})()
    np.testing.assert_allclose(v.value, expected, rtol=1e-5)


@pytest.mark.parametrize(("length", "begun"), [(1024, True), (64, False), (4096, False)])
def test_rows_that_the_cache_holds_are_begun_early(length: int, begun: bool) -> None:
    x = gc.placeholder("x", ("n", length), gc.float32)
    loops = gc.compile([x], gc.softmax(x, axis=1)).dump("loops")
    assert ("next = " in loops) is begun


def test_rows_beside_sums_of_columns_are_not_begun_early() -> None:
    x, w = (gc.placeholder(name, ("n", 1024), gc.float32) for name in "xw")
    y = normalised(x)
    outputs = [y * w, gc.sum(w * y, axis=0)]
    assert "next = " in gc.compile([x, w], outputs[:1]).dump("loops")
    assert "next = " not in gc.compile([x, w], outputs).dump("loops")
