"""What a loop computes again and again is found, and nothing that might fail if no step runs."""

import numpy as np

from graphc.backends.loops import expr as e
from graphc.backends.loops.invariants import Changes, invariants
from graphc.backends.loops.stmt import (
    Accumulate,
    Assign,
    For,
    If,
    Let,
    LoopKernel,
    Param,
    Stmt,
    Store,
)
from graphc.ir.dtypes import float32, int64
from tests.support.kernels import Compiled

T, N, K = (e.var(name, int64) for name in "ink")
A, S = e.var("a", float32), e.var("s", float32)


def found(*body: Stmt) -> list[e.Expr]:
    return invariants(For("i", e.const(0, int64), N, tuple(body)), Changes())


def test_the_largest_parts_are_found() -> None:
    scale = e.broadcast(A * 2.0, 16)
    value = e.load("x", e.ramp(T, 16), float32) * scale
    assert found(Store("y", e.ramp(T + N * K, 16), value)) == [N * K, scale]


def test_of_neighbours_the_first_place_alone_is_found() -> None:
    place = e.ramp(N * K, 16)
    assert found(Store("y", place, e.load("x", place, float32))) == [N * K]
    assert found(Store("y", e.ramp(e.const(16, int64), 16), e.broadcast(S, 16))) == [
        e.broadcast(S, 16)
    ]


def test_what_the_loop_changes_stays() -> None:
    assert found(Assign("s", S + A), Store("y", T, S * 2.0)) == []
    assert found(Let("a", e.load("x", T, float32)), Store("y", T, A * 2.0)) == []
    assert found(Accumulate("s", "sum", S * 3.0)) == []
    inner = For("k", e.const(0, int64), N, (Store("y", K, A * e.cast(K, float32)),))
    assert found(inner) == []


def test_divisions_by_a_literal_are_found() -> None:
    assert found(Store("y", T + N / 16, A)) == [N / 16]
    assert found(Store("y", T + N / -1, A)) == []


def test_divisions_by_at_least_one_are_found() -> None:
    quotient = e.rem(N, e.maximum(K, 1))
    assert found(Store("y", T + quotient, A)) == [quotient]
    assert e.rem(N, e.maximum(K, 0)) not in found(Store("y", T + e.rem(N, e.maximum(K, 0)), A))


def test_loads_and_integer_divisions_stay() -> None:
    assert found(Store("y", T, e.load("x", N * K, float32))) == [N * K]
    assert found(Store("y", T + N / K, A)) == []
    assert found(Store("y", T, A / S)) == [A / S]


def test_what_is_behind_a_condition_stays() -> None:
    assert found(If(A < S, (Store("y", T, A * 2.0),))) == [A < S]
    known = e.load("x", T, float32) < S
    rare = e.make("select", (known, A * 5.0, A * 7.0), float32, 1, "rarely")
    assert found(Store("y", T, rare)) == [A * 7.0]


def test_shared_parts_are_visited_once() -> None:
    x = e.load("x", T, float32)
    for _ in range(200):
        x = x * x + A * 2.0
    assert found(Store("y", T, x)) == [A * 2.0]


def test_what_goes_before_a_loop_may_take_branches() -> None:
    first = Let("a", e.load("x", e.const(0, int64), float32))
    sine = e.math("sin", A)  # of large numbers behind a branch
    loop = For("i", e.const(0, int64), e.const(8, int64), (Store("y", T, sine),))
    buffers = (Param("x", float32), Param("y", float32, writes=True))
    kernel = LoopKernel("sines", buffers, (), e.const(1, int64), (first, loop))
    y = np.zeros(8, np.float32)
    Compiled(kernel)(np.array([1e6], np.float32), y)
    np.testing.assert_allclose(y, np.full(8, np.sin(1e6)), rtol=1e-6)
