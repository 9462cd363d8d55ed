"""Products of few results and many summands, which chunks take in parts, against NumPy in a wider
type.
"""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.lower.kernel import Call
from tests.support.products import assert_close
from tests.support.threads import assert_same_bits

PARTED = ["dot_parts", "dot_sum"]


def draw(seed: int, *shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def kernels(run: Any) -> list[str]:
    return [c.kernel.name for c in run.program.calls if isinstance(c, Call)]


def across(rows: Any, m: int, n: int, dtype: Any = gc.float32, **how: Any) -> Any:
    """x^T y, of which `rows` are summed."""
    x, y = gc.placeholder("x", (rows, m), dtype), gc.placeholder("y", (rows, n), dtype)
    return gc.compile([x, y], gc.matmul(x.transpose((1, 0)), y), **how)


@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3", "host"])
@pytest.mark.parametrize(
    "shape",
    [
        (16384, 16, 16),
        (10007, 16, 16),
        (16411, 5, 7),
        (4099, 24, 32),
        (2503, 40, 33),
        (2048, 64, 64),
    ],
    ids=str,
)
def test_many_summands_of_few_results_are_shared_out(shape: tuple[int, int, int], isa: str) -> None:
    k, m, n = shape
    run = across(k, m, n, isa=isa)
    assert kernels(run) == PARTED
    a, b = draw(1, k, m), draw(2, k, n)
    assert_close(run(a, b), a.T, b)


@pytest.mark.parametrize("shape", [(20, 24), (3, 5), (12, 40)], ids=str)
def test_one_compilation_parts_many_summands_and_no_few(shape: tuple[int, int]) -> None:
    m, n = shape
    run = across("k", m, n)
    assert kernels(run) == [*PARTED, "dot"]
    for k in (0, 1, 7, 255, 2047, 2048, 4095, 4097, 16387):
        a, b = draw(1, k, m), draw(2, k, n)
        assert_close(run(a, b), a.T, b)


@pytest.mark.parametrize("rows", [9001, "k"])
def test_maps_follow_the_sum_of_all_parts(rows: Any) -> None:
    x, y = gc.placeholder("x", (rows, 16)), gc.placeholder("y", (rows, 24))
    b, r = gc.placeholder("b", (24,)), gc.placeholder("r", (16, 24))
    product = gc.matmul(x.transpose((1, 0)), y)
    run = gc.compile([x, y, b, r], [gc.maximum(product + b, 0.0) * r, product])
    arrays = [draw(k, *s) for k, s in enumerate([(9001, 16), (9001, 24), (24,), (16, 24)])]
    mapped, plain = run(*arrays)
    assert_close(plain, arrays[0].T, arrays[1])
    np.testing.assert_allclose(mapped, np.maximum(plain + arrays[2], 0) * arrays[3], rtol=1e-6)


def test_operands_that_are_computed_on_the_way_are_parted() -> None:
    x, y = gc.placeholder("x", (9001, 16)), gc.placeholder("y", (9001, 24))
    run = gc.compile([x, y], gc.matmul(gc.abs(x).transpose((1, 0)), y * 2))
    a, b = draw(1, 9001, 16), draw(2, 9001, 24)
    assert_close(run(a, b), np.abs(a).T, 2 * b)


def test_rows_that_lie_along_the_sum_are_parted() -> None:
    x, y = gc.placeholder("x", (48, 5003)), gc.placeholder("y", (40, 5003))
    run = gc.compile([x, y], gc.matmul(x, y.transpose((1, 0))))
    assert kernels(run) == PARTED
    a, b = draw(1, 48, 5003), draw(2, 40, 5003)
    assert_close(run(a, b), a, b.T)


def test_float64_and_integers_are_parted() -> None:
    a, b = draw(1, 8197, 16, dtype=np.float64), draw(2, 8197, 16, dtype=np.float64)
    np.testing.assert_allclose(across(8197, 16, 16, gc.float64)(a, b), a.T @ b, atol=1e-11)
    rng = np.random.default_rng(0)
    c, d = (rng.integers(-(2**31), 2**31, s, np.int32) for s in ((8197, 16), (8197, 20)))
    assert np.array_equal(across(8197, 16, 20, gc.int32)(c, d), c.T @ d)


def test_what_is_no_number_stays_in_its_row_and_column() -> None:
    a, b = draw(1, 9000, 16), draw(2, 9000, 16)
    a[4321, 3], b[8999, 5] = np.nan, np.inf
    found = across(9000, 16, 16)(a, b)
    assert np.isnan(found[3]).all()
    assert np.isinf(np.delete(found[:, 5], 3)).all()
    assert np.isfinite(np.delete(np.delete(found, 3, 0), 5, 1)).all()


def test_the_number_of_threads_changes_no_bit_of_parts() -> None:
    for rows in (9001, "k"):
        assert_same_bits(across(rows, 16, 40), draw(1, 9001, 16), draw(2, 9001, 40))
