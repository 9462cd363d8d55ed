"""Vectors of elements some way apart, and loops whose elements take turns, against NumPy."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.backends.loops import expr as e
from graphc.backends.loops.strided import linear, load_strided
from graphc.ir.dtypes import int64

SIZES = (1, 2, 15, 16, 17, 31, 32, 33, 63, 67)
X, RAMP = e.var("x"), e.ramp(e.var("x"), 16)


def wide(value: int) -> e.Expr:
    return e.broadcast(e.const(value, int64), 16)


def test_a_sum_of_multiples_is_a_first_lane_and_a_step() -> None:
    assert linear(RAMP * wide(3) + wide(5) - wide(1)) == (X * 3 + 5 - 1, 3)
    assert linear(wide(2) - RAMP) == (e.const(2, int64) - X, -1)


@pytest.mark.parametrize("index", [RAMP * RAMP, e.make("load", (RAMP,), int64, 16, "a")])
def test_other_vectors_of_indices_have_no_step(index: e.Expr) -> None:
    assert linear(index) is None


@pytest.mark.parametrize("step", [11, -2, 0])
def test_far_steps_are_gathered(step: int) -> None:
    assert load_strided("a", RAMP * wide(step), gc.float32, 16, None) is None


@pytest.mark.parametrize("dtype", [gc.float32, gc.float64, gc.int32, gc.int8], ids=str)
@pytest.mark.parametrize("named", [True, False], ids=["named", "fixed"])
@pytest.mark.parametrize("n", SIZES)
def test_elements_backwards(n: int, named: bool, dtype: Any) -> None:
    x = gc.placeholder("x", (3, "n" if named else n), dtype)
    mirrored = gc.where(gc.arange(67) < 5, 1, 2).astype(dtype)
    run = gc.compile([x], [gc.flip(x, 1) + x, gc.pad(gc.flip(x), 2, "constant"), gc.flip(mirrored)])
    a = np.arange(3 * n).reshape(3, n).astype(dtype.numpy)
    first, second, _ = run(a)
    assert np.array_equal(first, a[:, ::-1] + a)
    assert np.array_equal(second, np.pad(a[::-1, ::-1], 2))


def test_backwards_no_element_is_gathered() -> None:
    x = gc.placeholder("x", ("n", "m"))
    text = gc.compile([x], gc.flip(x, 1), isa="x86-64-v4").dump("llvm")
    assert "masked.gather" not in text


@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3", "host"])
@pytest.mark.parametrize("step", [2, 3, 4, 7, 10])
@pytest.mark.parametrize("dtype", [gc.float32, gc.float64, gc.int32, gc.int8], ids=str)
def test_every_nth_element(dtype: Any, step: int, isa: str) -> None:
    x = gc.placeholder("x", ("n", 5), dtype)
    y = gc.placeholder("y", (3, 67), dtype)
    run = gc.compile([x, y], [x[:, ::step] + x[:, :1], y[:, 1::step] * 2], isa=isa)
    for n in SIZES:
        a = np.arange(n * 5).reshape(n, 5).astype(dtype.numpy)
        b = np.arange(201).reshape(3, 67).astype(dtype.numpy)
        first, second = run(a, b)
        assert np.array_equal(first, a[:, ::step] + a[:, :1])
        assert np.array_equal(second, b[:, 1::step] * 2)


@pytest.mark.parametrize("window", [2, 3, 4])
@pytest.mark.parametrize("positions", [1, 5, 16, 17, 33])
@pytest.mark.parametrize("behind", [lambda x: x, gc.relu], ids=["plain", "relu"])
def test_gradients_of_pooling_join_windows(window: int, positions: int, behind: Any) -> None:
    shape = ("n", 3, 2 * window, positions * window)
    x, b = gc.placeholder("x", shape), gc.placeholder("b", (3, 1, 1))
    y = nn.max_pool(behind(x + b), window)
    outputs = [y, *gc.grad(gc.sum(y * y), [x, b])]
    rng = np.random.default_rng(0)
    given = [rng.integers(-3, 4, (2, *shape[1:])).astype("f4"), np.ones((3, 1, 1), "f4")]
    given[0][0, 0, 0, :2] = np.nan
    found = gc.compile([x, b], outputs)(*given)
    wanted = gc.compile([x, b], outputs, target="reference")(*given)
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(have, want)


def test_turns_are_stored_as_whole_vectors() -> None:
    """No element of the gradient of a pooling is stored or read one by one."""
    x = gc.placeholder("x", (4, 3, 32, 32))
    y = nn.max_pool(x, 2)
    run = gc.compile([x], gc.grad(gc.sum(y * y), x), isa="x86-64-v4")
    text = run.dump("llvm")
    assert "masked.scatter" not in text and "masked.gather" not in text
