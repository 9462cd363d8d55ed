"""Squares of lanes turned over: the bits that go in, and what LLVM is kept from looking into."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.llvm.function import KernelFunction
from graphc.backends.loops import expr as e
from graphc.backends.loops.stmt import LoopKernel, Param, Store
from graphc.ir.dtypes import int64
from tests.support.kernels import Compiled

TYPES = [gc.float32, gc.float64, gc.int32]


def turned(dtype: Any, n: int) -> LoopKernel:
    """A kernel that turns a square over."""
    places = [e.ramp(e.const(k * n, int64), n) for k in range(n)]
    columns = e.transpose([e.load("x", place, dtype) for place in places])
    stores = tuple(Store("y", place, x) for place, x in zip(places, columns, strict=True))
    params = (Param("x", dtype, False), Param("y", dtype, True))
    return LoopKernel("turned", params, (), e.const(1, int64), stores)


@pytest.mark.parametrize("n", [4, 8, 16])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_square_keeps_all_bits(dtype: Any, n: int) -> None:
    bits = np.random.default_rng(n).integers(0, 256, n * n * dtype.bytes, np.uint8)
    x = bits.view(dtype.numpy).reshape(n, n)
    y = np.zeros_like(x)
    Compiled(turned(dtype, n))(x, y)
    assert np.ascontiguousarray(x.T).tobytes() == y.tobytes()


@pytest.mark.parametrize("n", [4, 8, 16])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_steps_of_many_lanes_are_kept_apart(dtype: Any, n: int) -> None:
    text, _ = KernelFunction(turned(dtype, n), "turned").text()
    later = 0 if n < 8 or dtype is gc.int32 else n * (n.bit_length() - 2)
    assert text.count("call <") == later


def test_lanes_that_are_chosen_otherwise_are_left_to_llvm() -> None:
    x, y = (e.load(name, e.ramp(e.const(0, int64), 16), gc.float32) for name in "xy")
    value = e.shuffle(e.shuffle(x, x, (*range(1, 16), 0)), y, tuple(range(16)))
    store = Store("z", e.ramp(e.const(0, int64), 16), value)
    params = tuple(Param(name, gc.float32, name == "z") for name in "xyz")
    kernel = LoopKernel("picked", params, (), e.const(1, int64), (store,))
    assert "fence" not in KernelFunction(kernel, "picked").text()[0]
