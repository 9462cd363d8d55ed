"""Vectors of which no lane is read stay inside their buffer; uniform choices are of places."""

from collections.abc import Iterator

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.masked import first_lanes, load_in_place, one_of_two
from graphc.backends.loops.stmt import For, LoopKernel, Param, Store, walk
from graphc.backends.loops.vectorise import vectorise
from graphc.ir.dtypes import float32, int64

LANES = 8
i, j = e.var("i"), e.var("j")
SIZES = [(1, 1), (1, 70), (70, 1), (2, 3), (7, 17), (3, 255), (16, 256), (5, 1027)]


def value(x: Expr, **names: int) -> np.ndarray:
    """The lanes of an expression of indices and conditions."""
    if x.op in ("const", "var"):
        return np.full(1, names[x.attr] if x.op == "var" else x.attr)
    args = [value(a, **names) for a in x.args]
    if x.op == "ramp":
        return args[0] + np.arange(x.lanes)
    if x.op == "broadcast":
        return np.repeat(args[0], x.lanes)
    numpy = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum,
        "cast": np.array, "and": np.logical_and, "not": np.logical_not,
        "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
        "select": np.where,
    }  # fmt: skip
    return numpy[x.op](*args)


@pytest.mark.parametrize("compare", ["lt", "le", "gt", "ge"])
@pytest.mark.parametrize("opposite", [False, True])
@pytest.mark.parametrize("uniform", [False, True])
def test_a_vector_that_reads_no_lane_begins_at_the_beginning(
    compare: str, opposite: bool, uniform: bool
) -> None:
    mask = e.compare(compare, e.ramp(i, LANES), e.const(5, int64))
    mask = ~mask if opposite else mask
    if uniform:
        mask = mask & e.broadcast(j < 1, LANES)
    load = load_in_place("x", e.ramp(i + 1000, LANES), float32, mask)
    for first in range(-20, 20):
        for row in range(2):
            some = value(mask, i=first, j=row).any()
            assert value(load.args[0], i=first, j=row)[0] == (first + 1000 if some else 0)


def test_the_first_lanes_are_as_many_as_are_left() -> None:
    mask = first_lanes(e.const(20, int64) - i, LANES)
    for first in range(-3, 24):
        wanted = np.arange(LANES) < 20 - first
        np.testing.assert_array_equal(value(mask, i=first), wanted)
    load = load_in_place("x", e.ramp(i, LANES), float32, mask)
    assert value(load.args[0], i=21)[0] == 0 and value(load.args[0], i=19)[0] == 19


def rows(condition: Expr, other: Expr) -> Expr:
    """Elements of one of two rows of x."""
    near, far = i + j * 8, i + j * 8 + 800
    yes = e.load("x", near, float32, other & condition)
    no = e.load("x", far, float32, other & ~condition)
    return e.select(condition, yes, no)


def loads(x: Expr) -> Iterator[Expr]:
    if x.op == "load":
        yield x
    for a in x.args:
        yield from loads(a)


def test_one_of_two_rows_is_one_load() -> None:
    found = one_of_two(rows(j < 3, i < 5))
    assert found.op == "load"
    assert found.args == (e.select(j < 3, i + j * 8, i + j * 8 + 800), i < 5)


def test_loads_under_unequal_conditions_stay_two() -> None:
    yes = e.load("x", i, float32, (j < 3) & (i < 5))
    no = e.load("x", i + 8, float32, ~(j < 3))
    both = e.select(j < 3, yes, no)
    assert one_of_two(both) is both


def test_rows_are_read_as_vectors() -> None:
    store = Store("o", i, rows(j < 3, i < 100))
    loop = For("i", e.const(0, int64), e.var("n"), (store,), "vector", LANES, 2)
    buffers = (Param("x", float32), Param("o", float32, True))
    kernel = vectorise(LoopKernel("k", buffers, ("n", "j"), e.const(1, int64), (loop,)))
    found = [x for s in walk(kernel.body) if isinstance(s, Store) for x in loads(s.value)]
    assert len(found) == 4  # a short row, two vectors side by side, the rest
    assert all(x.args[0].op == "ramp" for x in found)


@pytest.mark.parametrize("shape", [("n", "m"), None], ids=["symbolic", "fixed"])
@pytest.mark.parametrize("size", SIZES)
def test_rolls_read_together_agree_with_numpy(
    shape: tuple[str, str] | None, size: tuple[int, int]
) -> None:
    def stencils(roll, x, y):
        wide = roll(roll(x, 3, 0), -5, 1) * y
        return roll(x, 1, 1) + roll(y, -1, 0), wide, roll(x, -1, 0) - roll(x, 1, 0) * roll(y, 2, 1)

    rng = np.random.default_rng(sum(size))
    arrays = [rng.normal(size=size).astype(np.float32) for _ in "xy"]
    x, y = (gc.placeholder(name, shape or size, gc.float32) for name in "xy")
    results = gc.compile([x, y], list(stencils(gc.roll, x, y)))(*arrays)
    for result, expected in zip(results, stencils(np.roll, *arrays), strict=True):
        np.testing.assert_array_equal(result, expected)
