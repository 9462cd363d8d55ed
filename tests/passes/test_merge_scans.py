"""Scans of one body become one loop, and what nobody reads of a loop is not kept."""

from collections.abc import Sequence

import numpy as np

import graphc as gc
from graphc.backends.reference import evaluate
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import topological
from graphc.passes.drop import DROP
from graphc.passes.graph import Graph
from graphc.passes.loops.merge_scans import merge_scans

X = np.random.default_rng(0).uniform(-1, 1, (5, 3))


def scans(outputs: Sequence[Tensor]) -> list[Node]:
    return [node for node in topological(outputs) if node.op.name == "scan"]


def merged(x: Tensor, outputs: Sequence[Tensor]) -> list[Tensor]:
    """The outputs after the pass; their values are the same."""
    graph = DROP.run(merge_scans(Graph((x,), tuple(outputs))))
    for ours, theirs in zip(
        evaluate(graph.outputs, {x: X}), evaluate(outputs, {x: X}), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    return list(graph.outputs)


def symbol() -> Tensor:
    return gc.placeholder("x", X.shape, gc.float64)


def test_a_loop_and_its_gradient_keep_one_forward_loop() -> None:
    x = symbol()
    last, rows = gc.scan(lambda c, v: (gc.tanh(c) * v, gc.exp(c)), x[0], x)
    outputs = [last, rows, *gc.grad(gc.sum(rows) + gc.sum(last), [x])]
    assert len(scans(outputs)) == 3
    assert len(scans(merged(x, outputs))) == 2


def test_rows_that_nobody_reads_are_not_stacked() -> None:
    x = symbol()
    last, _ = gc.scan(lambda c, v: (c + v, (gc.exp(c), c * v)), x[0], x)
    (node,) = scans(merged(x, [last]))
    assert len(node.outputs) == 1


def test_a_row_that_two_scans_give_is_kept_once() -> None:
    x = symbol()
    last, (a, b) = gc.scan(lambda c, v: (c + v, (gc.exp(c), gc.exp(c))), x[0], x)
    (node,) = scans(merged(x, [last, a, b]))
    assert len(node.outputs) == 2


def test_scans_of_different_operands_stay_apart() -> None:
    x = symbol()
    outputs = [gc.scan(lambda c, v: (c + v, None), x[0], y)[0] for y in (x, x * 2)]
    assert len(scans(merged(x, outputs))) == 2


def test_scans_in_different_directions_stay_apart() -> None:
    x = symbol()
    outputs = [gc.scan(lambda c, v: (c * v, None), x[0], x, reverse=r)[0] for r in (False, True)]
    assert len(scans(merged(x, outputs))) == 2


def test_a_graph_with_nothing_to_merge_stays_the_same_object() -> None:
    x = symbol()
    graph = Graph((x,), (gc.scan(lambda c, v: (c + v, None), x[0], x)[0],))
    assert merge_scans(graph) is graph


def test_the_gradient_of_a_loop_in_a_loop_runs_neither_again() -> None:
    x = gc.placeholder("x", (4, 5, 3), gc.float64)

    def inner(c: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        new = gc.tanh(c) * v
        return new, new

    last, _ = gc.scan(lambda c, v: gc.scan(inner, c, v), gc.ones((3,), gc.float64), x)
    compiled = gc.compile([x], gc.grad(gc.sum(last), x))
    text = str(compiled.dump("optimised"))
    assert text.count("= scan(") == 4
