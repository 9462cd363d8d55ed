"""Conditions and switches: values, gradients and batching."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Tensor
from graphc.ir.walk import topological
from tests.control.unrolling import WIDTH, alike, derivatives, draw, on_targets, symbols


@on_targets
@pytest.mark.parametrize("flag", [True, False])
def test_cond_takes_one_branch_in_values_and_gradients(flag: bool, target: str) -> None:
    (x, p), feeds = symbols(x=draw(WIDTH), p=np.array(flag))

    def branch(x: Tensor) -> Any:
        return gc.sin(x) * 2, gc.sum(x)

    y = gc.cond(p, branch, lambda x: (x * x, x[0] * 0 + 1), x)
    wanted = branch(x) if flag else (x * x, gc.constant(np.array(1.0)))
    alike([*y, *derivatives(y, [x])], [*wanted, *derivatives(wanted, [x])], feeds, target)


@on_targets
@pytest.mark.parametrize("index", [-2, 0, 1, 2, 9])
def test_switch_clips_its_index(index: int, target: str) -> None:
    (i, x), feeds = symbols(i=np.array(index), x=draw(WIDTH))
    branches = [lambda x: x + 1, lambda x: gc.exp(x), lambda x: x * gc.sum(x)]
    y = gc.switch(i, branches, x)
    wanted = branches[min(max(index, 0), 2)](x)
    alike([y, *gc.grad(gc.sum(y), [x])], [wanted, *gc.grad(gc.sum(wanted), [x])], feeds, target)


@on_targets
def test_a_batched_switch_chooses_for_each_element(target: str) -> None:
    (i, x), feeds = symbols(i=np.array([2, 0, 1, 7]), x=draw(4, WIDTH))
    branches = [lambda x: x + 1, lambda x: gc.exp(x), lambda x: x * gc.sum(x)]
    y = gc.vmap(lambda i, x: gc.switch(i, branches, x))(i, x)
    wanted = gc.stack([branches[min(k, 2)](x[n]) for n, k in enumerate([2, 0, 1, 7])])
    alike([y], [wanted], feeds, target)


def test_only_the_branch_taken_is_computed() -> None:
    table = gc.placeholder("table", (3,))
    i = gc.placeholder("i", (), gc.int64)
    safe = gc.cond(i < 3, lambda: gc.take(table, i), lambda: gc.constant(-1.0))
    run = gc.compile([table, i], safe)
    assert run(np.arange(3, dtype=np.float32), 7) == -1
    assert run(np.arange(3, dtype=np.float32), 2) == 2


def test_branches_share_their_memory() -> None:
    rows = gc.placeholder("rows", ("n", 16), "float64")
    which = gc.placeholder("which", (), "int64")

    def branch(k: int) -> Any:
        return lambda x: gc.sum(gc.sort(gc.cumsum(x, axis=k % 2), axis=0))

    def arena(branches: int) -> Any:
        f = gc.compile([which, rows], gc.switch(which, [branch(k) for k in range(branches)], rows))
        return f.memory.at(n=1000).arena

    assert arena(4) < 1.1 * max(arena(1), arena(2))


@on_targets
def test_bodies_know_the_sizes_of_the_graph_that_they_are_in(target: str) -> None:
    """Also those of none of their inputs."""
    (i, x), feeds = symbols(i=np.array(1), x=draw(WIDTH))
    x = gc.placeholder("rows", ("n", WIDTH), x.dtype)
    feeds = {i: feeds[i], x: draw(5, WIDTH)}
    ones, zeros = gc.ones(x.shape, x.dtype), gc.zeros(x.shape, x.dtype)
    count = gc.constant(0.0, x.dtype)
    found = [
        gc.switch(i, [lambda: ones, lambda: zeros]),
        gc.cond(i > 0, lambda: gc.sum(gc.iota(("n",))), lambda: i),
        gc.scan(lambda c, _: (c + gc.sum(gc.ones(("n",), x.dtype)), c), count, length=3)[0],
        gc.while_loop(lambda c: c < 9, lambda c: c + gc.sum(gc.ones(("n",), x.dtype)), count),
    ]
    wanted = [zeros, gc.constant(10), gc.constant(15.0, x.dtype), gc.constant(10.0, x.dtype)]
    alike(found, wanted, feeds, target)


def test_what_a_branch_computes_is_its_own_even_if_it_was_written_before() -> None:
    """Whether equal expressions were ever made elsewhere decides nothing."""
    table, i = gc.placeholder("table", (3,)), gc.placeholder("i", (), gc.int64)
    rows = np.arange(3, dtype=np.float32)
    before = gc.take(table, i)
    for _ in range(2):
        safe = gc.cond(i < 3, lambda: gc.take(table, i), lambda: gc.constant(-1.0))
        assert gc.compile([table, i], safe)(rows, 7) == -1
    assert safe.node is not before.node


def test_arrays_that_branches_read_are_kept_once() -> None:
    x, p = gc.placeholder("x", (64,)), gc.placeholder("p", (), gc.bool_)
    values = np.random.default_rng(0).standard_normal(64, np.float32)
    y = gc.cond(p, lambda: x * gc.constant(values), lambda: x + gc.constant(values))
    nodes = topological([y, x * gc.constant(values)])
    assert sum(node.op.name == "constant" for node in nodes) == 1


def test_a_variable_made_in_a_branch_is_that_variable() -> None:
    made = []

    def branch(x: Tensor) -> Tensor:
        made.append(gc.variable(np.ones(2, np.float32), "w"))
        return x * made[-1]

    x = gc.placeholder("x", (2,))
    y = gc.cond(x[0] > 0, branch, lambda x: x, x)
    f = gc.compile([x], y, updates={made[0]: made[0] + gc.grad(gc.sum(y), made[0])})
    f(np.array([1, 2], np.float32))
    np.testing.assert_array_equal(f(np.array([1, 2], np.float32)), [2, 6])


def _shortened(kind: str) -> tuple[list[Tensor], Tensor]:
    """A graph of which a branch takes 1000 rows away; the other one and what is around do not."""
    rows, p = gc.placeholder("rows", ("n", 3), gc.float64), gc.placeholder("p", (), gc.bool_)
    n = rows.shape[0]
    before = gc.cumsum(rows, axis=0)

    def short() -> Tensor:
        few = gc.ones((n - 1000,), gc.float64) * gc.sum(rows)
        return gc.sum(gc.exp(-gc.cumsum(few)))

    if kind == "nested":
        y = gc.cond(p, lambda: gc.cond(p, short, lambda: gc.sum(rows)), lambda: gc.sum(rows))
    elif kind == "loop":
        y, _ = gc.scan(
            lambda c, _: (gc.cond(p, short, lambda: c + 1), None), gc.sum(rows), length=2
        )
    else:
        y = gc.cond(p, short, lambda: gc.sum(rows))
    return [rows, p], gc.sum(gc.cumsum(before * y, axis=0) * before, axis=0)


@pytest.mark.parametrize(
    ("kind", "target"),
    [*((k, t) for k in ("one", "nested", "loop") for t in ("cpu", "reference")), ("one", "numba")],
)
def test_a_branch_that_is_taken_refuses_sizes_that_make_a_length_negative(
    kind: str, target: str
) -> None:
    inputs, y = _shortened(kind)
    f, wanted = gc.compile(inputs, y, target=target), gc.compile(inputs, y, target="reference")
    few = draw(10, 3)
    np.testing.assert_allclose(f(few, np.False_), wanted(few, np.False_), rtol=1e-12)
    with pytest.raises(gc.ArgumentError, match=r"the length -1000 \+ n would be -990"):
        f(few, np.True_)
    many = draw(1000, 3)
    np.testing.assert_allclose(f(many, np.True_), wanted(many, np.True_), rtol=1e-12)


@pytest.mark.parametrize("target", ["cpu", "numba"])
def test_of_an_index_and_a_length_that_fail_the_error_names_the_index(target: str) -> None:
    (rows, p), y = _shortened("one")
    i = gc.placeholder("i", (2,), gc.int64)
    f = gc.compile([rows, p, i], [gc.exp(rows[i]), y], target=target)
    with pytest.raises(gc.IndexRangeError, match="index 12 is out of range"):
        f(draw(10, 3), np.True_, np.array([1, 12]))


def test_sizes_have_names_of_their_own_beside_a_branch() -> None:
    x = gc.placeholder("x", ("branches", "chosen", "k", "number"))
    p = gc.placeholder("p", (), gc.bool_)
    y = gc.exp(x * gc.cond(p, lambda: gc.sum(x), lambda: gc.max(x)))
    value = draw(2, 3, 5, 7).astype(np.float32) / 50
    got = gc.compile([x, p], y, target="numba")(value, np.True_)
    wanted = gc.compile([x, p], y, target="reference")(value, np.True_)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
