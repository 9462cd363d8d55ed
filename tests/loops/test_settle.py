"""What is known of a kernel before it runs is worked out; what it computes stays."""

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops import expr as e
from graphc.backends.loops.settle import settled
from graphc.backends.loops.stmt import Assign, Declare, For, If, Let, LoopKernel, Param, Stmt, Store
from graphc.backends.reference import evaluate
from graphc.ir.dtypes import bool_, float32, int64

ZERO, ONE = e.const(0, int64), e.const(1, int64)
INDEX, N, W = e.var("i"), e.var("n"), e.var("w")
VALUE = e.load("a", INDEX, float32)


def kept(*body: Stmt, chunks: e.Expr = ONE) -> tuple[Stmt, ...]:
    buffers = (Param("a", float32), Param("o", float32, True))
    return settled(LoopKernel("k", buffers, ("n",), chunks, body)).body


def stored(index: e.Expr) -> Store:
    return Store("o", index, VALUE)


def number(value: int) -> e.Expr:
    return e.const(value, int64)


def test_names_of_literals_go_and_index_arithmetic_is_done() -> None:
    body = (Let("w", e.minimum(e.var("chunk") * 8 + 8, 5)), Let("m", W * N), stored(W + INDEX))
    assert kept(*body) == (Let("m", number(5) * N), stored(number(5) + INDEX))


def test_a_name_means_what_was_said_last_and_nothing_after_its_scope() -> None:
    inner = For("i", ZERO, N, (Let("w", INDEX * 2), stored(W)))
    assert kept(Let("w", ONE), inner, stored(W)) == (inner, stored(ONE))
    shadow = For("w", ZERO, N, (stored(W),))
    assert kept(Let("w", ONE), shadow, stored(W)) == (shadow, stored(ONE))


def test_a_register_that_changes_is_no_literal() -> None:
    change = (Declare("w", ONE), Assign("w", W + 1), stored(W))
    assert kept(Let("w", ONE), *change) == change


def test_loops_that_never_run_and_branches_never_taken_go() -> None:
    yes, no = stored(number(3)), stored(number(4))
    assert kept(For("i", ONE, ONE, (yes,)), If(ONE < 1, (yes,))) == ()
    assert kept(If(ONE < 1, (yes,), (no,))) == (If(e.const(True, bool_), (no,)),)
    assert kept(If((ONE > 0) & (N > INDEX), (yes,), (no,))) == (If(N > INDEX, (yes,), (no,)),)
    assert kept(If(~((ONE > 0) | (N > INDEX)), (yes,), (no,))) == (If(e.const(True, bool_), (no,)),)


def test_the_variable_of_a_single_turn_is_known_but_not_that_of_vectors() -> None:
    turn = For("i", ONE, number(2), (stored(INDEX),))
    assert kept(turn) == (For("i", ONE, number(2), (Store("o", ONE, e.load("a", ONE, float32)),)),)
    vector = For("i", ONE, number(2), (stored(INDEX),), "vector", 8)
    assert kept(vector) == (vector,)


def test_of_several_chunks_nothing_is_known() -> None:
    body = (Let("w", ONE), stored(W))
    assert kept(*body, chunks=number(2)) == body


@pytest.mark.parametrize(
    ("sizes", "target"),
    [
        ((4, 3, 5), "cpu"),
        ((1, 1, 1), "cpu"),
        ((9, 17, 2), "cpu"),
        ((40, 4, 33), "cpu"),
        ((4, 3, 5), "numba"),
    ],
)
def test_small_products_keep_their_values(sizes: tuple[int, int, int], target: str) -> None:
    rows, inner, columns = sizes
    a, b = (gc.placeholder(n, s) for n, s in (("a", (2, rows, inner)), ("b", (2, inner, columns))))
    rng = np.random.default_rng(0)
    feeds = {x: rng.normal(size=x.shape).astype(np.float32) for x in (a, b)}
    outputs = [a @ b, gc.sum(a[0] @ b[0])]
    found = gc.compile([a, b], outputs, target=target)(*feeds.values())
    for got, want in zip(found, evaluate(outputs, feeds), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
