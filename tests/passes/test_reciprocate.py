"""Divisions of rows by one number: which become products; nothing but roundings changes."""

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Tensor
from graphc.ir.walk import topological
from graphc.passes.graph import Graph
from graphc.passes.pipeline import optimise
from tests.support.run import evaluate

X = gc.placeholder("x", (5, 7), gc.float32)
V = gc.placeholder("v", (5,), gc.float32)


def rewritten(y: Tensor) -> tuple[Tensor, set[str]]:
    (found,) = optimise(Graph((X, V), (y,))).outputs
    return found, {node.op.name for node in topological([found])}


def test_a_row_divided_by_a_root_is_multiplied() -> None:
    found, ops = rewritten(X / gc.sqrt(V)[:, None])
    assert "rsqrt" in ops
    assert "divide" not in ops
    x = np.array([1, -1, 0, np.inf, np.nan, 1e-44, 3e38], np.float32)
    v = np.array([0, -0.0, 1e-45, np.inf, -1], np.float32)
    feeds = {X: np.broadcast_to(x, (5, 7)).copy(), V: v}
    with np.errstate(all="ignore"):
        wanted = evaluate([X / gc.sqrt(V)[:, None]], feeds)[0]
    for target in ("reference", "cpu"):
        np.testing.assert_allclose(evaluate([found], feeds, target)[0], wanted, rtol=4e-7)


def test_a_softmax_divides_once_a_row() -> None:
    e = gc.exp(X - gc.max(X, axis=1, keepdims=True))
    found, ops = rewritten(e / gc.sum(e, axis=1, keepdims=True))
    assert "divide" not in ops
    feeds = {X: np.random.default_rng(0).normal(0, 50, (5, 7)).astype(np.float32)}
    wanted = evaluate([e / gc.sum(e, axis=1, keepdims=True)], feeds)[0]
    np.testing.assert_allclose(evaluate([found], feeds)[0], wanted, rtol=3e-7)


def other_axis() -> Tensor:
    e = gc.exp(X - gc.max(X, axis=0, keepdims=True))
    return e / gc.sum(e, axis=1, keepdims=True)


def another_array() -> Tensor:
    e = gc.exp(X - gc.max(X * 2, axis=1, keepdims=True))
    return e / gc.sum(e, axis=1, keepdims=True)


@pytest.mark.parametrize(
    "y",
    [
        X / V[:, None],  # the inverse of a small number overflows
        X / gc.sqrt(X),  # nothing is saved
        other_axis(),
        another_array(),
    ],
)
def test_other_divisions_stay(y: Tensor) -> None:
    assert "divide" in rewritten(y)[1]
