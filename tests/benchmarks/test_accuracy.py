"""Errors over several draws of the inputs, and their table."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import accuracy
import workloads


def test_the_first_draw_is_that_of_the_other_measurements():
    first, again, other = (workloads.make("tiny_call", draw)["x"] for draw in (0, 0, 1))
    np.testing.assert_array_equal(first, workloads.make("tiny_call")["x"])
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_the_least_mean_is_bold_and_who_is_next_to_it():
    row = {"graphc": [2e-7, 4e-7, 3e-7, 3e-7, 3e-7], "torch": [3.05e-7] * 5, "jax": [1e-6] * 5}
    assert accuracy.table({"tiny_call": row}).splitlines()[-3:] == [
        "| workload | graphc | torch | jax |",
        "|---|---|---|---|",
        "| tiny_call | **3.00e-07** (2.0e-07, 4.0e-07) | **3.05e-07** (3.0e-07, 3.0e-07)"
        " | 1.00e-06 (1.0e-06, 1.0e-06) |",
    ]


def test_another_number_of_draws_is_told():
    def label(row):
        return accuracy.table({"tiny_call": row}).splitlines()[-1].split(" | ")[0]

    assert label({"graphc": [1e-7] * 5}) == "| tiny_call"
    assert label({"graphc": [1e-7] * 20, "jax": [1e-7] * 20}) == "| tiny_call (20 draws)"
    assert label({"graphc": [1e-7] * 3, "jax": [1e-7] * 20}) == "| tiny_call (3 to 20 draws)"


def test_errors_of_every_draw_are_measured_in_a_process(tmp_path):
    folder, python = str(tmp_path), sys.executable
    assert accuracy.values(python, "peer_graphc", "tiny_call", folder, 2, 1)
    names = sorted(path.name for path in tmp_path.glob("*.npz"))
    assert names == ["peer_graphc.0.npz", "peer_graphc.1.npz"]
    assert not accuracy.values(python, "peer_graphc", "no_such_workload", folder, 1, 1)
