"""Whole Jacobians and Hessians."""

import numpy as np
import pytest

import graphc.ops  # noqa: F401  # registers every op and the tensors' operators
from graphc.backends.reference import evaluate
from graphc.ir.errors import GradientError
from graphc.ops.exponential import exp
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import sum
from graphc.ops.source import placeholder
from graphc.passes.derivatives.jacobian import hessian, jacobian

RNG = np.random.default_rng(0)


def symbol(name, *shape):
    return placeholder(name, shape, "float64")


@pytest.mark.parametrize("mode", ["reverse", "forward", None])
@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (3, 2), (0, 2), (1, 1)])
def test_jacobian_is_the_derivative_by_every_element(mode, rows, columns):
    x, a = symbol("x", columns), symbol("a", rows, columns)
    feeds = {x: RNG.normal(size=columns), a: RNG.normal(size=(rows, columns))}
    y = exp(matmul(a, x))
    (got,) = evaluate([jacobian(y, x, mode)], feeds)
    np.testing.assert_allclose(got, np.exp(feeds[a] @ feeds[x])[:, None] * feeds[a])


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_axes_are_those_of_the_output_then_of_the_tensor(mode):
    x = symbol("x", 2, 3)
    (got,) = evaluate([jacobian(sum(x * x, axis=0), x, mode)], {x: np.arange(6.0).reshape(2, 3)})
    expected = np.zeros((3, 2, 3))
    for i, j in np.ndindex(2, 3):
        expected[j, i, j] = 2 * (3 * i + j)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_sizes_may_be_symbolic(mode):
    x = symbol("x", "n")
    y = jacobian(x * x, x, mode)
    assert str(y.type) == "f64[n, n]"
    np.testing.assert_array_equal(evaluate([y], {x: np.array([1.0, 2])})[0], [[2, 0], [0, 4]])


def test_jacobian_has_the_structure_of_outputs_and_wrt():
    x, w = symbol("x", 2), symbol("w", 3)
    result = jacobian({"y": x * sum(w)}, (x, [w]))
    first, (second,) = result["y"]
    assert str(first.type) == "f64[2, 2]"
    assert str(second.type) == "f64[2, 3]"


def test_unconnected_tensor_has_a_jacobian_of_zeros():
    x, w = symbol("x", 2), symbol("w", 3)
    (got,) = evaluate([jacobian(x * 2, w, "reverse")], {x: np.ones(2), w: np.ones(3)})
    np.testing.assert_array_equal(got, np.zeros((2, 3)))


def test_hessian_holds_the_second_derivatives():
    x = symbol("x", 3)
    values = RNG.normal(size=3)
    (got,) = evaluate([hessian(sum(x * x) * sum(x), x)], {x: values})
    expected = 2 * values.sum() * np.eye(3) + 2 * (values[:, None] + values[None, :])
    np.testing.assert_allclose(got, expected)


def test_hessian_of_several_tensors_holds_every_pair():
    x, w = symbol("x", 2), symbol("w", 2)
    values = {x: RNG.normal(size=2), w: RNG.normal(size=2)}
    ((xx, xw), (wx, ww)) = hessian(sum(x * x * w), (x, w))
    got = evaluate([xx, xw, wx, ww], values)
    np.testing.assert_allclose(got[0], np.diag(2 * values[w]))
    np.testing.assert_allclose(got[1], np.diag(2 * values[x]))
    np.testing.assert_allclose(got[2], got[1].T)
    np.testing.assert_array_equal(got[3], np.zeros((2, 2)))


def test_mode_must_be_known():
    x = symbol("x", 2)
    with pytest.raises(GradientError, match="not 'sideways'"):
        jacobian(x, x, "sideways")
