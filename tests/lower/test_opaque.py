"""Kernels that ops write themselves: instances, loops, registers, reloads, checks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops import expr as e
from graphc.backends.loops.stmt import LoopKernel, Param
from graphc.backends.lower.kernel import Call
from graphc.backends.lower.opaque import LoopWriter
from graphc.ir.dim_values import evaluate
from graphc.ir.dims import Dim, size
from graphc.ir.dtypes import float32, int64
from graphc.ir.op import KernelWriter
from graphc.ir.types import TensorType
from tests.support.kernels import Compiled

N, M = size("n"), size("m")
Write = Callable[[KernelWriter], None]


def run(
    write: Write,
    inputs: Sequence[np.ndarray],
    shape: tuple[Dim, ...],
    out: np.ndarray,
    grain: int = 1 << 20,
    sizes: dict[str, int] | None = None,
    lanes: int = 0,
    shapes: Sequence[tuple[Dim, ...]] = (),
) -> tuple[list[tuple[int, int]], int]:
    """Runs the chunks of a kernel backwards; what their checks said, and how many there were."""
    given = shapes or [x.shape for x in inputs]
    dtype = float32 if out.dtype == np.float32 else int64
    types = [
        TensorType(float32 if x.dtype == np.float32 else int64, s)
        for x, s in zip(inputs, given, strict=True)
    ]
    failures: list[str] = []

    def fail(what: str) -> int:
        failures.append(what)
        return len(failures)

    writer = LoopWriter(types, [TensorType(dtype, shape)], grain, fail, lanes)
    write(writer)
    params = [Param(f"a{k}", t.dtype) for k, t in enumerate(types)] + [Param("o0", dtype, True)]
    sizes = sizes or {}
    names = tuple(sorted(writer.dims.sizes))
    values = tuple(sizes[name.removeprefix("size.")] for name in names)
    kernel = LoopKernel("k", tuple(params), names, e.const(1, int64), writer.body)
    compiled, chunks = Compiled(kernel), evaluate(writer.chunks, sizes)
    codes = [compiled(*inputs, out, sizes=values, chunk=c) for c in reversed(range(chunks))]
    return codes, chunks


@pytest.mark.parametrize("grain", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("extents", [(5, 6), (1, 13), (9, 1), (0, 4), (4, 0)])
@pytest.mark.parametrize("symbolic", [False, True])
def test_every_instance_runs_in_exactly_one_chunk(
    grain: int, extents: tuple[int, int], symbolic: bool
) -> None:
    shape: tuple[Dim, ...] = (N, M) if symbolic else extents

    def write(kernel: KernelWriter) -> None:
        with kernel.parallel(shape, work=1) as (a, b):
            kernel.store(0, (a, b), kernel.reload(0, (a, b)) + a * 100 + b + 1)

    out = np.zeros(extents, np.int64)
    _, chunks = run(write, [], shape, out, grain, dict(zip("nm", extents, strict=True)))
    rows, columns = np.indices(extents)
    np.testing.assert_array_equal(out, rows * 100 + columns + 1)
    assert chunks == max(1, -(-out.size // grain))


def test_one_instance_may_be_asked_for() -> None:
    def write(kernel: KernelWriter) -> None:
        with kernel.parallel(()), kernel.loop(0, 4) as k:
            kernel.store(0, (k,), k * k)

    out = np.zeros(4, np.int64)
    run(write, [], (4,), out)
    np.testing.assert_array_equal(out, [0, 1, 4, 9])


def test_a_reload_sees_what_was_stored_and_a_load_stays_as_it_was() -> None:
    def write(kernel: KernelWriter) -> None:
        with kernel.parallel(()):
            kernel.store(0, (0,), kernel.load(0, (0,)))
            before = kernel.reload(0, (0,))
            kernel.store(0, (0,), before * 10)
            kernel.store(0, (1,), kernel.reload(0, (0,)) + before)

    out = np.zeros(2, np.int64)
    run(write, [np.array([3])], (2,), out)
    np.testing.assert_array_equal(out, [30, 33])


def test_a_register_read_before_a_change_keeps_its_value() -> None:
    def write(kernel: KernelWriter) -> None:
        with kernel.parallel(()):
            register = kernel.register(e.const(5, int64))
            old = register.get()
            with kernel.loop(0, 3):
                register.set(register.get() * 2)
            kernel.store(0, (0,), old)
            kernel.store(0, (1,), register.get())

    out = np.zeros(2, np.int64)
    run(write, [], (2,), out)
    np.testing.assert_array_equal(out, [5, 40])


def test_repeat_evaluates_its_condition_anew() -> None:
    def write(kernel: KernelWriter) -> None:
        with kernel.parallel((6,)) as (row,):
            left, steps = kernel.register(kernel.load(0, (row,))), kernel.register(0)
            with kernel.repeat(lambda: left.get() > 1):
                half = left.get() / 2
                odd = e.equal(e.rem(left.get(), 2), 1)
                left.set(e.select(odd, left.get() * 3 + 1, half))
                steps.set(steps.get() + 1)
            kernel.store(0, (row,), steps.get())

    out = np.zeros(6, np.int64)
    run(write, [np.array([1, 2, 3, 6, 7, 27])], (6,), out, grain=64)
    np.testing.assert_array_equal(out, [0, 1, 7, 8, 16, 111])


def test_statements_under_a_false_condition_do_not_run() -> None:
    def write(kernel: KernelWriter) -> None:
        with kernel.parallel((5,)) as (k,), kernel.when(kernel.load(0, (k,)) > 2):
            kernel.store(0, (k,), k + 10)

    out = np.zeros(5, np.int64)
    run(write, [np.arange(5)], (5,), out)
    np.testing.assert_array_equal(out, [0, 0, 0, 13, 14])


@pytest.mark.parametrize("lanes", [0, 4, 8])
def test_independent_steps_run_in_lanes(lanes: int) -> None:
    def write(kernel: KernelWriter) -> None:
        with kernel.parallel((3,)) as (row,):
            with kernel.loop(0, 37, vector=True) as k:
                kernel.store(0, (row, k), kernel.load(0, (row, k)) * 2.0)
            with kernel.loop(1, 37) as k:
                total = kernel.reload(0, (row, k - 1)) + kernel.reload(0, (row, k))
                kernel.store(0, (row, k), total)

    x = np.random.default_rng(0).integers(-5, 5, (3, 37)).astype(np.float32)
    out = np.zeros((3, 37), np.float32)
    run(write, [x], (3, 37), out, lanes=lanes)
    np.testing.assert_array_equal(out, (2 * x).cumsum(1))


def test_a_check_tells_what_failed_and_the_run_goes_on() -> None:
    def write(kernel: KernelWriter) -> None:
        with kernel.parallel((4,)) as (k,):
            value = kernel.load(0, (k,))
            kernel.check(value >= 0, "axis 0 of length 4", value)
            kernel.check(value < 4, "axis 0 of length 4", value)
            kernel.store(0, (k,), value)

    out = np.zeros(4, np.int64)
    codes, _ = run(write, [np.array([0, 9, 1, 2])], (4,), out)
    assert codes == [(2, 9)]
    np.testing.assert_array_equal(out, [0, 9, 1, 2])
    assert run(write, [np.array([0, 3, 1, 2])], (4,), out)[0] == [(0, 0)]


def test_two_parallel_loops_are_a_mistake() -> None:
    def write(kernel: KernelWriter) -> None:
        with kernel.parallel((4,)), kernel.parallel((4,)):
            pass

    with pytest.raises(AssertionError, match="one parallel loop, outermost"):
        run(write, [], (4,), np.zeros(4, np.int64))


@pytest.mark.parametrize("lanes", [0, 4, 16])
@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 63, 100])
def test_sums_take_in_every_term_once(lanes: int, length: int) -> None:
    def write(kernel: KernelWriter) -> None:
        with kernel.parallel((3,)) as (k,):
            terms = kernel.sums(
                0, kernel.dim(length), lambda i: [kernel.load(0, (k, i)), kernel.ops.cast(i, int64)]
            )
            kernel.store(0, (k,), terms[0] * 1000 + terms[1])

    x = np.random.default_rng(length).integers(-9, 9, (3, length))
    out = np.zeros(3, np.int64)
    run(write, [x], (3,), out, lanes=lanes)
    np.testing.assert_array_equal(out, x.sum(1) * 1000 + sum(range(length)))


@pytest.mark.parametrize("lanes", [0, 4, 16])
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("extents", [(1, 9), (3, 5), (16, 16), (17, 4), (40, 33)])
def test_a_table_is_turned_over(lanes: int, symbolic: bool, extents: tuple[int, int]) -> None:
    x = np.random.default_rng(0).standard_normal(extents).astype(np.float32)
    shape: tuple[Dim, Dim] = (N, M) if symbolic else extents

    def write(kernel: KernelWriter) -> None:
        rows, columns = (kernel.dim(d) if symbolic else d for d in shape)
        with kernel.parallel(()):
            kernel.turn((~0, (0, 0), columns), (0, (0, 0), rows), rows, columns)

    out, sizes = np.zeros(extents[::-1], np.float32), dict(zip("nm", extents, strict=True))
    run(write, [x], shape[::-1], out, sizes=sizes, lanes=lanes, shapes=[shape])
    np.testing.assert_array_equal(out, x.T)


def test_an_instance_has_memory_of_its_own() -> None:
    def write(kernel: KernelWriter) -> None:
        with kernel.parallel((3,), work=1) as (a,):
            own = kernel.scratch(float32, 5)
            with kernel.loop(0, 5) as i:
                kernel.store(own, (i,), kernel.load(0, (a, i)) * 2)
            with kernel.loop(0, 5) as i:
                kernel.store(0, (a, i), kernel.reload(own, (4 - i,)))

    x, out = np.arange(15, dtype=np.float32).reshape(3, 5), np.zeros((3, 5), np.float32)
    run(write, [x], (3, 5), out, grain=1)
    np.testing.assert_array_equal(out, 2 * x[:, ::-1])


def chunks_of(compute: Callable[..., Any], shapes: Sequence[tuple[int | str, ...]]) -> list[Dim]:
    """How many chunks the kernels have that ops write themselves."""
    inputs = [gc.placeholder(f"x{k}", shape) for k, shape in enumerate(shapes)]
    program = gc.compile(inputs, compute(*inputs)).program
    calls = [c for c in program.calls if isinstance(c, Call)]
    return [
        c.chunks
        for c, owner in zip(calls, program.owners, strict=True)
        if program.bodies[owner].kind == "loops"
    ]


@pytest.mark.parametrize(
    "compute",
    [
        lambda x, y: gc.grad(gc.sum(gc.sin(gc.take(x, gc.argmax(y, 0), 0))), x),
        lambda x, y: gc.sort(x, axis=1),
        lambda x, y: gc.sort(gc.abs(x), axis=0),
        lambda x, y: gc.topk(x, 2)[0],
        lambda x, y: gc.grad(gc.sum(gc.take_along_axis(x, gc.argmax(y, 1)[:, None], 1)), x),
    ],
    ids=["gradient of rows", "sort", "sort columns", "topk", "gradient of a place in each row"],
)
@pytest.mark.parametrize(("n", "m"), [(32, 2), (100, 3000), (5000, 7), (3, 4)])
def test_named_lengths_are_cut_as_numbers_are(compute: Any, n: int, m: int) -> None:
    found = chunks_of(compute, [("n", "m")] * 2)
    known = chunks_of(compute, [(n, m)] * 2)
    assert found
    assert [evaluate(c, {"n": n, "m": m}) for c in found] == known
