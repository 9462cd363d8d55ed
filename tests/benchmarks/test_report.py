"""What the benchmarks write: joined results, averages over groups, the chart."""

import shutil
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import plain_loops
import run
import storage
import workloads
from chart import LEAST, MOST, place, svg
from costs import Cost
from report import Report

PEERS = ["graphc", "torch@keep", "jax@keep"]


def cell(ms, when="2026-01-01 10:00", **other):
    return {
        "run": when,
        "median_ms": ms,
        "best_ms": ms,
        "compile_s": 1.0,
        "peak_mb": 10,
        "running_mb": 5,
        "others_cpu": 0.0,
        "error_vs_float64": 1e-7,
        **other,
    }


def results(rows, when="2026-01-01 10:00"):
    limits = {"dram_read_gbs": 50.0, "cache_read_gbs": 100.0, "fma_peak_gflops": 200.0}
    return {"run": when, "versions": {"numpy": "2"}, "limits": limits, "workloads": rows}


def test_averages_are_of_the_core_the_added_and_all_workloads():
    rows = {
        "ew_chain": {"graphc": cell(1.0), "torch@keep": cell(2.0), "jax@keep": cell(8.0)},
        "kmeans": {"graphc": cell(1.0), "torch@keep": cell(8.0), "jax@keep": cell(0.5)},
    }
    found = dict(Report(results(rows), PEERS).averages())
    assert found["torch@keep"] == ["2.00 (1)", "8.00 (1)", "4.00 (2)"]
    assert found["fastest peer"] == ["2.00 (1)", "0.50 (1)", "1.00 (2)"]


def test_inaccurate_peer_is_never_the_fastest():
    row = {"graphc": cell(1.0), "torch@keep": cell(0.1, inaccurate=True), "jax@keep": cell(3.0)}
    text = Report(results({"kmeans": row}), PEERS).markdown()
    assert "| kmeans | 1.000 | jax@keep | 3.000 | 3.00 |" in text


def test_peer_that_cannot_is_listed_with_its_reason():
    row = {"graphc": cell(1.0), "jax@keep": {"run": "r", "error": "NotImplementedError: why"}}
    text = Report(results({"kmeans": row}), PEERS).markdown()
    assert "- jax@keep: kmeans: NotImplementedError: why" in text


def test_merging_keeps_the_later_of_two_measurements_and_all_others():
    a = results({"kmeans": {"graphc": cell(1.0), "jax@keep": cell(2.0)}})
    later = cell(3.0, "2026-01-02 10:00")
    b = results({"kmeans": {"graphc": later}, "ew_chain": {"graphc": later}}, later["run"])
    for joined in (storage.merge(a, b), storage.merge(b, a)):
        assert joined["run"] == later["run"]
        assert joined["workloads"]["kmeans"] == {"graphc": later, "jax@keep": cell(2.0)}
        assert joined["workloads"]["ew_chain"] == {"graphc": later}


def test_resumed_run_leaves_out_what_it_has_measured():
    held = results({"kmeans": {"graphc": cell(1.0), "jax@keep": cell(2.0, "2025-01-01 00:00")}})
    assert storage.done(held, "kmeans", ["graphc"])
    assert not storage.done(held, "kmeans", ["graphc", "jax@keep"])
    assert not storage.done(held, "ew_chain", ["graphc"])


def test_saved_results_are_read_back_and_stand_beside_report_and_chart(tmp_path):
    held = results({"kmeans": {"graphc": cell(1.0), "jax@keep": cell(2.0)}})
    storage.save(held, str(tmp_path), PEERS)
    assert storage.load(str(tmp_path / "results.json")) == held
    assert "](results.svg)" in (tmp_path / "RESULTS.md").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "RESULTS.md",
        "results.json",
        "results.svg",
    ]


def test_chart_has_a_mark_for_every_peer_of_every_workload():
    rows = {w: {p: cell(i + 1.0) for i, p in enumerate(PEERS)} for w in workloads.NAMES}
    root = ElementTree.fromstring(svg(Report(results(rows), PEERS)))
    titles = [e.text for e in root.iter() if e.tag.endswith("title")]
    assert len(titles) == len(workloads.NAMES) * 2
    assert "kmeans, jax@keep: 3.00" in titles


@pytest.mark.parametrize("ratio", [LEAST / 100, LEAST, 1, MOST, MOST * 100])
def test_every_ratio_lies_on_the_axis(ratio):
    assert place(LEAST) <= place(ratio) <= place(MOST)


def test_peers_are_found_as_files_and_as_folders():
    found = run.all_peers()
    assert found[:2] == ["graphc", "graphc_symbolic"]
    assert {"torch@keep", "torch_compile", "jax", "pytensor", "tinygrad", "onnxruntime"} <= set(
        found
    )


def test_what_a_plain_loop_takes_is_a_part_of_our_time():
    row = {"graphc": cell(2.0, of_loop=0.75), "jax@keep": cell(3.0)}
    text = Report(results({"mean_var": row}), PEERS).markdown()
    assert "| 1.50 | 67% | 75% |" in text  # the floor of 64 MB at 50 GB/s, and the loop


def test_plain_loops_move_the_bytes_of_their_workloads(monkeypatch):
    gcc = shutil.which("gcc")
    if not gcc:
        pytest.skip("no gcc")
    monkeypatch.setitem(plain_loops.COST, "adam_fused", Cost(0, 7 * 4 * 160))
    step = plain_loops.build("adam_fused", {})
    before = [a.copy() for a in step.arrays]
    assert step() == []
    changed = [not np.array_equal(a, b) for a, b in zip(step.arrays, before, strict=True)]
    assert changed == [True, True, True, False]
    assert all(len(a) == 160 for a in step.arrays)
    assert not plain_loops.moves("gemm_1024")
