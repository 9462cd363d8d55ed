"""Reductions of one tensor along nested axes share their work, and keep their values."""

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Tensor
from graphc.ir.walk import topological
from graphc.passes.graph import Graph
from graphc.passes.pipeline import optimise
from tests.support.run import evaluate

X = gc.placeholder("x", ("n", 4, 5), gc.float64)
Reduce = Callable[..., Tensor]


def optimised(*outputs: Tensor) -> tuple[list[Tensor], list[tuple[str, int]]]:
    """The graph after all passes, and the ops of its reductions with the axes of what they read."""
    found = optimise(Graph((X,), outputs)).outputs
    nodes = topological(found)
    reads = [(n.op.name, n.inputs[0].ndim) for n in nodes if n.op.lowering == "reduce"]
    return list(found), sorted(reads)


@pytest.mark.parametrize("reduce", [gc.sum, gc.max, gc.min, gc.prod])
def test_a_whole_is_made_of_its_parts(reduce: Reduce) -> None:
    outputs = [reduce(X), reduce(X, axis=1), reduce(X, axis=(0, 1)), reduce(X, axis=2)]
    found, reads = optimised(*outputs)
    assert [ndim for _, ndim in reads] == [2, 2, 3, 3]
    feeds = {X: np.random.default_rng(0).standard_normal((3, 4, 5))}
    for target in ("reference", "cpu"):
        for got, want in zip(evaluate(found, feeds, target), evaluate(outputs, feeds), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-13)


def test_what_does_not_nest_stays() -> None:
    assert optimised(gc.sum(X, axis=0), gc.sum(X, axis=1))[1] == [("sum", 3), ("sum", 3)]
    assert optimised(gc.sum(X, axis=0), gc.max(X))[1] == [("max", 3), ("sum", 3)]


def test_a_second_reading_of_few_elements_is_cheaper_than_a_kernel() -> None:
    y = gc.placeholder("y", (40, 50))
    found = optimise(Graph((y,), (gc.sum(y), gc.sum(y, axis=0)))).outputs
    assert found[0].node.inputs[0].ndim == 2


def test_short_floats_stay_since_parts_would_be_rounded() -> None:
    y = gc.placeholder("y", ("n", 5), gc.float16)
    found = optimise(Graph((y,), (gc.sum(y), gc.sum(y, axis=0)))).outputs
    assert found[0].node.inputs[0].ndim == 2


def test_exponentials_are_computed_once() -> None:
    outputs = [gc.logsumexp(X), gc.logsumexp(X, axis=1)]
    found, _ = optimised(*outputs)
    wide = [n for n in topological(found) if n.op.name == "exp" and n.types[0].ndim == 3]
    assert len(wide) == 1
    x = np.random.default_rng(0).normal(0, 300, (3, 4, 5))
    x[0, :, 0] = -np.inf
    many = [x, np.full_like(x, -np.inf), np.where(x > 200, np.inf, x), np.where(x > 200, np.nan, x)]
    many += [x - 1e5, x * 1e-3, np.where(np.isinf(x), -np.inf, -1e4)]
    with np.errstate(all="ignore"):
        for values in many:
            wanted = evaluate(outputs, {X: values})
            for target in ("reference", "cpu"):
                for got, want in zip(evaluate(found, {X: values}, target), wanted, strict=True):
                    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_exponentials_that_are_shifted_by_something_else_stay() -> None:
    y = gc.placeholder("y", ("n", 4, 5), gc.float64)
    for other in (y, X * 2, gc.min(X, axis=1)):
        most = gc.max(other)
        shift = gc.where(gc.isfinite(most), most, 0.0)
        outputs = [gc.sum(gc.exp(X - shift)), gc.logsumexp(X, axis=1)]
        found = optimise(Graph((X, y), tuple(outputs))).outputs
        rng = np.random.default_rng(0)
        feeds = {X: rng.uniform(3, 9, (3, 4, 5)), y: rng.uniform(-5, 1, (3, 4, 5))}
        for got, want in zip(evaluate(found, feeds), evaluate(outputs, feeds), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-13)


def test_sums_of_sums_are_added_up_in_float64() -> None:
    x = gc.placeholder("x", (512, 4096), gc.float32)
    graph = optimise(Graph((x,), (gc.sum(x), gc.sum(x, axis=0))))
    sums = [node for node in topological(list(graph.outputs)) if node.op.name == "sum"]
    last = [node for node in sums if node.types[0].shape == ()]
    assert [node.inputs[0].dtype for node in last] == [gc.float64]
    value = np.random.default_rng(1).normal(0.5, 1, (512, 4096)).astype(np.float32)
    want, got = value.astype(np.float64).sum(), gc.compile([x], list(graph.outputs))(value)[0]
    assert abs(float(got) - want) <= 0.52 * np.spacing(np.float32(want))
