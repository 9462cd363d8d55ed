"""Vector loops become lanes: whole vectors, masked tails, accumulators that meet after the loop."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import (
    Accumulate,
    Check,
    Combine,
    Declare,
    For,
    If,
    Let,
    LoopKernel,
    Param,
    Stmt,
    Store,
    walk,
)
from graphc.backends.loops.vectorise import vectorise
from graphc.backends.loops.widen import widened
from graphc.ir.dtypes import (
    DType,
    as_dtype,
    bfloat16,
    bool_,
    float16,
    float32,
    int8,
    int16,
    int32,
    int64,
)
from tests.support.kernels import Compiled

LANES, UNROLLS = (1, 4, 8), (1, 2, 4)
LENGTHS = (0, 1, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 70)
GUARD = 64

i, n = e.var("i"), e.var("n")
each_shape = pytest.mark.parametrize(("lanes", "unroll"), [*itertools.product(LANES, UNROLLS)])


class Kernel:
    """A kernel of buffers x, y, ... (read) and o (written), compiled."""

    def __init__(self, body: Sequence[Stmt], reads: Sequence[DType], writes: DType):
        params = [Param(name, dtype) for name, dtype in zip("xyz", reads, strict=False)]
        buffers = (*params, Param("o", writes, True))
        self.run = Compiled(LoopKernel("tested", buffers, ("n",), e.const(1, int64), tuple(body)))

    def __call__(self, out: np.ndarray, *arrays: np.ndarray, size: int) -> tuple[int, int]:
        """Runs it on arrays; the code and value of the check that failed."""
        return self.run(*arrays, out, sizes=(size,))


def guarded(length: int, dtype: DType) -> tuple[np.ndarray, np.ndarray]:
    """A buffer, and the part of it that may be written."""
    whole = np.full(length + 2 * GUARD, 77, dtype.numpy)
    return whole, whole[GUARD : GUARD + length]


def vector_loop(body: Sequence[Stmt], lanes: int, unroll: int, end: Expr = n) -> For:
    return For("i", e.const(0, int64), end, tuple(body), "vector", lanes, unroll)


def load(name: str, index: Expr = i, dtype: DType = float32) -> Expr:
    return e.load(name, index, dtype)


@each_shape
def test_each_element_is_written_once_and_nothing_beyond(lanes: int, unroll: int) -> None:
    value = load("x") * 2.0 + e.cast(i, float32)
    body = [Let("v", value), Store("o", i, e.var("v", float32))]
    run = Kernel([vector_loop(body, lanes, unroll)], [float32], float32)
    for length in LENGTHS:
        x = np.random.default_rng(length).normal(size=length).astype(np.float32)
        whole, out = guarded(length, float32)
        run(out, x, size=length)
        np.testing.assert_array_equal(out, x * 2 + np.arange(length, dtype=np.float32))
        assert (whole[:GUARD] == 77).all() and (whole[GUARD + length :] == 77).all()


def test_vectors_side_by_side_are_all_read_before_any_is_written() -> None:
    body = [Let("v", load("x") * 2.0), Store("o", i, e.var("v", float32))]
    buffers = (Param("x", float32), Param("o", float32, True))
    kernel = LoopKernel("tested", buffers, ("n",), e.const(1, int64), (vector_loop(body, 4, 3),))
    main = vectorise(kernel).body[0]
    assert isinstance(main, For)
    assert [type(s) for s in main.body] == [Let] * 4 + [Store] * 3


def test_vectors_left_over_go_one_by_one_and_only_the_last_is_masked() -> None:
    body = [Accumulate("s", "sum", load("x"))]
    start = Declare("s", e.const(0.0, float32))
    loop = vector_loop(body, 4, 3)
    kernel = LoopKernel("tested", (Param("x", float32),), ("n",), e.const(1, int64), (start, loop))
    _, _, several, one, mask, last, _ = vectorise(kernel).body
    assert isinstance(several, If) and isinstance(one, For)
    assert isinstance(mask, Let) and mask.value.dtype is bool_
    assert isinstance(last, If) and not last.orelse
    assert "mask" in str(last.then) and "mask" not in str((several, one))


@pytest.mark.parametrize(("length", "loops"), [(12, 1), (24, 1), (16, 2), (3, 0), (0, 0)])
def test_no_loop_is_left_where_a_known_length_has_no_vectors_for_it(
    length: int, loops: int
) -> None:
    body = [Store("o", i, e.const(1.0, float32))]
    loop = vector_loop(body, 4, 3, e.const(length, int64))
    kernel = LoopKernel("tested", (Param("o", float32, True),), (), e.const(1, int64), (loop,))
    found = list(walk(vectorise(kernel).body))
    assert sum(isinstance(s, For) for s in found) == loops
    masked = [s for s in found if isinstance(s, Store) and s.mask is not None]
    assert len(masked) == (length % 4 > 0)


def test_a_loop_that_may_stream_does_so_in_one_of_two_branches() -> None:
    past = e.var("n") > 100
    loop = vector_loop([Store("o", i, load("x"), stream=past)], 4, 2)
    buffers = (Param("x", float32), Param("o", float32, True))
    kernel = LoopKernel("tested", buffers, ("n",), e.const(1, int64), (loop,))
    (either,) = vectorise(kernel).body
    assert isinstance(either, If) and either.condition == past
    streams = [
        {s.stream for s in walk(branch) if isinstance(s, Store) and s.mask is None}
        for branch in (either.then, either.orelse)
    ]
    assert streams == [{e.const(True, bool_)}, {None}]


@each_shape
def test_loops_without_vectors_are_left(lanes: int, unroll: int) -> None:
    kernel = LoopKernel(
        "k", (Param("o", float32, True),), ("n",), e.const(1, int64),
        (vector_loop([Store("o", i, e.const(1.0, float32))], lanes, unroll),),
    )  # fmt: skip
    loops = [s for s in walk(vectorise(kernel).body) if isinstance(s, For)]
    assert loops and all(s.kind == "serial" for s in loops)


COMBINES: dict[Combine, tuple[float, Callable[[np.ndarray], object]]] = {
    "sum": (0, np.sum),
    "prod": (1, np.prod),
    "min": (2**31 - 1, lambda x: x.min(initial=2**31 - 1)),
    "max": (-(2**31), lambda x: x.max(initial=-(2**31))),
    "and": (-1, np.bitwise_and.reduce),
    "or": (0, np.bitwise_or.reduce),
}


@pytest.mark.parametrize("combine", COMBINES)
@pytest.mark.parametrize(("lanes", "unroll"), [(1, 1), (4, 2), (8, 4), (8, 3)])
def test_accumulators_meet_after_the_loop(combine: Combine, lanes: int, unroll: int) -> None:
    start, numpy = COMBINES[combine]
    dtype = as_dtype("int32")
    body = [
        Declare("s", e.const(int(start), dtype)),
        vector_loop([Accumulate("s", combine, load("x", dtype=dtype))], lanes, unroll),
        Store("o", e.const(0, int64), e.var("s", dtype)),
    ]
    run = Kernel(body, [dtype], dtype)
    for length in LENGTHS:
        x = np.random.default_rng(length).integers(-9, 9, length).astype(np.int32)
        out = np.zeros(1, np.int32)
        run(out, x, size=length)
        with np.errstate(over="ignore"):
            assert out[0] == np.asarray(numpy(x)).astype(np.int32), length


@pytest.mark.parametrize("combine", ["argmin", "argmax"])
@pytest.mark.parametrize(("lanes", "unroll"), [(1, 1), (4, 1), (8, 4)])
def test_places_are_of_the_first_of_equals_and_of_nan(
    combine: Combine, lanes: int, unroll: int
) -> None:
    worst = np.inf if combine == "argmin" else -np.inf
    step = Accumulate("s", combine, load("x"), i)
    body = [
        Declare("s", e.const(worst, float32)),
        Declare("s.at", e.const(2**62, int64)),
        vector_loop([step], lanes, unroll),
        Store("o", e.const(0, int64), e.var("s.at", int64)),
    ]
    run = Kernel(body, [float32], int64)
    for length in LENGTHS[1:]:
        x = np.random.default_rng(length).integers(0, 4, length).astype(np.float32)
        for nan in (None, length // 2):
            if nan is not None:
                x[nan:] = np.nan
            out = np.zeros(1, np.int64)
            run(out, x, size=length)
            assert out[0] == getattr(np, combine)(x)


@each_shape
def test_elements_are_gathered_and_scattered(lanes: int, unroll: int) -> None:
    place = load("y", dtype=int64)
    body = [Store("o", n - 1 - place, load("x", place * 2))]
    run = Kernel([vector_loop(body, lanes, unroll)], [float32, int64], float32)
    for length in LENGTHS:
        rng = np.random.default_rng(length)
        x = rng.normal(size=2 * length).astype(np.float32)
        order = rng.permutation(length)
        whole, out = guarded(length, float32)
        run(out, x, order, size=length)
        np.testing.assert_array_equal(out, x[::2][::-1])
        assert (whole[:GUARD] == 77).all() and (whole[GUARD + length :] == 77).all()


@each_shape
def test_lanes_run_inner_loops_of_their_own_sums(lanes: int, unroll: int) -> None:
    k = e.var("k")
    inner = For("k", e.const(0, int64), e.const(5, int64),
                (Accumulate("s", "sum", load("x", k * n + i)),))  # fmt: skip
    body = [Declare("s", e.const(0.0, float32)), inner, Store("o", i, e.var("s", float32))]
    run = Kernel([vector_loop(body, lanes, unroll)], [float32], float32)
    for length in LENGTHS:
        x = np.random.default_rng(length).integers(-9, 9, (5, length)).astype(np.float32)
        _, out = guarded(length, float32)
        run(out, x, size=length)
        np.testing.assert_array_equal(out, x.sum(0))


@each_shape
def test_a_check_counts_only_in_iterations_that_are(lanes: int, unroll: int) -> None:
    place = load("y", dtype=int64)
    good = (place >= 0) & (place < 4)
    body = [Check(good, 7, place), Store("o", i, e.const(1.0, float32))]
    run = Kernel([vector_loop(body, lanes, unroll)], [float32, int64], float32)
    for length in LENGTHS[1:]:
        places = np.full(length + GUARD, 99)
        places[:length] = np.arange(length) % 4
        out = np.zeros(length, np.float32)
        assert run(out, out, places, size=length) == (0, 0)
        places[length - 1] = 50
        assert run(out, out, places, size=length) == (7, 50)


@each_shape
def test_loads_under_a_mask_do_not_happen_where_it_is_off(lanes: int, unroll: int) -> None:
    inside = i < 5
    value = e.select(inside, e.load("x", i, float32, inside), e.const(-1.0, float32))
    run = Kernel([vector_loop([Store("o", i, value)], lanes, unroll)], [float32], float32)
    for length in LENGTHS:
        x = np.arange(5, dtype=np.float32)
        _, out = guarded(length, float32)
        run(out, x, size=length)
        np.testing.assert_array_equal(out, np.where(np.arange(length) < 5, np.arange(length), -1))


def test_one_lane_is_not_read_where_its_mask_does_not_hold() -> None:
    inside, known = i < n, e.var("k") > 0
    for mask in (None, known):
        read = widened(e.load("x", e.var("k"), float32, mask), "k", i, 1, inside)
        wanted = inside if mask is None else (i > 0) & inside
        assert read is e.load("x", i, float32, wanted)


@pytest.mark.parametrize("length", [0, 1, 9, 16, 17, 40, 63, 64, 65, 127, 145])
def test_rows_of_unknown_length_agree_with_the_reference(length: int) -> None:
    x = gc.placeholder("x", ("n", 3, "m"), gc.float32)
    outputs = [x * 2, gc.transpose(x, (1, 0, 2)) - 1, gc.flip(x, 2), gc.roll(x, 2, 0)]
    outputs += [gc.argmax(x, axis=1)]
    outputs += [gc.softmax(x, axis=2), gc.argmin(x, axis=2)] if length else []
    shape = (5, 3, length or 4)
    values = np.random.default_rng(length).integers(-3, 3, shape).astype(np.float32)
    values = values[:, :, :length]
    for found, expected in zip(
        gc.compile([x], outputs)(values),
        gc.compile([x], outputs, target="reference")(values),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("to", [int8, int16, int32, bfloat16, float16, bool_], ids=str)
@pytest.mark.parametrize("left", [1, 3])
def test_a_known_last_lane_of_narrow_elements_is_all_that_is_stored(
    lanes: int, to: DType, left: int
) -> None:
    length = 2 * lanes + left
    wide = float32 if to.is_float else int32 if to.bits < 32 else int64
    value = e.load("x", i, wide) * e.const(2, wide)
    narrow = value < e.const(5, wide) if to is bool_ else e.cast(value, to)
    body = [Store("o", i, narrow)]
    kernel = Kernel([vector_loop(body, lanes, 1, e.const(length, int64))], [wide], to)
    whole, out = guarded(length, to)
    before, x = whole.copy(), np.arange(length, dtype=wide.numpy)
    kernel(out, x, size=length)
    assert np.array_equal(out, x * 2 < 5 if to is bool_ else (x * 2).astype(to.numpy))
    assert whole[GUARD + length :].tobytes() == before[GUARD + length :].tobytes()
