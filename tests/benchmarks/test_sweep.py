"""The sweep over sizes finds what leaves the trend, and takes no trend for a cliff."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import sweep
from sweep import LIMIT, SIZES, WORKLOADS


def cliffs(times):
    found = {n: (1000, t) for n, t in times.items()}
    return [n for n, _, _, over, _ in sweep.deviations(found) if over > LIMIT]


def test_what_a_row_costs_is_no_cliff():
    assert cliffs({n: 1e-3 / n + 1e-4 for n in SIZES}) == []


def test_a_size_beside_others_is_one():
    times = {n: 1e-3 / n + 1e-4 for n in SIZES}
    assert cliffs(times | {1024: 1.5 * times[1024]}) == [1024]


@pytest.mark.parametrize("name", ["map", "sum_columns", "sort_rows"])
def test_a_workload_is_measured_at_every_size(name, monkeypatch):
    monkeypatch.setattr(sweep, "SIZES", [1, 7, 64])
    found = sweep.sweep(WORKLOADS[name], 200, 0.0, fixed=False)
    assert list(found) == [1, 7, 64]
    assert all(count > 0 and np.isfinite(t) and t > 0 for count, t in found.values())
