"""Kernels for GPUs, run in Numba's simulator, give the reference's values."""

import numpy as np

import graphc as gc
from graphc.backends.cuda.device import DeviceSchedule
from graphc.backends.cuda.module import device_program
from graphc.backends.cuda.simulate import simulate
from graphc.passes.pipeline import Graph
from tests.cuda.graphs import CASES

# Small blocks and chunks, so that small arrays need many of them and every loop has a tail.
SMALL = DeviceSchedule(grain=32, most_chunks=4, threads=4, micro=2)


Run = tuple[list[gc.Tensor], list[gc.Tensor], tuple[np.ndarray, ...]]


def simulated(*runs: Run) -> list[tuple[list[np.ndarray], tuple[int, int]]]:
    """The results of each run, all in one process."""
    made = []
    for xs, outputs, arrays in runs:
        named = gc.compile(xs, outputs, target="reference").signature
        program = device_program(Graph(tuple(xs), tuple(outputs)), SMALL)
        made.append((program, arrays, named.sizes(arrays)))
    return simulate(made, SMALL.threads)


def test_kernels_compute_the_reference() -> None:
    runs = [(*case.build(), case.arrays(np.random.default_rng(0))) for case in CASES.values()]
    for name, run, (results, status) in zip(CASES, runs, simulated(*runs), strict=True):
        xs, outputs, arrays = run
        assert status == (0, 0), name
        wanted = gc.compile(xs, outputs, target="reference")(*arrays)
        for got, want in zip(results, wanted, strict=True):
            assert got.dtype == want.dtype, name
            exact = np.float64 if want.dtype.kind not in "biu" else want.dtype
            close = 1e-2 if want.dtype.itemsize == 2 else 1e-5
            np.testing.assert_allclose(
                got.astype(exact), want.astype(exact), rtol=close, atol=close, err_msg=name
            )


def test_checks_empty_arrays_and_nan() -> None:
    """A failed check leaves its code and value, empty arrays launch nothing, and NaN wins
    reductions across threads.
    """
    x, i = gc.placeholder("x", (4,)), gc.placeholder("i", (3,), gc.int64)
    rows, line = gc.placeholder("x", ("n", 3)), gc.placeholder("x", (40,))
    numbers = np.arange(40, dtype=np.float32)
    numbers[[17, 30]] = np.nan
    checked, empty, lost = simulated(
        ([x, i], [gc.take(x, i)], (np.ones(4, np.float32), np.array([0, 9, 1]))),
        ([rows], [rows * 2.0], (np.zeros((0, 3), np.float32),)),
        ([line], [gc.max(line), gc.argmax(line)], (numbers,)),
    )
    assert checked[1] == (1, 9)
    assert empty[0][0].shape == (0, 3) and empty[1] == (0, 0)
    largest, where = lost[0]
    assert np.isnan(largest) and where == 17
