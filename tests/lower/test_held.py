"""Products of some rows and few columns, whose sums registers hold, against NumPy in float64."""

from itertools import product
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops.stmt import If, walk
from graphc.backends.lower.kernel import Call
from tests.support.products import assert_close
from tests.support.threads import assert_same_bits


def draw(seed: int, *shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def product_of(way: str, m: Any, k: Any, n: Any, dtype: Any, **options: Any) -> Any:
    """A function of the operands as they are meant; T: the left one is stored transposed."""
    x = gc.placeholder("x", (k, m) if way == "T" else (m, k), dtype)
    y = gc.placeholder("y", (k, n), dtype)
    run = gc.compile([x, y], gc.matmul(x.T if way == "T" else x, y), **options)
    return lambda a, b: run(np.ascontiguousarray(a.T) if way == "T" else a, b)


@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3", "host"])
@pytest.mark.parametrize("way", ["N", "T"])
def test_one_compilation_serves_every_number_of_rows_and_columns(way: str, isa: str) -> None:
    run = product_of(way, "m", "k", "n", gc.float32, isa=isa)
    for m, n, k in product(
        [0, 1, 2, 3, 4, 5, 6, 8, 9, 15, 63, 64, 65],
        [0, 1, 7, 16, 17, 32, 33, 49, 130],
        [0, 1, 7, 300],
    ):
        a, b = draw(1, m, k), draw(2, k, n)
        assert_close(run(a, b), a, b)


@pytest.mark.parametrize("dtype", [gc.float32, gc.float64], ids=str)
@pytest.mark.parametrize("columns", [0, 1, 8, 10, 16, 17, 32, 33, 100])
def test_known_sizes(columns: int, dtype: Any) -> None:
    for m, k in [(1, 1), (1, 513), (3, 6), (4, 1), (4, 513), (7, 6), (33, 1), (33, 513)]:
        a, b = draw(1, m, k, dtype=dtype.numpy), draw(2, k, columns, dtype=dtype.numpy)
        assert_close(product_of("N", m, k, columns, dtype)(a, b), a, b)


def test_ten_classes_of_a_few_rows_are_not_packed() -> None:
    x, y = gc.placeholder("x", ("m", 512)), gc.placeholder("y", (512, 10))
    bias = gc.placeholder("bias", (10,))
    run = gc.compile([x, y, bias], gc.matmul(x, y) + bias)
    (kernel,) = (c.kernel for c in run.program.calls if isinstance(c, Call))
    packing, *_ = (s for s in walk(kernel.body) if isinstance(s, If) and "p.right" in str(s))
    assert "p.right" in str(packing.orelse)
    assert "p.right" not in str(packing.then)
    for m in (0, 1, 2, 5, 32, 63, 64, 65, 200):
        a, b, c = draw(1, m, 512), draw(2, 512, 10), draw(3, 10)
        wanted = a.astype(np.float64) @ b + c
        np.testing.assert_allclose(run(a, b, c), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("inner", ["k", 200])
@pytest.mark.parametrize("columns", [2, 4])
def test_registers_hold_no_more_rows_of_few_columns_than_there_is_room_for(
    columns: int, inner: Any
) -> None:
    run = product_of("N", "m", inner, columns, gc.float32)
    for m in (23, 24, 25, 31, 63, 64, 65):
        a, b = draw(1, m, 200), draw(2, 200, columns)
        assert_close(run(a, b), a, b)


@pytest.mark.parametrize("isa", ["x86-64-v3", "host"])
def test_long_sums_of_eight_rows(isa: str) -> None:
    run = product_of("N", "m", "k", "n", gc.float32, isa=isa)
    for m, k, n in product([6, 7, 8], [384, 513], [100, 128]):
        a, b = draw(1, m, k), draw(2, k, n)
        assert_close(run(a, b), a, b)


def test_a_batch_of_small_products() -> None:
    x, y = gc.placeholder("x", ("b", 5, "k")), gc.placeholder("y", ("b", "k", "n"))
    run = gc.compile([x, y], gc.matmul(x, y))
    for batch, k, n in product([1, 7], [1, 33], [3, 17, 40]):
        a, b = draw(1, batch, 5, k), draw(2, batch, k, n)
        np.testing.assert_allclose(run(a, b), a.astype(np.float64) @ b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("columns", [5, 40])
def test_rows_of_several_axes(columns: int) -> None:
    x, y = gc.placeholder("x", (2, 4, 2, 21)), gc.placeholder("y", (21, columns))
    run = gc.compile([x, y], gc.matmul(gc.transpose(x, (1, 0, 2, 3))[:, :, :1], y))
    a, b = draw(1, 2, 4, 2, 21), draw(2, 21, columns)
    wanted = a.astype(np.float64).transpose(1, 0, 2, 3)[:, :, :1] @ b
    np.testing.assert_allclose(run(a, b), wanted, rtol=1e-4, atol=1e-4)


def test_no_row_beyond_the_last_is_read() -> None:
    x, y = gc.placeholder("x", (3, 40)), gc.placeholder("y", (40, 32))
    loops = gc.compile([x, y], gc.matmul(x, y)).dump("loops")
    assert "<a0[" in loops
    assert "<a0[((((p.q * 4) + 3) * 40)" not in loops and "(((p.q * 4) + 3)) * 40" not in loops


@pytest.mark.parametrize("rows", [1, 4, 9])
def test_sums_held_in_registers_are_taken_in_chains(rows: int) -> None:
    a, b = draw(1, rows, 8192), draw(2, 8192, 10)
    wanted = a.astype(np.float64) @ b.astype(np.float64)
    error = product_of("N", "m", "k", "n", gc.float32)(a, b) - wanted
    assert np.linalg.norm(error) / np.linalg.norm(wanted) < 6e-7


def test_an_infinity_spoils_only_its_own_row_and_column() -> None:
    run = product_of("N", "m", "k", "n", gc.float32)
    a, b = np.ones((6, 21), np.float32), np.ones((21, 12), np.float32)
    a[5, 3], b[5, 11] = np.inf, np.nan
    result = run(a, b)
    assert np.isnan(result[:, 11]).all() and np.isinf(result[5, :11]).all()
    assert (result[:5, :11] == 21).all()


def test_the_number_of_threads_changes_no_bit_of_a_batch() -> None:
    x, y = gc.placeholder("x", ("b", 4, 200)), gc.placeholder("y", ("b", 200, 10))
    assert_same_bits(
        gc.compile([x, y], gc.matmul(x, y)), draw(1, 300, 4, 200), draw(2, 300, 200, 10)
    )
