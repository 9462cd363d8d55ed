"""Finding where a NaN comes from."""

import numpy as np
import pytest

import graphc as gc


def test_the_first_operation_that_makes_nan_is_told() -> None:
    x, w = gc.placeholder("x", ("n", 2)), gc.variable(np.float32([1, -1]), "w")
    loss = gc.mean(gc.log(gc.sum(x * w, axis=1)) * 2)
    f = gc.compile([x], loss, updates={w: w - gc.grad(loss, w)})
    assert gc.find_nan(f, [[3.0, 1.0]]) is None
    text = gc.find_nan(f, x=np.float32([[3, 1], [1, 4]]))
    assert text is not None
    first, operand, line = text.splitlines()
    assert first == "log: NaN, and none in its operands"
    assert operand.startswith("  a: sum: f32[n]") and operand.endswith(", from -3 to 2")
    assert line.startswith("  at test_nan_search.py:")
    assert w.value.tolist() == [1, -1]


def test_nan_that_is_given_is_told() -> None:
    x, w = gc.placeholder("x", (2,)), gc.variable(np.float32([1, np.nan]), "w")
    f = gc.compile([x], x * w)
    assert str(gc.find_nan(f, [np.nan, 1])).startswith("an argument holds NaN\n  x: f32[2]")
    assert str(gc.find_nan(f, [0, 1])).startswith("a variable holds NaN\n  w: f32[2]")


def test_infinities_that_meet_are_told_with_their_ranges() -> None:
    x = gc.placeholder("x", (2,), "float64")
    f = gc.compile([x], gc.exp(x) / gc.sum(gc.exp(x)))
    text = gc.find_nan(f, [1000.0, 1])
    assert text is not None
    assert text.startswith("divide: NaN") and ", from 2.71828 to inf\n" in text


def test_nan_of_a_loop_is_that_of_the_loop() -> None:
    x = gc.placeholder("x", (3,))
    f = gc.compile([x], gc.scan(lambda s, v: (gc.sqrt(s - v), s), gc.constant(2.0), x)[0])
    assert str(gc.find_nan(f, [1.0, 3, 0])).startswith("scan: NaN, and none in its operands\n")
    assert gc.find_nan(f, [1.0, 1, 0]) is None


def test_only_compiled_functions_are_searched() -> None:
    with pytest.raises(gc.GraphError, match="a compiled function is needed, not"):
        gc.find_nan(gc.zeros(()))  # type: ignore[arg-type]
