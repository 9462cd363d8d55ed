"""Convolutions of integers, against NumPy's integers."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.dtypes import DType
from tests.support.run import evaluate

CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 5, 9), (7, 5, 3), {"padding": 1}),
    ((2, 6, 9, 8), (4, 3, 3, 2), {"groups": 2, "stride": 2}),
    ((1, 16, 9, 8), (16, 1, 3, 3), {"groups": 16, "padding": "same"}),
    ((1, 3, 8, 9), (5, 3, 2, 3), {"dilation": 2, "padding": 1}),
    ((1, 3, 4, 4, 5), (2, 3, 2, 2, 2), {}),
]


def drawn(dtype: DType, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Integers from the whole range."""
    limits = np.iinfo(dtype.numpy)
    rng = np.random.default_rng(seed)
    return rng.integers(limits.min, limits.max, shape, dtype.numpy, endpoint=True)


def exact(x: np.ndarray, w: np.ndarray, **options: Any) -> Any:
    """The convolution in float64, which holds sums of so few integers of 16 bits exactly."""
    a, b = (gc.placeholder(n, v.shape, gc.float64) for n, v in (("a", x), ("b", w)))
    (found,) = evaluate([nn.conv(a, b, **options)], {a: x.astype(float), b: w.astype(float)})
    return found.astype(np.int64)


@pytest.mark.parametrize("target", ["cpu", "reference"])
@pytest.mark.parametrize("dtype", [gc.int8, gc.uint8, gc.int16, gc.int32], ids=str)
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case[1]))
def test_integers_wrap(case: Any, dtype: DType, target: str) -> None:
    shape, kernels, options = case
    x, w = drawn(dtype, shape, 0), drawn(dtype, kernels, 1)
    if dtype is gc.int32:
        x, w = x >> 16, w >> 16
    a, b = gc.placeholder("a", shape, dtype), gc.placeholder("b", kernels, dtype)
    y = nn.conv(a, b, **options)
    assert y.dtype is dtype
    (found,) = evaluate([y], {a: x, b: w}, target)
    assert np.array_equal(found, exact(x, w, **options).astype(dtype.numpy))


def test_the_result_type_is_numpy_s() -> None:
    a, b = gc.placeholder("a", (1, 1, 9), gc.uint8), gc.placeholder("b", (1, 1, 3), gc.int8)
    assert nn.conv(a, b).dtype is gc.int16
    assert nn.conv(a, gc.astype(b, gc.float32)).dtype is gc.float32
    assert nn.conv(gc.astype(a, gc.bool_), gc.astype(b, gc.bool_)).dtype.is_float


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_vectors_of_integers_convolve_as_numpy_s(mode: str) -> None:
    x, v = drawn(gc.int64, (40,), 2), drawn(gc.int64, (7,), 3)
    found = gc.compile([], gc.convolve(gc.constant(x), gc.constant(v), mode))()
    np.testing.assert_array_equal(found, np.convolve(x, v, mode), strict=True)


@pytest.mark.parametrize("stride", [1, 2])
def test_transposed_convolutions_of_integers(stride: int) -> None:
    x, w = drawn(gc.int8, (2, 6, 5, 4), 4), drawn(gc.int8, (6, 5, 3, 3), 5)
    a, b = gc.placeholder("a", x.shape, gc.int32), gc.placeholder("b", w.shape, gc.int32)
    c, d = (gc.astype(z, gc.float64) for z in (a, b))
    outputs = [nn.conv_transpose(a, b, stride, 1), nn.conv_transpose(c, d, stride, 1)]
    feeds = {a: x.astype(np.int32), b: w.astype(np.int32)}
    for target in ("cpu", "reference"):
        got, wanted = evaluate(outputs, feeds, target)
        np.testing.assert_array_equal(got, wanted.astype(np.int32), strict=True)
