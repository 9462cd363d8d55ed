"""Gradients of the user's own."""

from typing import Any

import pytest

import graphc as gc
from graphc.ir.errors import GradientError
from tests.support.slopes import slopes


def test_a_custom_gradient_replaces_the_derivative() -> None:
    def vjp(inputs: Any, outputs: Any, cotangents: Any) -> Any:
        return (gc.clip(cotangents[0], -1, 1) * inputs[0] + outputs[0],)

    f = gc.custom_gradient(lambda x: x * 3, vjp)
    assert slopes(lambda x: 5 * f(x), [2.0])[0].item() == 2.0 + 6.0


def test_a_custom_gradient_of_several_results_and_none() -> None:
    f = gc.custom_gradient(lambda x, y: (x + y, x * y), lambda xs, ys, gs: (gs[0] + gs[1], None))
    found = slopes(lambda x, y: f(x, y)[0] * 2 + f(x, y)[1], [3.0], [4.0])
    assert [s.item() for s in found] == [3.0, 0.0]


def test_a_custom_gradient_of_the_wrong_shape_is_an_error() -> None:
    f = gc.custom_gradient(lambda x: x, lambda xs, ys, gs: (gc.sum(gs[0]),))
    with pytest.raises(GradientError, match=r"the vjp gave f64\[\] for an input"):
        slopes(f, [1.0, 2.0])
