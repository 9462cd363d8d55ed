"""Kernels for GPUs, run in Numba's simulator, give the reference's values."""

import numpy as np
import pytest

import graphc as gc
from graphc.backends.cuda.device import DeviceSchedule
from graphc.backends.cuda.module import device_program
from graphc.backends.cuda.simulate import simulate
from graphc.passes.pipeline import Graph
from tests.cuda.graphs import CASES

# Small blocks and chunks, so that small arrays need many of them and every loop has a tail.
SMALL = DeviceSchedule(grain=32, most_chunks=4, threads=4, micro=2)


def simulated(
    xs: list[gc.Tensor], outputs: list[gc.Tensor], arrays: tuple[np.ndarray, ...]
) -> tuple[list[np.ndarray], tuple[int, int]]:
    program = device_program(Graph(tuple(xs), tuple(outputs)), SMALL)
    named = gc.compile(xs, outputs, target="reference").signature
    return simulate(program, arrays, named.sizes(arrays), SMALL.threads)


@pytest.mark.parametrize("name", CASES)
def test_a_kernel_computes_the_reference(name: str) -> None:
    xs, outputs = CASES[name].build()
    arrays = CASES[name].arrays(np.random.default_rng(0))
    wanted = gc.compile(xs, outputs, target="reference")(*arrays)
    results, status = simulated(xs, outputs, arrays)
    assert status == (0, 0)
    for got, want in zip(results, wanted, strict=True):
        assert got.dtype == want.dtype
        exact = np.float64 if want.dtype.kind not in "biu" else want.dtype
        narrow = want.dtype.itemsize == 2
        close = 1e-2 if narrow else 1e-5
        np.testing.assert_allclose(got.astype(exact), want.astype(exact), rtol=close, atol=close)


def test_a_failed_check_leaves_its_code_and_value() -> None:
    x, i = gc.placeholder("x", (4,)), gc.placeholder("i", (3,), gc.int64)
    arrays = (np.ones(4, np.float32), np.array([0, 9, 1]))
    assert simulated([x, i], [gc.take(x, i)], arrays)[1] == (1, 9)


def test_empty_arrays_launch_nothing() -> None:
    x = gc.placeholder("x", ("n", 3))
    results, status = simulated([x], [x * 2.0], (np.zeros((0, 3), np.float32),))
    assert results[0].shape == (0, 3) and status == (0, 0)


def test_nan_wins_reductions_across_threads() -> None:
    x = gc.placeholder("x", (40,))
    array = np.arange(40, dtype=np.float32)
    array[[17, 30]] = np.nan
    (largest, where), _ = simulated([x], [gc.max(x), gc.argmax(x)], (array,))
    assert np.isnan(largest) and where == 17
