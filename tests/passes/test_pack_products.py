"""Products by constant matrices, laid out beforehand."""

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Node
from graphc.ir.walk import topological
from graphc.ops.linear.contraction import dot_general
from graphc.ops.linear.packed import PANEL, packed
from graphc.passes.graph import Graph
from graphc.passes.pipeline import optimise
from tests.support.run import evaluate
from tests.support.threads import assert_same_bits

NONE = ((), ())


def drawn(rng, *shape, dtype=np.float32):
    return rng.standard_normal(shape).astype(dtype)


def products(*results, disable=()) -> list[Node]:
    inputs = [x for n in topological(results) for x in n.outputs if n.op.name == "placeholder"]
    graph = optimise(Graph(tuple(inputs), results), disable)
    return [n for n in topological(graph.results) if n.op.lowering == "contraction"]


def is_packed(*results, disable=()) -> bool:
    return all(n.op.name == "dot_packed" for n in products(*results, disable=disable))


def assert_close(got, want):
    assert got.shape == want.shape
    bound = {4: 3e-6, 8: 1e-14}[want.dtype.itemsize]
    assert np.abs(got - want).max(initial=0) <= bound * (np.abs(want).max(initial=0) + 1e-30)


@pytest.mark.parametrize("columns", [1, 63, 64, 65, 128, 300])
def test_panels_hold_every_column_and_zeros(columns):
    matrix = drawn(np.random.default_rng(0), 5, columns)
    u = packed(matrix)
    lines = u.transpose(1, 0, 2).reshape((5, -1))
    np.testing.assert_array_equal(lines[:, :columns], matrix)
    assert not lines[:, columns:].any() and lines.shape[1] % PANEL == 0


@pytest.mark.parametrize("isa", ["host", "x86-64-v3", "x86-64-v2"])
@pytest.mark.parametrize("columns", [52, 127, 333])
@pytest.mark.parametrize("summands", [1, 19, 2500])
def test_one_compilation_serves_every_number_of_rows(isa, columns, summands):
    rng = np.random.default_rng(0)
    w, b = drawn(rng, summands, columns), drawn(rng, columns)
    x = gc.placeholder("x", ("rows", summands))
    y = gc.relu(x @ gc.constant(w) + gc.constant(b))
    assert is_packed(y)
    run = gc.compile([x], y, isa=isa)
    for rows in (0, 1, 2, 5, 6, 7, 13, 260):
        value = drawn(rng, rows, summands)
        want = np.maximum(value.astype(np.float64) @ w + b, 0).astype(np.float32)
        assert_close(run(value), want)


@pytest.mark.parametrize("rows", [2, 3, 4, 5, 6, 7, 8, 96, 131, 1100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_known_rows(rows, dtype):
    rng = np.random.default_rng(1)
    w = drawn(rng, 40, 192, dtype=dtype)
    x = gc.placeholder("x", (rows, 40), dtype)
    y = x @ gc.constant(w)
    assert is_packed(y)
    value = drawn(rng, rows, 40, dtype=dtype)
    assert_close(gc.compile([x], y)(value), (value.astype(np.float64) @ w).astype(dtype))


CASES = {
    "turned matrix": ((10, 30), (64, 30), NONE, ((1,), (1,))),
    "turned rows": ((30, 10), (30, 64), NONE, ((0,), (0,))),
    "turned rows of several axes": ((30, 3, 20), (30, 64), NONE, ((0,), (0,))),
    "several rows": ((3, 5, 30), (30, 64), NONE, ((2,), (0,))),
    "two sums": ((9, 4, 30), (30, 4, 64), NONE, ((1, 2), (1, 0))),
    "two sums apart": ((4, 11, 30), (4, 60, 30), NONE, ((0, 2), (0, 2))),
}


@pytest.mark.parametrize("case", CASES)
def test_axes_in_any_order(case):
    shape, matrix, batch, contract = CASES[case]
    rng = np.random.default_rng(2)
    x, w = gc.placeholder("x", shape), gc.constant(drawn(rng, *matrix))
    y = dot_general(x, w, batch, contract)
    assert is_packed(y)
    feeds = {x: drawn(rng, *shape)}
    for got, want in zip(evaluate([y], feeds, "cpu"), evaluate([y], feeds), strict=True):
        assert_close(got, want)


def test_rows_that_are_computed_where_they_are_read():
    rng = np.random.default_rng(3)
    x, w = gc.placeholder("x", ("n", 7, 70)), gc.constant(drawn(rng, 70, 64))
    z = ((x + 1)[:, ::2] * 2) @ w
    assert is_packed(z)
    feeds = {x: drawn(rng, 21, 7, 70)}
    for got, want in zip(evaluate([z], feeds, "cpu"), evaluate([z], feeds), strict=True):
        assert_close(got, want)


def test_nan_and_infinity_stay_in_their_rows():
    rng = np.random.default_rng(4)
    x, w = gc.placeholder("x", (20, 40)), drawn(rng, 40, 100)
    w[3, 5] = np.inf
    y, value = x @ gc.constant(w), drawn(rng, 20, 40)
    value[7, 3], value[9, 0] = np.nan, np.inf
    (got,), (want,) = evaluate([y], {x: value}, "cpu"), evaluate([y], {x: value})
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(want))


def test_the_matrix_itself_is_dropped():
    w = np.ones((32, 64), np.float32)
    x = gc.placeholder("x", ("n", 32))
    run = gc.compile([x], [gc.relu(x @ gc.constant(w)) @ gc.constant(np.ones((64, 64), "f4"))])
    assert [c.shape for c in run.program.constants] == [(1, 32, 64), (1, 64, 64)]


def test_a_matrix_of_several_products_is_laid_out_once():
    w, x = gc.constant(np.ones((64, 64), np.float32)), gc.placeholder("x", ("n", 64))
    y = gc.tanh(gc.tanh(x @ w) @ w) @ w
    assert len({n.inputs[1] for n in products(y)}) == 1 and is_packed(y)


def test_what_is_read_otherwise_lies_as_it_is():
    w, x = gc.constant(np.ones((64, 64), np.float32)), gc.placeholder("x", ("n", 64))
    rows = gc.placeholder("i", ("n",), gc.int64)
    assert not is_packed(x @ w, gc.take(w, rows, axis=0))
    assert not is_packed(x @ w, dot_general(x, w, NONE, ((1,), (1,))))
    assert not is_packed(x @ w, w)


@pytest.mark.parametrize(
    ("shape", "matrix", "dtype"),
    [
        ((32,), (32, 64), gc.float32),
        (("n", 32), (32, 40), gc.float32),
        (("n", 32), (32, 64), gc.float16),
        (("n", 32), (32, 64), gc.int32),
        (("n", 0), (0, 64), gc.float32),
    ],
    ids=["a vector", "a part of a panel", "half floats", "integers", "no summands"],
)
def test_others_are_left_alone(shape, matrix, dtype):
    x, w = gc.placeholder("x", shape, dtype), np.ones(matrix, dtype.numpy)
    found = products(x @ gc.constant(w))
    assert all(n.op.name != "dot_packed" for n in found)


def test_the_pass_can_be_left_out():
    x, w = gc.placeholder("x", ("n", 32)), gc.constant(np.ones((32, 64), np.float32))
    assert is_packed(x @ w) and not is_packed(x @ w, disable=["pack_products"])


def test_bits_do_not_depend_on_threads():
    rng = np.random.default_rng(5)
    x, w = gc.placeholder("x", (300, 700)), gc.constant(drawn(rng, 700, 640))
    run, value = gc.compile([x], x @ w), drawn(rng, 300, 700)
    assert_same_bits(run, value)


@pytest.mark.parametrize(("rows", "asks"), [(96, True), (4, True), (1, False)])
def test_what_follows_a_panel_is_asked_for_while_there_is_time(rows, asks):
    x, w = gc.placeholder("x", (rows, 64)), gc.constant(np.ones((64, 128), np.float32))
    run = gc.compile([x], x @ w, isa="x86-64-v4")
    assert ("prefetch a1[" in run.dump("vectors")) is asks


@pytest.mark.parametrize(("size", "chunks"), [(512, 8), (64, 1)])
def test_one_row_shares_panels_that_take_long_to_read(size, chunks):
    x, w = gc.placeholder("x", (1, size)), gc.constant(np.ones((size, size), np.float32))
    assert f"dot, chunks {chunks}" in gc.compile([x], x @ w).dump("memory")
