"""How a body becomes loops: which axes run together, which is the vector axis, how it splits."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops.stmt import Accumulate, Alloc, For, LoopKernel, Store, walk
from graphc.backends.loops.text import kernel_text
from graphc.backends.lower.kernel import Call, Schedule, Temporary
from graphc.backends.lower.nests.loops import plan_nest
from graphc.ir.dim_values import evaluate
from graphc.ir.node import Tensor
from graphc.ops.convolutions.windows import windows
from graphc.passes.fusion.fuse import fuse
from tests.lower.scheduled import program_of


def calls(
    x: Tensor, outputs: Sequence[Tensor], schedule: Schedule | None = None
) -> list[tuple[Call, LoopKernel]]:
    found = program_of([x], outputs, schedule).calls
    assert all(isinstance(call, Call) for call in found)
    return [(call, call.kernel) for call in found if isinstance(call, Call)]


def matrix(rows: int | str = "n", columns: int | str = "m") -> Tensor:
    return gc.placeholder("x", (rows, columns))


def vector_loops(kernel: LoopKernel) -> list[For]:
    return [s for s in walk(kernel.body) if isinstance(s, For) and s.kind == "vector"]


def test_axes_of_a_contiguous_map_run_as_one_loop() -> None:
    (body,) = fuse([gc.exp(gc.placeholder("x", ("n", "m", 5)))])
    nest = plan_nest(body)
    assert [loop.axes for loop in nest.outer + nest.inner] == [(0, 1, 2)]


def test_axes_that_are_read_apart_run_apart() -> None:
    (body,) = fuse([gc.exp(matrix()) + gc.placeholder("v", ("m",))])
    nest = plan_nest(body)
    assert [loop.axes for loop in nest.outer + nest.inner] == [(0,), (1,)]


def test_rows_are_inner_loops() -> None:
    (body,) = fuse([gc.sum(matrix(), axis=1)])
    nest = plan_nest(body)
    assert [loop.axes for loop in nest.outer] == [(0,)]
    assert [loop.axes for loop in nest.inner] == [(1,)]
    assert not nest.across


def test_rows_down_the_columns_take_their_vectors_across() -> None:
    (body,) = fuse([gc.argmax(gc.placeholder("x", ("k", "n", "m")), axis=1)])
    assert plan_nest(body).across


@pytest.mark.parametrize(("positions", "step"), [(3, 2), (3, 4), (200, 2)])
def test_few_neighbours_fill_no_vector_where_what_is_summed_lies_near(
    positions: int, step: int
) -> None:
    x, weights = gc.placeholder("x", ("n", 30, 1000)), gc.placeholder("w", ("n", 30, 100))
    steps = ((1, step, 0, 1),)
    seen = windows(x, (2,), (positions,), (100,), steps)
    (body,) = fuse([gc.sum(seen * weights[:, :, None, :], axis=(1, 3))])
    nest = plan_nest(body)
    assert nest.outer[-1].extent == positions
    assert nest.across == (positions == 200)


def test_every_element_is_stored_by_one_statement() -> None:
    x = matrix()
    for _, kernel in calls(x, [gc.exp(x), gc.sum(x * 2, axis=1)]):
        stores = [s.buffer for s in walk(kernel.body) if isinstance(s, Store)]
        assert len(stores) == len(set(stores))


def test_a_kernel_for_scalars_has_no_vector_loops_of_lanes() -> None:
    x = matrix()
    for _, kernel in calls(x, [gc.exp(x), gc.sum(x)], Schedule(vector_bits=0)):
        assert all(loop.width <= 1 for loop in vector_loops(kernel))


def test_lanes_fill_the_vector_of_the_narrowest_float() -> None:
    for dtype, lanes in (("float32", 8), ("float64", 4), ("float16", 8)):
        x = gc.placeholder("x", ("n",), dtype)
        ((_, kernel),) = calls(x, [x + 1], Schedule(vector_bits=256))
        assert [loop.width for loop in vector_loops(kernel)] == [lanes]


def test_small_work_is_one_chunk_and_large_work_is_many() -> None:
    x = matrix()
    ((call, _),) = calls(x, [gc.exp(x)], Schedule(grain=1000))
    assert evaluate(call.chunks, {"n": 10, "m": 10}) == 1
    assert evaluate(call.chunks, {"n": 100, "m": 100}) == 10
    assert evaluate(call.chunks, {"n": 0, "m": 100}) == 0


def scaled(x: Tensor) -> Tensor:
    """Rows over their sums."""
    return x / gc.sum(x, axis=1, keepdims=True)


def test_two_threads_have_as_many_chunks_as_each_other() -> None:
    for sizes in (("n", 1000), (33, 1000)):
        x = gc.placeholder("x", sizes)
        (call,) = program_of([x], [scaled(x)], Schedule(grain=16000)).calls
        assert isinstance(call, Call)
        for rows, wanted in ((0, 0), (16, 1), (17, 2), (33, 4), (48, 4), (64, 4), (65, 6)):
            if sizes[0] in ("n", rows):
                assert evaluate(call.chunks, {"n": rows}) == wanted


@pytest.mark.parametrize("width", [49, 64, 65, 700])
def test_short_rows_are_shared_out_like_longer_ones(width: int) -> None:
    x = matrix()
    (narrow, _), (call, _) = calls(x, [scaled(x)])
    chunks = evaluate(call.chunks, {"n": 1000, "m": width})
    assert chunks == -(-1000 // (16384 // max(width, 64)))
    assert evaluate(narrow.chunks, {"n": 1000, "m": width}) == 0


@pytest.mark.parametrize("width", [1, 4, 5, 48])
def test_rows_that_are_found_to_be_narrow_have_chunks_of_their_own(width: int) -> None:
    x = matrix()
    (narrow, _), (call, _) = calls(x, [gc.softmax(x, axis=1)])
    sizes = {"n": 6000, "m": width}
    assert evaluate(call.chunks, sizes) == 0 < 2 < evaluate(narrow.chunks, sizes)


def test_maps_with_much_arithmetic_have_smaller_chunks() -> None:
    x = gc.placeholder("x", ("n",))
    ((sums, _),) = calls(x, [x + 1.0])
    ((curves, _),) = calls(x, [gc.tanh(gc.exp(gc.sin(gc.sigmoid(x)))) * gc.tanh(x)])
    plain, dear = (evaluate(call.chunks, {"n": 2**20}) for call in (sums, curves))
    assert plain == 2**20 // 16384 < dear


def test_short_rows_of_several_reads_take_as_long_as_longer_ones() -> None:
    x = gc.placeholder("x", ("n", "m"))
    sides = gc.roll(x, 1, 0) + gc.roll(x, 1, 1)
    ((few, _),) = calls(x, [sides + x])
    ((more, _),) = calls(x, [sides + gc.roll(x, -1, 0) * gc.roll(x, -1, 1)])
    sizes = {"n": 2000, "m": 2}
    assert evaluate(few.chunks, sizes) == evaluate(more.chunks, sizes) > 10


def test_rows_with_much_arithmetic_have_smaller_chunks() -> None:
    x = matrix()
    plain, dear = (calls(x, [y])[-1][0] for y in (scaled(x), gc.softmax(x, axis=1)))
    sizes = {"n": 1000, "m": 1000}
    assert evaluate(plain.chunks, sizes) == 64 < evaluate(dear.chunks, sizes) <= 112


@pytest.mark.parametrize(("rows", "chunks"), [(257, 2), (1000, 4), (255, 1)])
def test_chunks_have_equally_many_rows(rows: int, chunks: int) -> None:
    x = matrix(rows, 64)
    ((call, kernel),) = calls(x, [scaled(x)])
    assert call.chunks == chunks
    assert chunks == 1 or f"(chunk * {-(-rows // chunks)})" in kernel_text(kernel)


def test_partial_sums_are_bounded_and_combined_in_a_kernel_of_their_own() -> None:
    x = matrix()
    first, second = calls(x, [gc.sum(x)], Schedule(grain=100, most_chunks=8))
    assert evaluate(first[0].chunks, {"n": 10_000, "m": 10}) <= 8
    assert second[1].name == "combine_sum"
    assert any(isinstance(s, Accumulate) for s in walk(second[1].body))


def test_a_sum_in_one_chunk_needs_no_second_kernel() -> None:
    x = matrix(10, 10)
    assert len(calls(x, [gc.sum(x), gc.sum(x, axis=0)])) == 1


def test_chunks_do_not_depend_on_threads() -> None:
    x = matrix(4000, 400)
    before = gc.get_num_threads()
    found = []
    for threads in (1, 7):
        gc.set_num_threads(threads)
        found.append([str(call.chunks) for call, _ in calls(x, [gc.sum(x, axis=0), gc.exp(x)])])
    gc.set_num_threads(before)
    assert found[0] == found[1]


def test_each_reduction_of_a_row_has_a_name_of_its_own() -> None:
    """A masked value that only one loop keeps must not free the name of the sum beside it."""
    x, first, end = matrix(3, 4), *(gc.placeholder(n, (3,), "int64") for n in ("first", "end"))
    place = gc.iota((3, 4), 1)
    inside = (place >= first[:, None]) & (place < end[:, None])
    kept = gc.where(inside, x, -gc.inf)
    largest = gc.max(kept, axis=1)
    total = gc.sum(gc.where(kept == largest[:, None], 3 * x, 0), axis=1)
    y = gc.where(inside, (x + largest[:, None]) * total[:, None], 0)
    values = np.arange(12, dtype="f4").reshape(3, 4) - 5
    arguments = (values, np.array([0, 1, 2]), np.array([2, 4, 4]))
    f, meant = (gc.compile([x, first, end], y, target=t) for t in ("cpu", "reference"))
    np.testing.assert_allclose(f(*arguments), meant(*arguments))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("length", [1, 3, 16, 17, 100, 256])
def test_extremes_of_rows_are_nan_where_any_element_is(length: int, dtype: type) -> None:
    rng = np.random.default_rng(length)
    data = rng.normal(size=(40, length)).astype(dtype)
    for row in range(30):
        data[row, rng.integers(length)] = rng.choice([np.nan, -np.nan, np.inf, -np.inf])
    x = gc.placeholder("x", ("m", length), gc.float32 if dtype is np.float32 else gc.float64)
    extremes = gc.compile([x], [gc.max(x, axis=1), gc.min(x, axis=1)])(data)
    for ours, theirs in zip(extremes, (data.max(1), data.min(1)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("rows", [0, 1, 16, 17, 1000, 4099])
def test_sums_along_columns_beside_rows_round_little(rows: int) -> None:
    data = np.random.default_rng(rows).normal(size=(rows, 96)).astype(np.float32) + 1
    x = gc.placeholder("x", ("n", 96), gc.float32)
    outputs = [gc.sum(gc.softmax(x, axis=1) * x, axis=0), gc.sum(x, axis=0)]
    wide = data.astype(np.float64)
    e = np.exp(wide - wide.max(axis=1, keepdims=True))
    exact = (e / e.sum(axis=1, keepdims=True) * wide).sum(axis=0), wide.sum(axis=0)
    for ours, theirs in zip(gc.compile([x], outputs)(data), exact, strict=True):
        error = np.linalg.norm(ours - theirs) / max(np.linalg.norm(theirs), 1)
        assert error < (6.5e-8 if rows >= 1000 else 1.5e-7)


@pytest.mark.parametrize(
    ("value", "kept"),
    [(lambda x: x * x + 1, False), (lambda x: ((x * 3 + 1) * x + 5) * x - 7, True)],
)
def test_a_row_of_many_operations_is_kept_for_the_loop_to_come(
    value: Callable[[Tensor], Tensor], kept: bool
) -> None:
    x = matrix(100, 300)
    y = value(x)
    ((_, kernel),) = calls(x, [y - gc.sum(y, axis=1, keepdims=True)])
    assert any(isinstance(s, Alloc) for s in kernel.body) is kept


@pytest.mark.parametrize(("length", "on_stack"), [(300, True), (10**5, False), ("n", False)])
def test_a_kept_row_is_on_the_stack_if_it_is_known_to_be_short(
    length: int | str, on_stack: bool
) -> None:
    x = gc.placeholder("x", (100, length))
    e = gc.exp(x)
    kernels = [kernel for _, kernel in calls(x, [e / gc.sum(e, axis=1, keepdims=True)])]
    kept = [s.buffer for kernel in kernels for s in kernel.body if isinstance(s, Alloc)]
    assert ("scratch0" in kept) is on_stack
    assert any(p.name == "t0" for k in kernels for p in k.buffers) is not on_stack


def test_no_two_chunks_write_to_one_line_of_memory() -> None:
    x = matrix()
    found = calls(x, [gc.softmax(gc.tanh(x), axis=1), gc.sum(x, axis=0)])
    scratch = [b for call, _ in found for b in call.arguments if isinstance(b, Temporary)]
    assert scratch
    for buffer in scratch:
        assert evaluate(buffer.elements, {"n": 5000, "m": 3}) % 16 == 0


def test_maps_of_many_operations_have_fewer_vectors_in_flight() -> None:
    x = gc.placeholder("x", (4096,))
    for y, vectors in ((gc.tanh(x), 4), (gc.tanh(x) * gc.sigmoid(x) + gc.exp(-x * x), 3)):
        ((_, kernel),) = calls(x, [y])
        (loop,) = (s for s in walk(kernel.body) if isinstance(s, For) and s.kind == "vector")
        assert loop.unroll == vectors
