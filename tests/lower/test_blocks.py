"""How products are cut into blocks and chunks, of known and of unknown sizes."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops.stmt import For, Store, walk
from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.products.axes import product_of
from graphc.backends.lower.products.blocks import cut
from graphc.backends.lower.products.sizes import choose_sizes
from graphc.ir.dim_values import evaluate
from graphc.passes.fusion.fuse import fuse

#: As of AVX2.
FEW_REGISTERS = Schedule(vector_bits=256)


def blocks_of(m: Any, k: Any, n: Any, schedule: Schedule | None = None) -> tuple[Any, Any, Any]:
    x, y = gc.placeholder("x", (m, k)), gc.placeholder("y", (k, n))
    (body,) = fuse([gc.matmul(x, y)])
    product = product_of(body, 16)
    sizes = choose_sizes(product, schedule or Schedule(), gc.float32)
    return product, sizes, cut(product, sizes)


def test_few_columns_become_few_rows() -> None:
    product, sizes, _ = blocks_of(128, 200, 3)
    assert product.turned
    assert sizes.tile_rows <= 3


@pytest.mark.parametrize(
    ("inner", "columns", "lies_so", "turned"),
    [
        (64, 3, False, False),
        (200, 5, False, False),
        (200, 4, False, True),
        ("k", 4, False, True),
        (16, 8, True, False),
        (64, 8, True, True),
        (64, 10, True, False),
        (200, 10, True, True),
        (200, 13, True, False),
    ],
    ids=str,
)
def test_only_long_sums_are_turned_for_few_columns(
    inner: Any, columns: int, lies_so: bool, turned: bool
) -> None:
    x = gc.placeholder("x", (inner, "m") if lies_so else ("m", inner))
    y = gc.placeholder("y", (inner, columns))
    (body,) = fuse([gc.matmul(x.T if lies_so else x, y)])
    assert product_of(body, 16).turned is turned


def test_a_vector_is_a_product_of_one_row() -> None:
    product, _, blocks = blocks_of(500, 64, 1)
    assert not product.turned
    assert (blocks.rows, blocks.columns, blocks.small) == (1, 500, 1)


def test_long_sums_of_few_rows_are_not_packed_where_the_right_operand_is_near() -> None:
    blocks = blocks_of("m", "k", "n", FEW_REGISTERS)[2]
    sizes = [(8, 512, 128), (9, 512, 128), (8, 500, 500), (8, 512, 512), (5, 512, 512)]
    sizes += [(8, 999, 999), (8, 300, 999)]
    small = [evaluate(blocks.small, {"m": m, "k": k, "n": n}) for m, k, n in sizes]
    assert small == [1, 0, 1, 0, 1, 0, 1]


def test_few_rows_are_not_packed_where_registers_hold_the_factors_of_two() -> None:
    blocks = blocks_of("m", "k", "n")[2]
    for k, n in ((512, 128), (512, 512), (4096, 4096)):
        small = [evaluate(blocks.small, {"m": m, "k": k, "n": n}) for m in (1, 8, 24, 25)]
        assert small == [1, 1, 1, 0]


@pytest.mark.parametrize(("columns", "chunks"), [(33, 1), (100, 2), (256, 4), (9000, 36)])
def test_blocks_of_few_named_rows_are_narrow_unless_memory_is_far(
    columns: int, chunks: int
) -> None:
    blocks = blocks_of("m", "k", "n")[2]
    at = {"m": 8, "k": 300, "n": columns}
    assert evaluate(blocks.small, at) == 1
    assert evaluate(blocks.chunks, at) == chunks


@pytest.mark.parametrize("bits", [512, 256, 128])
def test_no_block_of_few_rows_is_wider_than_its_sums(bits: int) -> None:
    for columns in range(1, 3000, 13):
        _, sizes, blocks = blocks_of(4, 7, columns, Schedule(vector_bits=bits))
        assert blocks.small == 1
        widest = -(-blocks.panels // blocks.across) * blocks.panel
        assert min(widest, columns) <= sizes.few_width, columns


@pytest.mark.parametrize(("columns", "across"), [(100, 1), (256, 1), (500, 2), (9000, 36)])
def test_blocks_of_one_row_are_wide(columns: int, across: int) -> None:
    blocks = blocks_of("m", "k", "n")[2]
    assert evaluate(blocks.across, {"m": 1, "k": 300, "n": columns}) == across


def test_few_rows_are_summed_in_parts_only_where_registers_hold_no_sums() -> None:
    y = gc.placeholder("y", (512, 500))
    for rows, parts in ((1, True), (6, True), (7, False), (8, False)):
        run = gc.compile([x := gc.placeholder("x", (rows, 512)), y], x @ y)
        assert ("dot_parts" in run.dump("memory")) is parts


def test_small_products_share_a_chunk_and_large_ones_are_split() -> None:
    assert blocks_of(12, 16, 32)[2].chunks == 1
    assert blocks_of(1024, 1024, 512)[2].chunks >= 8


@pytest.mark.parametrize("shape", [(1024, 1024, 640), (128, 784, 512), (1000, 300, 300)], ids=str)
def test_two_threads_get_equal_shares_of_a_product(shape: tuple[int, int, int]) -> None:
    _, sizes, blocks = blocks_of(*shape)
    assert sizes.in_place
    assert blocks.across >= 4
    assert blocks.across % 2 == 0 or blocks.down % 2 == 0


def test_chunks_of_unknown_size_are_as_many_for_both_threads() -> None:
    blocks = blocks_of("m", "k", "n")[2]
    for k in (1, 2, 5, 20, 60, 100):
        count, chunks = (
            evaluate(d, {"m": 128, "k": k, "n": 512}) for d in (blocks.count, blocks.chunks)
        )
        assert chunks % 2 == 0 or chunks in (1, count)


@pytest.mark.parametrize(("rows", "chunks"), [(600, 1), (1000, 2), (2000, 4), (5000, 8)])
def test_narrow_products_are_halved_from_the_work_of_a_chunk_on(rows: int, chunks: int) -> None:
    blocks = blocks_of("m", 16, 16)[2]
    assert evaluate(blocks.chunks, {"m": rows}) == chunks


def test_formulas_of_symbolic_blocks_stay_short() -> None:
    _, _, blocks = blocks_of("m", "k", "n")
    assert len(str(blocks.chunks)) < 2000


@pytest.mark.parametrize(("inner", "chunks"), [(200, 2), (16, 1)])
def test_a_single_block_is_halved_where_halves_are_worth_a_thread(inner: int, chunks: int) -> None:
    a, b = gc.placeholder("a", (128, inner)), gc.placeholder("b", (inner, 64))
    assert f"dot, chunks {chunks}" in gc.compile([a, b], a @ b).dump("memory")


@pytest.mark.parametrize(("rows", "chunks"), [(1, 8), (2, 8), (500, 8)])
def test_one_row_by_packed_weights_is_shared_out_whatever_the_rows(rows: int, chunks: int) -> None:
    x = gc.placeholder("x", ("rows", 512))
    run = gc.compile([x], x @ gc.constant(np.ones((512, 512), np.float32)))
    (call,) = run.program.calls
    assert evaluate(call.chunks, {"rows": rows}) == chunks
    np.testing.assert_array_equal(run(np.ones((rows, 512), np.float32)), np.full((rows, 512), 512))


@pytest.mark.parametrize(("samples", "chunks"), [(1, 2), (64, 8), (5000, 8)])
def test_sums_of_unknown_length_are_shared_evenly(samples: int, chunks: int) -> None:
    x, y = (gc.placeholder(name, ("samples", 193)) for name in "xy")
    run = gc.compile([x, y], x.T @ y)
    (call,) = run.program.calls
    assert evaluate(call.chunks, {"samples": samples}) == chunks
    a = np.ones((samples, 193), np.float32)
    np.testing.assert_array_equal(run(a, a), np.full((193, 193), samples))


@pytest.mark.parametrize("shape", [(1024, 1024, 1024), (500, 500, 300), (3000, 64, 1000)], ids=str)
def test_named_sizes_are_cut_into_as_high_blocks_as_known_ones(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    known, named = blocks_of(m, k, n)[2], blocks_of("m", "k", "n")[2]
    at = {"m": m, "k": k, "n": n}
    assert evaluate(named.down, at) == known.down
    assert evaluate(named.chunks, at) >= 8


@pytest.mark.parametrize(
    ("shape", "down"),
    [
        ((128, 784, 9), 2),
        ((128, 784, 64), 2),
        ((500, 500, 17), 6),
        ((90, 784, 9), 1),
        ((128, 20, 9), 1),
    ],
    ids=str,
)
def test_narrow_products_of_named_sizes_are_cut_down_the_rows(
    shape: tuple[int, int, int], down: int
) -> None:
    named = blocks_of("m", "k", "n")[2]
    at = dict(zip("mkn", shape, strict=True))
    assert evaluate(named.down, at) == down
    assert evaluate(named.chunks, at) == down


@pytest.mark.parametrize(("columns", "rows"), [(16, 6), (32, 6), (48, 6)])
def test_lines_that_would_collide_are_read_in_place_by_low_tiles(columns: int, rows: int) -> None:
    _, sizes, _ = blocks_of(2048, 2048, columns)
    assert sizes.in_place
    assert sizes.tile_rows == rows
    assert blocks_of(2048, 2040, columns)[1].tile_rows > rows


@pytest.mark.parametrize("inner", [1, 2, 5, 64])
def test_chunks_have_about_as_many_blocks(inner: int) -> None:
    _, _, blocks = blocks_of("m", inner, 500)
    for rows in (0, 1, 9, 100, 500, 3000):
        count, chunks = (evaluate(d, {"m": rows}) for d in (blocks.count, blocks.chunks))
        shares = [(c + 1) * count // chunks - c * count // chunks for c in range(chunks)]
        assert sum(shares) == count
        assert max(shares) <= min(shares) + 1


@pytest.mark.parametrize("shape", [(500, 0, 500), (0, 3, 500), (500, 1, 500)], ids=str)
def test_products_of_nothing_are_stored(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    x, y = gc.placeholder("x", ("m", "k")), gc.placeholder("y", ("k", "n"))
    run = gc.compile([x, y], gc.matmul(x, y))
    a, b = np.ones((m, k), np.float32), np.ones((k, n), np.float32)
    np.testing.assert_array_equal(run(a, b), np.full((m, n), k))


def test_the_last_panel_is_packed_as_far_as_it_has_columns() -> None:
    x, y = gc.placeholder("x", ("m", "k")), gc.placeholder("y", ("k", "n"))
    run = gc.compile([x, y], x @ y)
    kernel = next(c.kernel for c in run.program.calls if c.kernel.name == "dot")
    (last,) = [s for s in walk(kernel.body) if isinstance(s, For) and s.var == "p.u"]
    (store,) = last.body
    assert isinstance(store, Store) and store.buffer == "p.right"
    a, b = (np.random.default_rng(n).standard_normal((n, 129)).astype("f") for n in (150, 129))
    for n in (1, 15, 16, 17, 33, 64, 65, 112, 129):
        c = np.ascontiguousarray(b[:, :n])
        np.testing.assert_allclose(run(a, c), a @ c, rtol=1e-3, atol=1e-3)
