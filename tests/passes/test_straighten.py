"""Matrices that a scan's products read across their lines are turned once, before the scan."""

from collections.abc import Sequence

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import topological
from graphc.passes.graph import Graph
from graphc.passes.pipeline import optimise

RNG = np.random.default_rng(0)


def products(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[Node]:
    """The products in the bodies of all scans."""
    nodes = topological(optimise(Graph(tuple(inputs), tuple(outputs)), ["strips"]).results)
    bodies = [node.attrs["body"] for node in nodes if "body" in node.attrs]
    inner = [n for body in bodies for n in topological(body.outputs)]
    return [n for n in inner if n.op.name == "dot_general"]


def loop(length: int | str, double: bool = False) -> tuple[list[Tensor], list[Tensor]]:
    x = gc.placeholder("x", (length, 3, 5), gc.float64)
    w = gc.placeholder("w", (5, 5), gc.float64)
    v = gc.transpose(gc.transpose(w)) if double else w

    def step(h: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        new = gc.tanh(h @ v.T + z @ w)
        return new, new

    last, rows = gc.scan(step, gc.zeros((3, 5), gc.float64), x)
    return [x, w], [last, *gc.grad(gc.sum(rows * rows), [x, w])]


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("length", [4, 9, "time"])
def test_lines_are_read_along(length: int | str, double: bool) -> None:
    inputs, outputs = loop(length, double)
    found = [n.attrs["contract"][1] for n in products(inputs, outputs) if n.inputs[1].ndim == 2]
    assert found
    assert all(axes == (0,) for axes in found)


def test_nothing_is_turned_for_few_steps() -> None:
    inputs, outputs = loop(3)
    assert any(n.attrs["contract"][1] == (1,) for n in products(inputs, outputs))


@pytest.mark.parametrize("length", [0, 3, 9])
def test_values_and_gradients_are_the_same(length: int) -> None:
    inputs, outputs = loop("time")
    given = RNG.uniform(-1, 1, (length, 3, 5)), RNG.uniform(-1, 1, (5, 5))
    ours = gc.compile(inputs, outputs)(*given)
    plain = gc.compile(inputs, outputs, disable=["straighten"])(*given)
    wanted = gc.compile(inputs, outputs, target="reference")(*given)
    for a, b, c in zip(ours, plain, wanted, strict=True):
        np.testing.assert_allclose(a, c, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(b, c, rtol=1e-9, atol=1e-11)
