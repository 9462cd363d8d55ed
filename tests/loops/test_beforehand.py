"""What a vector loop would compute again from the same elements goes before it, and reads nothing
where the loop does not run.
"""

from functools import partial
from itertools import count

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops import expr as e
from graphc.backends.loops.beforehand import computed_before
from graphc.backends.loops.stmt import Accumulate, For, If, Let, LoopKernel, Param, Stmt, Store
from graphc.backends.loops.vectorise import vectorise
from graphc.ir.dtypes import float32, int64
from tests.support.kernels import Compiled

T, N, K = (e.var(name, int64) for name in "ink")
ZERO = e.const(0, int64)
EXP, TANH = (partial(e.math, name) for name in ("exp", "tanh"))
ONE = e.load("a", ZERO, float32)
X = e.load("x", T, float32)


def before(*body: Stmt, begin: e.Expr = ZERO, end: e.Expr = N) -> tuple[list[Let], For]:
    return computed_before(For("i", begin, end, body, "vector", 16, 4), count())


def test_what_is_made_of_one_element_goes_before_the_loop() -> None:
    named, loop = before(Store("y", T, X * EXP(ONE)))
    guarded = e.load("a", ZERO, float32, ZERO < N)
    assert named == [Let("i.once0", EXP(guarded))]
    assert loop.body == (Store("y", T, X * e.var("i.once0", float32)),)


def test_a_loop_that_surely_runs_asks_nothing() -> None:
    (named,), _ = before(Store("y", T, X * EXP(ONE)), end=e.const(64, int64))
    assert named.value is EXP(ONE)


def test_elements_found_by_elements_are_guarded_twice() -> None:
    place = e.load("p", ZERO, int64)
    (named,), _ = before(Store("y", T, X * EXP(e.load("a", place * 8, float32))))
    inner = e.load("p", ZERO, int64, ZERO < N)
    assert named.value is EXP(e.load("a", inner * 8, float32, ZERO < N))


@pytest.mark.parametrize(
    "statement",
    [
        Store("y", T, X * ONE),
        Store("y", T, X * e.math("rsqrt", ONE + 1)),
        Store("y", T, X * EXP(e.load("a", T, float32))),
        Store("a", T, X * EXP(ONE)),
        Store("y", T, X * EXP(e.load("a", ZERO, float32, T < N))),
        Store("y", T, X * EXP(e.cast(N / e.load("p", ZERO, int64), float32))),
        If(X < 0, (Store("y", T, X * EXP(ONE)),)),
        For("k", ZERO, N, (Accumulate("s", "sum", X * EXP(ONE)),)),
    ],
    ids=[
        "an element",
        "little",
        "others",
        "written",
        "masked",
        "by zero",
        "behind a condition",
        "inner",
    ],
)
def test_all_else_stays(statement: Stmt) -> None:
    named, loop = before(statement)
    assert named == [] and loop.body == (statement,)


def test_loops_have_names_of_their_own() -> None:
    loops = [
        For("i", ZERO, N, (Store("y", T, X * f(ONE)),), "vector", 16) for f in (EXP, TANH, EXP)
    ]
    buffers = (Param("a", float32), Param("x", float32), Param("y", float32, writes=True))
    kernel = LoopKernel("scaled", buffers, ("n",), e.const(1, int64), tuple(loops))
    names = [s.name for s in vectorise(kernel).body if isinstance(s, Let) and "once" in s.name]
    assert len(names) == len(set(names)) == 3
    y = np.zeros(50, np.float32)
    Compiled(kernel)(np.zeros(1, np.float32), np.ones(50, np.float32), y, sizes=(50,))
    assert (y == 1).all()


def test_an_empty_loop_reads_no_element() -> None:
    nowhere = e.load("a", e.const(2**40, int64), float32)
    loop = For("i", ZERO, N, (Store("y", T, X * EXP(nowhere)),), "vector", 16)
    buffers = (Param("a", float32), Param("x", float32), Param("y", float32, writes=True))
    kernel = LoopKernel("empty", buffers, ("n",), e.const(1, int64), (loop,))
    empty = np.zeros(0, np.float32)
    Compiled(kernel)(empty, empty, empty, sizes=(0,))


def test_a_step_of_adam_asks_for_its_step_once_a_chunk() -> None:
    t, x = gc.placeholder("t", ()), gc.placeholder("x", (5000,))
    text = gc.dump(gc.compile([t, x], x / gc.expm1(t)), "vectors")
    assert text.count("expm1(") == 1
