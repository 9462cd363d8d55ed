"""What only one branch needs costs nothing where another is taken; it is checked all the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.walk import topological

Case = Callable[[gc.Tensor, gc.Tensor], Any]


def _costly(x: gc.Tensor) -> gc.Tensor:
    return gc.tanh(x @ x.T) @ x


CASES: dict[str, Case] = {
    "one branch": lambda p, x: gc.cond(p, lambda v: v, gc.zeros_like, _costly(x)),
    "the other": lambda p, x: gc.cond(p, gc.zeros_like, lambda v: v * 2, _costly(x)),
    "both, of their own": lambda p, x: gc.cond(
        p, lambda v, w: v + 1, lambda v, w: w * 2, _costly(x), _costly(x + 1)
    ),
    "both, the same": lambda p, x: gc.cond(p, lambda v: v, lambda v: v * 2, _costly(x)),
    "a result too": lambda p, x: (
        lambda v: (v, gc.cond(p, lambda: v * 2, lambda: gc.zeros_like(v)))
    )(_costly(x)),
    "chains": lambda p, x: gc.cond(
        p, lambda v: v, gc.zeros_like, gc.cumsum(_costly(_costly(x)) + gc.ones_like(x), axis=0)
    ),
    "a branch in a branch": lambda p, x: gc.cond(
        p,
        lambda v: v,
        gc.zeros_like,
        gc.cond(gc.sum(x) > 0, lambda v: v, lambda v: -x, _costly(x) + 1),
    ),
    "several outputs": lambda p, x: gc.cond(
        p, lambda v: v[0], lambda v: gc.zeros_like(v[0]), gc.topk(_costly(x), 2)
    ),
    "a loop": lambda p, x: gc.cond(
        p, lambda v: v, gc.zeros_like, gc.scan(lambda c, _: (_costly(c), None), x, length=3)[0]
    ),
    "in a loop": lambda p, x: gc.scan(
        lambda c, _: (gc.cond(p, lambda v: v, lambda v: c, _costly(c)), None), x, length=3
    )[0],
    "a predicate that is needed": lambda p, x: (
        lambda v: gc.cond(gc.sum(v) > 0, lambda: v, lambda: gc.zeros_like(v))
    )(_costly(x)),
    "numbers alone": lambda p, x: gc.cond(
        p, lambda v: x + v, lambda v: x, gc.exp(gc.arange(x.shape[1], dtype=gc.float64))
    ),
    "an array": lambda p, x: gc.cond(
        p,
        lambda v: v @ x,
        lambda v: x,
        gc.sin(gc.constant(np.eye(3))) @ gc.ones((3, x.shape[0]))
        if isinstance(x.shape[0], int)
        else x @ x.T,
    ),
}


def _symbols(rows: Any) -> tuple[gc.Tensor, gc.Tensor]:
    return gc.placeholder("p", (), gc.bool_), gc.placeholder("x", (rows, 3), gc.float64)


@pytest.mark.parametrize("rows", ["n", 3])
@pytest.mark.parametrize("case", CASES)
def test_values_are_those_of_the_graph_as_written(case: str, rows: Any) -> None:
    p, x = _symbols(rows)
    y = CASES[case](p, x)
    first = y[0] if isinstance(y, tuple) else y
    results = [y, gc.grad(gc.sum(gc.square(first)), x)]
    f, wanted = (gc.compile([p, x], results, target=t) for t in ("cpu", "reference"))
    given = np.random.default_rng(3).standard_normal((3 if rows == 3 else 7, 3))
    for flag in (np.True_, np.False_):
        for ours, theirs in zip(_flat(f(flag, given)), _flat(wanted(flag, given)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def _flat(results: Any) -> list[Any]:
    return [y for r in results for y in (r if isinstance(r, (tuple, list)) else [r])]


@pytest.mark.parametrize(
    ("case", "outside"),
    [
        ("one branch", False),
        ("the other", False),
        ("both, of their own", False),
        ("both, the same", True),
        ("a result too", True),
        ("chains", False),
        ("a branch in a branch", False),
        ("several outputs", False),
        ("a loop", False),
        ("a predicate that is needed", True),
    ],
)
def test_only_what_others_need_is_computed_before_the_branches(case: str, outside: bool) -> None:
    p, x = _symbols("n")
    graph = gc.compile([p, x], CASES[case](p, x)).stages.graph
    names = {node.op.name for node in topological(graph.results)}
    assert bool(names & {"bands", "dot_general", "scan", "topk"}) is outside


def _shared(kind: str) -> tuple[list[gc.Tensor], list[gc.Tensor]]:
    """Values that a branch and its gradient read, and what is computed with them."""
    p, x = _symbols("n")
    w = gc.placeholder("w", (3, 3), gc.float64)
    v = _costly(x)
    if kind == "one after the other":
        y = gc.cond(p, lambda v: gc.sum((v @ w) ** 2), lambda v: gc.sum(w), v)
        u = _costly(x + gc.stop_gradient(y))
        y = y + gc.cond(p, lambda u: gc.sum((u @ w) ** 2), lambda u: gc.sum(w), u)
    else:
        y = gc.cond(p, lambda v: gc.sum((v @ w) ** 2), lambda v: gc.sum(w), v)
    slope = gc.grad(y, w)
    more = [gc.sum(v)] if kind == "elsewhere" else []
    return [p, x, w], [y, slope, *more]


@pytest.mark.parametrize("kind", ["two branches", "one after the other", "elsewhere"])
def test_what_a_branch_and_its_gradient_need_is_made_where_it_is_taken(kind: str) -> None:
    inputs, results = _shared(kind)
    f, wanted = (gc.compile(inputs, results, target=t) for t in ("cpu", "reference"))
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((7, 3)), rng.standard_normal((3, 3))
    for flag in (np.True_, np.False_):
        for ours, theirs in zip(f(flag, x, w), wanted(flag, x, w), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    names = {node.op.name for node in topological(f.stages.graph.results)}
    assert bool(names & {"bands", "dot_general"}) is (kind == "elsewhere")


def test_what_branches_of_several_choices_need_is_computed_before_them() -> None:
    (p, x), q = _symbols("n"), gc.placeholder("q", (), gc.bool_)
    v = _costly(x)
    y = gc.cond(p, lambda: v, lambda: x) + gc.cond(q, lambda: v, lambda: -x)
    f, wanted = (gc.compile([p, q, x], y, target=t) for t in ("cpu", "reference"))
    given = np.random.default_rng(3).standard_normal((7, 3))
    for flags in ((True, True), (True, False), (False, True), (False, False)):
        np.testing.assert_allclose(f(*flags, given), wanted(*flags, given), rtol=1e-9)


def test_what_is_cheap_is_computed_before_a_branch_and_its_gradient() -> None:
    p, x = _symbols("n")
    w = gc.placeholder("w", (3,), gc.float64)
    y = gc.cond(p, lambda v: gc.sum(v * w), lambda v: gc.sum(w), x * 2)
    graph = gc.compile([p, x, w], [y, gc.grad(y, w)]).stages.graph
    assert sum(node.op.name == "switch" for node in topological(graph.results)) == 2


@pytest.mark.parametrize("target", ["cpu", "numba", "reference"])
def test_what_is_written_outside_is_checked_in_any_case(target: str) -> None:
    table, i = gc.placeholder("table", (3,)), gc.placeholder("i", (), gc.int64)
    found = gc.take(table, i)
    f = gc.compile(
        [table, i], gc.cond(i < 3, lambda: found, lambda: -1.0 + found * 0), target=target
    )
    g = gc.compile(
        [table, i], gc.cond(i < 3, lambda: found, lambda: gc.constant(-1.0)), target=target
    )
    rows = np.arange(3, dtype=np.float32)
    for function in (f, g):
        assert function(rows, 2) == 2
        with pytest.raises(gc.IndexRangeError):
            function(rows, 7)


def test_variables_are_read_before_they_are_updated() -> None:
    w = gc.variable(np.ones((4, 4)), "w")
    p = gc.placeholder("p", (), gc.bool_)
    v = _costly(w)
    f = gc.compile([p], gc.cond(p, lambda: v, lambda: w), updates={w: w + 1})
    np.testing.assert_allclose(f(np.True_), np.tanh(4.0) * 4)
    np.testing.assert_array_equal(f(np.False_), np.full((4, 4), 2.0))
