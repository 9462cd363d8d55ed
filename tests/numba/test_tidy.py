"""Tidying takes second names out of a kernel and leaves its meaning alone."""

from graphc.backends.loops import expr as e
from graphc.backends.loops.stmt import (
    Assign,
    Declare,
    For,
    If,
    Let,
    LoopKernel,
    Param,
    Stmt,
    Store,
)
from graphc.backends.loops.tidy import tidy
from graphc.ir.dtypes import float32, int64

ZERO, SIZE = e.const(0, int64), e.const(9, int64)
X, Y, Z = (e.var(name, float32) for name in "xyz")
ELEMENT = e.load("a", e.var("i"), float32)


def tidied(*body: Stmt) -> tuple[Stmt, ...]:
    buffers = (Param("a", float32), Param("o", float32, True))
    (loop,) = tidy(
        LoopKernel("k", buffers, (), e.const(1, int64), (For("i", ZERO, SIZE, body),))
    ).body
    assert isinstance(loop, For)
    return loop.body


def stored(value: e.Expr) -> Store:
    return Store("o", e.var("i"), value)


def test_a_second_name_of_a_value_goes() -> None:
    body = tidied(Let("x", ELEMENT), Let("y", X), stored(Y + Y))
    assert body == (Let("x", ELEMENT), stored(X + X))


def test_a_register_that_never_changes_is_a_value() -> None:
    body = tidied(Declare("x", ELEMENT), Let("y", X), stored(Y))
    assert body == (Let("x", ELEMENT), stored(X))


def test_what_a_changing_register_held_keeps_its_name() -> None:
    body = (Declare("x", ELEMENT), Let("y", X), Assign("x", X + 1.0), stored(Y + X))
    assert tidied(*body) == body


def test_a_load_stays_where_it_is() -> None:
    body = (Let("x", ELEMENT), Store("a", e.var("i"), e.const(1, float32)), stored(X))
    assert tidied(*body) == body


def test_a_name_bound_twice_is_not_looked_through() -> None:
    again = If(e.equal(e.var("i"), 0), (Let("x", ELEMENT + 1.0), stored(Z)))
    body = (Let("x", ELEMENT), Let("z", X), again)
    assert tidied(*body) == body
