"""Large results bypass the cache, and have the same bits as those that do not; later rows are
asked for.
"""

from collections.abc import Sequence

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops.stmt import Fence, For, LoopKernel, Prefetch, Store, walk
from graphc.backends.loops.vectorise import vectorise
from graphc.backends.lower.kernel import Call, Schedule
from graphc.ir.node import Tensor
from tests.lower.scheduled import function, program_of

ALWAYS, NEVER = Schedule(stream_bytes=1), Schedule(stream_bytes=2**62)


def kernels(x: Tensor, outputs: Sequence[Tensor], schedule: Schedule) -> list[LoopKernel]:
    calls = program_of([x], outputs, schedule).calls
    return [call.kernel for call in calls if isinstance(call, Call)]


def streamed(x: Tensor, outputs: Sequence[Tensor], schedule: Schedule) -> list[Store]:
    return [
        s
        for kernel in kernels(x, outputs, schedule)
        for s in walk(kernel.body)
        if isinstance(s, Store) and s.stream is not None
    ]


def fenced(x: Tensor, outputs: Sequence[Tensor], schedule: Schedule) -> bool:
    return any(isinstance(s, Fence) for k in kernels(x, outputs, schedule) for s in walk(k.body))


@pytest.mark.parametrize("shape", [(9, 300), (3, 1031), (1, 4099), (40, 256), (0, 300), (5, 1)])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_streamed_results_have_the_same_bits(
    shape: tuple[int, int], known: bool, dtype: str
) -> None:
    x = gc.placeholder("x", shape if known else ("n", "m"), dtype)
    y = x * 2 + 1
    outputs = [gc.exp(x), x > 0, y.astype("float64"), gc.softmax(y, axis=1), gc.sum(x * x, axis=0)]
    value = np.random.default_rng(shape).standard_normal(shape).astype(dtype)
    ours, plain = (function([x], outputs, s)(value) for s in (ALWAYS, NEVER))
    for a, b in zip(ours, plain, strict=True):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()


def test_a_large_result_is_streamed_and_fenced() -> None:
    x = gc.placeholder("x", (4096, 1024))
    assert streamed(x, [x + 1], Schedule()) and fenced(x, [x + 1], Schedule())


def test_a_result_that_fits_the_cache_is_not() -> None:
    x = gc.placeholder("x", (1024, 1024))
    assert not streamed(x, [x + 1], Schedule()) and not fenced(x, [x + 1], Schedule())


def test_rows_after_other_loops_are_streamed_when_the_cache_is_nearly_full() -> None:
    x = gc.placeholder("x", (1000, 3500))
    assert not streamed(x, [x + 1], Schedule())
    assert streamed(x, [gc.softmax(x, axis=1)], Schedule())


def test_a_symbolic_size_decides_when_it_is_known() -> None:
    x = gc.placeholder("x", ("n",))
    (store,) = streamed(x, [x + 1], Schedule())
    assert store.stream is not None and store.stream.op != "const"


def test_rows_do_not_ask_again_what_sizes_decide() -> None:
    x, row = gc.placeholder("x", ("n", "m")), gc.placeholder("row", ("n", 1))
    call = program_of([x, row], [x + gc.exp(row)], Schedule()).calls[-1]
    assert isinstance(call, Call)
    loops = [s for s in walk(vectorise(call.kernel).body) if isinstance(s, For)]
    stores = [s for loop in loops for s in walk(loop.body) if isinstance(s, Store)]
    streams = [s.stream for s in stores]
    assert None in streams and all(s is None or s.op == "const" for s in streams)


def test_rows_with_other_loops_are_written_once() -> None:
    x = gc.placeholder("x", ("n", "m"))
    call = program_of([x], [gc.softmax(x, axis=1)], Schedule()).calls[-1]
    assert isinstance(call, Call)
    assert any(isinstance(s, For) for s in vectorise(call.kernel).body)


def test_what_a_loop_also_sums_is_not_streamed() -> None:
    x = gc.placeholder("x", (64, 1024))
    assert not streamed(x, [gc.exp(x), gc.sum(gc.exp(x), axis=1)], ALWAYS)


def test_what_the_row_reads_again_is_not_streamed() -> None:
    x = gc.placeholder("x", (64, 1024))
    e = gc.exp(x)
    (store,) = streamed(x, [e, e / gc.sum(e, axis=1, keepdims=True)], ALWAYS)
    assert store.buffer == "o1"


def test_what_waits_for_arithmetic_is_not_streamed() -> None:
    x = gc.placeholder("x", (64, 1024))
    assert streamed(x, [gc.exp(x) + gc.tanh(x)], ALWAYS)
    assert not streamed(x, [gc.exp(x) + gc.tanh(x) * gc.sigmoid(x)], ALWAYS)


def test_scalar_code_streams_nothing() -> None:
    x = gc.placeholder("x", (64, 1024))
    assert not streamed(x, [x + 1], Schedule(vector_bits=0, stream_bytes=1))


def asked_for(x: Tensor, outputs: Sequence[Tensor], written: bool = False) -> list[Prefetch]:
    """What is asked for to be read, or to be written."""
    found = kernels(x, outputs, Schedule())
    asks = (s for kernel in found for s in walk(kernel.body) if isinstance(s, Prefetch))
    return [s for s in asks if s.written is written]


def test_loops_over_a_row_ask_for_a_later_one() -> None:
    x = gc.placeholder("x", (4096, 1500))
    (ahead,) = asked_for(x, [gc.softmax(x, axis=1)])
    assert ahead.buffer == "a0" and "4500" in repr(ahead.index)


def test_one_loop_leaves_that_to_the_processor() -> None:
    x = gc.placeholder("x", (4096, 1000))
    assert not asked_for(x, [gc.sum(x, axis=1)])


def test_rows_of_a_small_matrix_are_not_asked_for() -> None:
    x = gc.placeholder("x", (40, 1000))
    assert not asked_for(x, [gc.softmax(x, axis=1)])


@pytest.mark.parametrize(
    ("shape", "asked"),
    [((4096, 1000), True), (("n", "m"), True), ((4096, 1024), False), ((1000, 1000), False)],
)
def test_where_later_rows_end_is_asked_for_if_they_share_lines(
    shape: tuple[int, int] | tuple[str, str], asked: bool
) -> None:
    x = gc.placeholder("x", shape)
    assert bool(asked_for(x, [gc.softmax(x, axis=1)], written=True)) is asked


def test_no_ends_are_asked_for_where_there_are_no_rows() -> None:
    x = gc.placeholder("x", ("n",))
    assert not asked_for(x, [x + 1], written=True)
