"""Products of few rows: summed in parts or at once, against NumPy in a wider type."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.backends.lower.kernel import Call
from tests.support.guarded import before_nothing
from tests.support.products import assert_close
from tests.support.threads import assert_same_bits

FEW = [1, 2, 3, 7, 8]


def draw(seed: int, *shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def kernels(run: Any) -> list[str]:
    return [c.kernel.name for c in run.program.calls if isinstance(c, Call)]


@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3", "host"])
@pytest.mark.parametrize(
    "shape", [(1, 300, 256), (2, 257, 301), (2, 1024, 160), (1, 61, 9001), (2, 5, 20003)], ids=str
)
def test_parts_of_a_sum_are_added_up(shape: tuple[int, int, int], isa: str) -> None:
    m, k, n = shape
    x, y = gc.placeholder("x", (m, k)), gc.placeholder("y", (k, n))
    run = gc.compile([x, y], gc.matmul(x, y), isa=isa)
    assert kernels(run) == ["dot_parts", "dot_sum"]
    a, b = draw(1, m, k), draw(2, k, n)
    assert_close(run(a, b), a, b)


def test_one_compilation_sums_few_rows_in_parts_and_packs_for_more() -> None:
    x, y = gc.placeholder("x", ("m", 400)), gc.placeholder("y", (400, 200))
    run = gc.compile([x, y], gc.matmul(x, y))
    assert kernels(run) == ["dot_parts", "dot_sum", "dot"]
    b = draw(2, 400, 200)
    for m in (0, *FEW, 9, 12, 13, 100):
        a = draw(1, m, 400)
        assert_close(run(a, b), a, b)


@pytest.mark.parametrize("dtype", [gc.float64, gc.float32], ids=str)
def test_summands_beyond_whole_groups_count(dtype: Any) -> None:
    for inner in (129, 255, 400, 1037):
        x, y = gc.placeholder("x", (inner,), dtype), gc.placeholder("y", (inner, 513), dtype)
        a, b = draw(1, inner, dtype=dtype.numpy), draw(2, inner, 513, dtype=dtype.numpy)
        assert_close(gc.compile([x, y], gc.matmul(x, y))(a, b), a, b)


def test_integers_are_summed_in_parts_and_wrap() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-(2**31), 2**31, s, np.int32) for s in ((2, 300), (300, 300)))
    x, y = gc.placeholder("x", (2, 300), gc.int32), gc.placeholder("y", (300, 300), gc.int32)
    assert np.array_equal(gc.compile([x, y], gc.matmul(x, y))(a, b), a @ b)


@pytest.mark.parametrize("rows", [1, "m"])
def test_maps_follow_the_sum_of_the_parts(rows: Any) -> None:
    x, w = gc.placeholder("x", (rows, 600)), gc.placeholder("w", (600, 333))
    b, r = gc.placeholder("b", (333,)), gc.placeholder("r", (rows, 333))
    product = gc.matmul(x, w)
    run = gc.compile([x, w, b, r], [gc.maximum(product + b, 0.0) * r, product])
    arrays = [draw(k, *s) for k, s in enumerate([(1, 600), (600, 333), (333,), (1, 333)])]
    mapped, plain = run(*arrays)
    assert_close(plain, arrays[0], arrays[1])
    np.testing.assert_allclose(mapped, np.maximum(plain + arrays[2], 0) * arrays[3], rtol=1e-6)


def test_the_number_of_threads_changes_no_bit_of_few_rows() -> None:
    x, y = gc.placeholder("x", (2, 700)), gc.placeholder("y", (700, 501))
    run = gc.compile([x, y], gc.matmul(x, y))
    a, b = draw(1, 2, 700), draw(2, 700, 501)
    assert_same_bits(run, a, b)


def test_a_variable_is_stepped_by_a_product_of_few_rows_where_it_lies() -> None:
    start = draw(3, 1, 400)
    state = gc.variable(start.copy())
    x, w = gc.placeholder("x", (1, 500)), gc.placeholder("w", (500, 400))
    run = gc.compile([x, w], (), updates={state: state * 0.5 + gc.matmul(x, w)})
    a, b = draw(1, 1, 500), draw(2, 500, 400)
    run(a, b)
    run(a, b)
    once = a.astype(np.float64) @ b
    wanted = (start * 0.5 + once) * 0.5 + once
    np.testing.assert_allclose(state.node.attrs["state"].array, wanted, rtol=1e-4, atol=1e-4)


def test_a_state_that_feeds_its_own_product_is_read_before_it_is_written() -> None:
    start, w = draw(3, 300), draw(2, 300, 300) / 20
    state = gc.variable(start.copy())
    weights = gc.placeholder("w", (300, 300))
    run = gc.compile([weights], (), updates={state: gc.matmul(state, weights)})
    run(w)
    np.testing.assert_allclose(state.node.attrs["state"].array, start @ w, rtol=1e-4, atol=1e-5)


def test_small_products_of_few_rows_stay_in_one_chunk() -> None:
    x, y = gc.placeholder("x", (1, 100)), gc.placeholder("y", (100, 200))
    run = gc.compile([x, y], gc.matmul(x, y))
    assert [c.chunks for c in run.program.calls] == [1]


def test_shares_of_few_rows_are_even() -> None:
    for k, n in [(768, 768), (768, 2304), (3072, 768), (512, 512), (784, 512), (64, 50257)]:
        x, y = gc.placeholder("x", (1, k)), gc.placeholder("y", (k, n))
        run = gc.compile([x, y], gc.matmul(x, y))
        assert run.program.calls[0].chunks % 2 == 0, (k, n)


@pytest.mark.parametrize("rows", [1, 3])
def test_far_lines_are_summed_one_by_one(rows: int) -> None:
    a, b = draw(1, rows, 517), draw(2, 1033, 517)
    x, y = gc.placeholder("x", (rows, 517)), gc.placeholder("y", b.shape)
    assert_close(gc.compile([x, y], gc.matmul(x, y.T))(a, b), a, b.T)
    x, y = gc.placeholder("x", (rows, "k")), gc.placeholder("y", ("n", "k"))
    run = gc.compile([x, y], gc.matmul(x, y.T))
    assert_close(run(a, b), a, b.T)
    assert_close(run(a[:, :19], b[:30, :19]), a[:, :19], b[:30, :19].T)


@pytest.mark.parametrize("columns", [10, 33, 300])
def test_no_row_beyond_the_last_is_read(columns: int) -> None:
    for rows, inner in (("m", 512), (3, 100), ("m", "k")):
        x, y = gc.placeholder("x", (rows, inner)), gc.placeholder("y", (inner, columns))
        run = gc.compile([x, y], gc.matmul(x, y))
        length = inner if isinstance(inner, int) else 70
        b = before_nothing(draw(2, length, columns))
        for m in (1, 2, 3, 4, 5, 7, 9, 63, 65) if rows == "m" else (3,):
            a = before_nothing(draw(1, m, length))
            assert_close(run(a, b), a, b)


def test_few_rows_may_be_positions_along_several_axes() -> None:
    b = draw(2, 24, 16)
    x = gc.placeholder("x", ("b", 16, "h", "w"))
    run = gc.compile([x], nn.conv(x, gc.constant(b[:, :, None, None])))
    for height, width in ((3, 5), (1, 1), (9, 8)):
        a = draw(1, 2, 16, height, width)
        np.testing.assert_allclose(run(a), np.einsum("bchw,oc->bohw", a, b), 1e-4, 1e-4)


@pytest.mark.parametrize("names", [("m", "k", "n"), (1, "k", "n"), ("m", 600, "n"), (3, "k", 700)])
def test_sizes_that_are_not_known_are_parted_where_they_are_large(names: tuple[Any, ...]) -> None:
    m, k, n = names
    x, y, r = (gc.placeholder(*p) for p in (("x", (m, k)), ("y", (k, n)), ("r", (n,))))
    run = gc.compile([x, y, r], gc.matmul(x, y) + r)
    assert kernels(run)[:2] == ["dot_parts", "dot_sum"]
    for rows in [*FEW, 0, 9, 40] if m == "m" else [m]:
        for inner, columns in ((600, 700), (513, 1030), (600, 20), (30, 700), (1, 1), (2048, 128)):
            sizes = [s if isinstance(s, int) else t for s, t in ((k, inner), (n, columns))]
            a, b, c = draw(1, rows, sizes[0]), draw(2, *sizes), draw(3, sizes[1])
            np.testing.assert_allclose(run(a, b, c), a.astype(float) @ b + c, 1e-4, 1e-4)


def test_many_columns_that_are_not_known_are_parted_too() -> None:
    x, y = gc.placeholder("x", ("m", "k"), gc.int32), gc.placeholder("y", ("k", "n"), gc.int32)
    run = gc.compile([x, y], gc.matmul(x, y))
    rng = np.random.default_rng(0)
    for n in (4096, 4097, 9001, 13001):
        a, b = (rng.integers(-(2**31), 2**31, s, np.int32) for s in ((2, 530), (530, n)))
        assert np.array_equal(run(a, b), a @ b)
        assert_same_bits(run, a, b)


def test_sums_of_parts_take_memory_for_the_rows_that_there_are() -> None:
    x, y = gc.placeholder("x", ("b", 2048)), gc.placeholder("y", (2048, 4096))
    memory = gc.compile([x, y], x @ y).memory
    one, five, many = (memory.at(b=b).arena for b in (1, 5, 100))
    assert 4 * one < five < 6 * one
    assert many < one
