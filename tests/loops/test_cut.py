"""Kernels of many loops are put into several functions."""

import re

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops import expr as e
from graphc.backends.loops.cut import MOST, cut
from graphc.backends.loops.stmt import (
    Alloc,
    Apart,
    Assign,
    Declare,
    For,
    If,
    Let,
    LoopKernel,
    Param,
    Stmt,
    Store,
    children,
)
from graphc.ir.dtypes import float32, int64

CHUNK = e.var("chunk")
VALUE = e.const(1.0, float32)


def loop(name: str, *body: Stmt) -> For:
    return For(name, e.const(0, int64), e.const(4, int64), body)


def fill(k: int) -> For:
    return loop(f"i{k}", Store("y", e.var(f"i{k}") + 4 * k, VALUE))


def fills(count: int, start: int = 0) -> tuple[For, ...]:
    return tuple(fill(k) for k in range(start, start + count))


def found(*body: Stmt) -> tuple[Stmt, ...]:
    return cut(LoopKernel("k", (Param("y", float32, writes=True),), (), CHUNK, body)).body


def joined(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
    """The statements of a body, without the functions around them."""
    return tuple(x for s in body for x in (s.body if isinstance(s, Apart) else (s,)))


def tree(low: int, high: int) -> tuple[Stmt, ...]:
    """Loops of which a number chooses one."""
    if high - low == 1:
        return (fill(low),)
    middle = (low + high) // 2
    return (
        If(CHUNK - middle < 0, tree(low, middle)),
        If(CHUNK - middle >= 0, tree(middle, high)),
    )


def test_few_loops_stay() -> None:
    assert found(*fills(MOST)) == fills(MOST)


def test_loops_after_each_other_are_cut_into_even_pieces() -> None:
    body = found(*fills(2 * MOST + 1))
    assert [len(s.body) for s in body if isinstance(s, Apart)] == [MOST, MOST, 1]
    assert joined(body) == fills(2 * MOST + 1)


def test_what_is_between_loops_stays_there() -> None:
    value = Let("a", e.cast(CHUNK, float32))
    body = found(*fills(2), value, *fills(MOST, 2))
    assert body == (Apart(fills(2)), value, Apart(fills(MOST, 2)))


def test_branches_and_loops_are_cut_inside() -> None:
    (chosen,) = found(loop("r", *tree(0, 4 * MOST)))
    assert isinstance(chosen, For)
    pieces, left = [], [chosen.body]
    while left:
        for s in left.pop():
            if isinstance(s, Apart):
                pieces.append(s)
            else:
                left.extend(children(s))
                assert isinstance(s, If)
    assert len(pieces) == 16  # of 32 loops, and the branches to them


def test_what_needs_the_function_around_stays() -> None:
    register = Declare("r", VALUE)
    using = loop("u", Assign("r", e.var("r", float32) + VALUE))
    scratch = loop("v", Alloc("t", float32, 4))
    body = found(register, using, scratch, *fills(MOST))
    assert body == (register, using, scratch, Apart(fills(MOST)))


@pytest.mark.parametrize(("shape", "axis"), [((), 0), ((3, 5), 0), ((3, 20), 1)])
def test_many_arrays_are_put_together_by_short_functions(shape: tuple[int, ...], axis: int) -> None:
    count = 2 * MOST
    given = list(np.random.default_rng(0).standard_normal((count, *shape), np.float32))
    xs = [gc.placeholder(f"x{k}", shape) for k in range(count)]
    run = gc.compile(xs, gc.stack(xs, axis))
    np.testing.assert_array_equal(run(*given), np.stack(given, axis))
    functions = re.split(r"^define ", gc.dump(run, "llvm"), flags=re.MULTILINE)
    after = [len(re.findall(r"^after\.", text, re.MULTILINE)) for text in functions]
    assert sum(after) >= count
    assert max(after) <= MOST + 1
