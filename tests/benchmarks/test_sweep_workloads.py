"""The sweep over workloads calls them with arrays of every size, and tells cliffs from steps."""

import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import sweep_report
import sweep_workloads
import workloads
from sweep_workloads import NAMED, SIZES, Axes

MEGABYTE = 1 << 20


def cliffs(times, needed=lambda n: n):
    found = [[n, t, needed(n)] for n, t in times.items()]
    judged = list(sweep_report.judged(found))
    return [n for n, over, step in judged if over > 1.3 and not step]


def test_fixed_costs_and_costs_of_a_row_are_no_cliffs():
    assert cliffs({n: 1e-4 + 1e-6 * n for n in SIZES}) == []
    assert cliffs({n: 1e-5 * (n + 7) // 8 for n in SIZES}) == []


def test_a_size_that_takes_longer_than_larger_ones_is_a_cliff():
    times = {n: 1e-4 + 1e-6 * n for n in SIZES}
    assert cliffs(times | {1: 3e-4}) == [1]
    assert cliffs(times | {1023: 3e-3}) == [1023]


def test_what_leaves_a_cache_is_a_step():
    times = {n: 1e-6 * n * (1 if n < 1000 else 2) for n in SIZES}
    assert 1000 in cliffs(times)
    assert cliffs(times, lambda n: MEGABYTE * n // 999) == []


def test_every_core_workload_is_swept():
    assert set(workloads.CORE) <= set(NAMED) <= set(workloads.NAMES)


def test_lengths_of_axes_follow_from_names():
    arrays = {"x": np.arange(6).reshape(2, 3), "w": np.arange(12)}
    axes = Axes("x rows width, w 4*width, rows 7 2", arrays)
    assert (axes.own, axes.beside) == ({"rows": 2, "width": 3}, {"rows": 7, "width": 3})
    assert axes.least == {"rows": 2}
    filled = axes.filled({"rows": 4, "width": 2})
    np.testing.assert_array_equal(filled["x"], [[0, 1], [2, 3], [4, 5], [0, 1]])
    assert filled["w"].shape == (8,)


def test_times_of_one_axis_are_kept_beside_those_of_others():
    kept = {"gemm_1024": {"fixed": [1, 2], "axes": {"m": [[1, 3, 8]], "n": [[1, 4, 8]]}}}
    found = sweep_report.joined(kept, "gemm_1024", None, {"n": [[1, 5, 8]]})
    assert found["gemm_1024"] == {
        "fixed": [1, 2],
        "axes": {"m": [[1, 3, 8]], "n": [[1, 5, 8]]},
    }
    assert sweep_report.joined({}, "gemm_1024", [6, 7], {})["gemm_1024"]["fixed"] == [6, 7]


def test_of_times_measured_again_the_least_counts() -> None:
    kept = {"gemm_1024": {"fixed": [2, 5], "axes": {"m": [[1, 3, 8], [2, 9, 8], [3, 9, 8]]}}}
    found = sweep_report.joined(kept, "gemm_1024", [3, 3], {"m": [[1, 4, 8], [2, 8, 8]]}, True)
    assert found["gemm_1024"] == {"fixed": [3, 3], "axes": {"m": [[1, 3, 8], [2, 8, 8], [3, 9, 8]]}}


@pytest.mark.parametrize("name", ["tiny_call", "adam_fused", "dqn_train"])
def test_a_workload_is_measured_at_every_size(name, monkeypatch):
    monkeypatch.setattr(sweep_workloads, "SIZES", [1, 7, 64])
    arrays = {k: v[:100] if name == "adam_fused" else v for k, v in workloads.make(name).items()}
    axes = Axes(NAMED[name], arrays)
    options = Namespace(rounds=1, seconds=0.0, longest=1.0)
    found = sweep_workloads.sweep(*axes.own, axes, sweep_workloads.build(name, axes), options)
    assert [n for n, *_ in found] == [1, 7, 64]
    assert all(t > 0 and needed > 0 for _, t, needed in found)
