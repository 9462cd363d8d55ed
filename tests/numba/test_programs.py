"""Compiled functions on the target "numba": against the reference, and what holds around a call."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.numba.compiling import namespace_of
from graphc.backends.numba.module import source_of
from graphc.backends.program import Program
from graphc.ops.source import State

NATIVE = pytest.mark.parametrize("target", ["cpu", "numba"])
RNG = np.random.default_rng(0)


def numbers(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return RNG.standard_normal(shape).astype(dtype)


def on_numba(inputs: list[gc.Tensor], outputs: Any, **options: Any) -> Any:
    return gc.compile(inputs, outputs, target="numba", **options)


def program_of(inputs: list[gc.Tensor], outputs: Any) -> Program:
    program = on_numba(inputs, outputs).stages.program
    assert program is not None
    return program


def rows(x: gc.Tensor) -> list[gc.Tensor]:
    return [gc.softmax(x, axis=-1), gc.argmax(x, axis=1), gc.sort(x, axis=1)]


def columns(x: gc.Tensor) -> list[gc.Tensor]:
    return [gc.sum(gc.sin(x), axis=0), gc.max(x, axis=0), gc.mean(x), gc.argmin(x)]


def products(x: gc.Tensor) -> list[gc.Tensor]:
    return [gc.tanh(gc.matrix_transpose(x) @ x)]


def loops(x: gc.Tensor) -> list[gc.Tensor]:
    last, steps = gc.scan(lambda c, row: (c * 0.5 + row, c), x[0], x)
    grown = gc.while_loop(lambda c: gc.sum(c * c) < 1e3, lambda c: c * 2.0 + 1.0, last)
    return [last, steps, grown, gc.grad(gc.sum(steps * steps), x)]


@pytest.mark.parametrize("build", [rows, columns, products, loops], ids=lambda f: f.__name__)
def test_a_graph_has_its_reference_values(build: Callable[[gc.Tensor], list[gc.Tensor]]) -> None:
    x = gc.placeholder("x", ("n", "m"))
    outputs = build(x)
    run, meant = on_numba([x], outputs), gc.compile([x], outputs, target="reference")
    for shape in [(1, 1), (3, 5), (70, 33)]:
        array = numbers(*shape)
        for got, want in zip(run(array), meant(array), strict=True):
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5, err_msg=str(shape))


def test_empty_arrays_pass() -> None:
    x = gc.placeholder("x", ("n", 3))
    run = on_numba([x], [x * 2.0, gc.sum(x, axis=0), gc.sum(x)])
    doubled, by_column, total = run(numbers(0, 3))
    assert doubled.shape == (0, 3)
    np.testing.assert_array_equal(by_column, np.zeros(3, np.float32))
    assert total == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bit_floats_are_kept_as_their_bits(dtype: str) -> None:
    x = gc.placeholder("x", ("n",), dtype)
    array = numbers(40).astype(gc.as_dtype(dtype).numpy)
    wanted = gc.compile([x], [gc.exp(x) * x, gc.max(x)], target="reference")(array)
    for got, want in zip(on_numba([x], [gc.exp(x) * x, gc.max(x)])(array), wanted, strict=True):
        assert got.dtype == array.dtype
        np.testing.assert_array_equal(got.astype(np.float64), want.astype(np.float64))


def test_inputs_that_must_not_be_written_pass() -> None:
    x = gc.placeholder("x", ("n",))
    array = numbers(5)
    array.flags.writeable = False
    np.testing.assert_array_equal(on_numba([x], x + 1.0)(array), array + 1)


@NATIVE
def test_sizes_may_have_the_names_of_what_is_around_them(target: str) -> None:
    names = ["inputs", "status", "np", "a0", "chunk", "i0", "f32", "exp", "range", "t"]
    shapes = [(1,) * k + (name,) + (1,) * (len(names) - 1 - k) for k, name in enumerate(names)]
    xs = [gc.placeholder(f"x_{name}", shape) for name, shape in zip(names, shapes, strict=True)]
    together = gc.exp(xs[0])
    for x in xs[1:]:
        together = together + x
    lengths = [2, 1, 2, 1, 2, 3, 1, 2, 1, 2]
    arrays = [
        np.arange(n, dtype=np.float32).reshape([n if j == k else 1 for j in range(len(names))])
        for k, n in enumerate(lengths)
    ]
    want = np.exp(arrays[0])
    for array in arrays[1:]:
        want = want + array
    found = gc.compile(xs, together, target=target)(*arrays)
    np.testing.assert_allclose(found, want, rtol=1e-6)


@NATIVE
def test_updates_take_effect_together(target: str) -> None:
    a, b = gc.variable(np.float32([1, 2])), gc.variable(np.float32([3, 4]))
    swap = gc.compile([], [], updates={a: b, b: a}, target=target)
    swap()
    swap()
    swap()
    np.testing.assert_array_equal(array_of(a), [3, 4])
    np.testing.assert_array_equal(array_of(b), [1, 2])


def array_of(variable: gc.Tensor) -> np.ndarray:
    state: State = variable.node.attrs["state"]
    return state.array


def test_a_failed_check_leaves_variables_alone() -> None:
    index = gc.placeholder("index", (2,), gc.int64)
    v = gc.variable(np.float32([1, 2, 3]))
    run = on_numba([index], gc.take(v, index), updates={v: v + 1.0})
    np.testing.assert_array_equal(run([0, 2]), [1, 3])
    with pytest.raises(gc.IndexRangeError, match="index 7 is out of range"):
        run([1, 7])
    np.testing.assert_array_equal(array_of(v), [2, 3, 4])


def test_equal_kernels_are_written_once() -> None:
    x, y = gc.placeholder("x", (40,)), gc.placeholder("y", (40,))
    source = source_of(program_of([x, y], [gc.sin(x), gc.sin(y)]))
    assert len(source.kernels) == 1


def test_kernels_that_differ_in_types_alone_are_told_apart() -> None:
    x, y = gc.placeholder("x", (4,), gc.int32), gc.placeholder("y", (4,), gc.int64)
    less = on_numba([x, y], [x < gc.flip(x), y < gc.flip(y)])
    for got in less(np.arange(4, dtype=np.int32), np.arange(4)):
        np.testing.assert_array_equal(got, [True, True, False, False])


def test_equal_sources_are_compiled_once() -> None:
    def run() -> Any:
        x = gc.placeholder("x", ("n",))
        return namespace_of(source_of(program_of([x], gc.cos(x) * 3.0)))["run"]

    assert run() is run()


def test_a_kernel_that_makes_no_array_counts_no_references_and_has_no_entry_for_c() -> None:
    x = gc.placeholder("x", ("n",))
    source = source_of(program_of([x], gc.cos(x) * 5.0))
    (name,) = source.kernels
    (code,) = namespace_of(source)[name].inspect_llvm().values()
    assert "NRT_" not in code
    assert "cfunc." not in code
