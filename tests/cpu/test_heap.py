"""What a compiled function keeps in memory beside its code and constants."""

from __future__ import annotations

import gc as garbage

import numpy as np

import graphc as gc
from graphc.ops.literal import Literal
from graphc.targets import LARGE_BYTES


def _literals() -> int:
    """Bytes of the constants of all graphs."""
    garbage.collect()
    found = [x for x in garbage.get_objects() if isinstance(x, Literal)]
    return sum(x.array.nbytes for x in found)


def _product(rows: int) -> tuple[gc.Executable, np.ndarray]:
    matrix = np.random.default_rng(0).standard_normal((rows, 1024), np.float32)
    x = gc.placeholder("x", ("n", rows))
    return gc.compile([x], gc.matmul(x, gc.constant(matrix))), matrix


def test_large_constants_are_kept_once_as_they_were_given() -> None:
    before = _literals()
    f, matrix = _product(LARGE_BYTES // 4096 + 8)
    assert matrix.nbytes <= _literals() - before < 1.5 * matrix.nbytes
    x = np.ones((3, len(matrix)), np.float32)
    np.testing.assert_allclose(f(x), x @ matrix, rtol=1e-4, atol=1e-2)


def test_what_was_forgotten_is_made_again() -> None:
    f, _ = _product(LARGE_BYTES // 4096 + 8)
    assert "graph" not in f.stages.__dict__
    assert "dot_packed" in f.dump("optimised")
    assert f.kernels


def test_small_programs_are_kept() -> None:
    f, _ = _product(16)
    assert f.from_cache or "graph" in f.stages.__dict__
