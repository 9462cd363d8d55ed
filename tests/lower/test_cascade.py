"""Sums of many lines come together in groups: every line once, whatever is left over."""

from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.backends.lower.nests import cascade
from graphc.ops.wide_sum import wide_sum
from tests.support.run import evaluate

GROUP = 8 * cascade.STEPS


@pytest.mark.parametrize("count", [1, 7, GROUP - 1, GROUP, GROUP + 9, 2 * GROUP, 3 * GROUP + 4])
@pytest.mark.parametrize("named", [False, True])
def test_every_line_counts_once(count: int, named: bool) -> None:
    value = np.random.default_rng(count).integers(-99, 99, (3, count, 70)).astype(np.float32)
    x = gc.placeholder("x", ("blocks", "lines", "m") if named else value.shape)
    sums, wide, squares = gc.sum(x, axis=1), wide_sum(x, 1), wide_sum(x * x, 1)
    got = evaluate([sums, wide, squares], {x: value}, "cpu")
    want = value.astype(np.float64)
    for found, exact in zip(got, (want.sum(1), want.sum(1), (want**2).sum(1)), strict=True):
        np.testing.assert_array_equal(found, exact)


def test_groups_join_in_float64() -> None:
    lines, m = 64 * GROUP, 128
    value = np.random.default_rng(0).uniform(1, 2, (2, lines, m)).astype(np.float32)
    x = gc.placeholder("x", value.shape)
    (narrow, wide) = evaluate([gc.sum(x, axis=1), wide_sum(x, 1)], {x: value}, "cpu")
    exact = value.astype(np.float64).sum(1)
    assert wide.dtype == np.float64
    error = np.abs(wide / exact - 1).max()
    assert 0 < error < 2e-8  # a group is rounded to float32 as often as it has steps, its sum never
    assert error < np.abs(narrow / exact - 1).max() / 3


def test_few_sums_are_rounded_at_their_full_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    value = np.random.default_rng(1).uniform(1, 2, (2, 64 * GROUP, 128)).astype(np.float32)
    exact = value.astype(np.float64).sum(1)

    def error() -> float:
        x = gc.placeholder("x", value.shape)
        (found,) = evaluate([gc.sum(x, axis=1)], {x: value}, "cpu")
        return float(np.sqrt(np.mean((found / exact - 1) ** 2)))

    grouped = error()
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("graphc.backends.lower.nests.lines.is_cascade", lambda *_: False)
    assert grouped < 0.7 * error()
