"""Arrays made from shapes and numbers, diagonals and axes, against NumPy."""

from typing import Any

import numpy as np
import pytest

from graphc.compile import compile as compile_graph
from graphc.ir.dtypes import bfloat16, float32, float64, int64
from graphc.ir.errors import ArgumentError, DTypeError, ShapeError
from graphc.nn import average_pool
from graphc.ops import axes as a
from graphc.ops import creation as c
from graphc.ops import diagonal as d
from graphc.ops.reduction import sum as total
from graphc.ops.source import constant, placeholder
from graphc.passes.derivatives.differentiate import grad
from tests.support.compare import agrees, call
from tests.support.run import TARGETS, evaluate

X = np.random.default_rng(0).standard_normal((3, 5, 4))


def value(x: Any, target: str = "reference") -> np.ndarray:
    return evaluate([x], {}, target)[0]


def test_full_takes_the_dtype_of_its_number() -> None:
    assert c.full((2,), 3).dtype is int64
    assert c.full((2,), 3.0).dtype is float32
    assert c.full((2,), np.float64(3)).dtype is float64
    np.testing.assert_array_equal(value(c.full((2, 3), 7)), np.full((2, 3), 7))


def test_zeros_and_ones_like_keep_shape_and_dtype() -> None:
    x = placeholder("x", ("n", 3), "bfloat16")
    assert c.zeros_like(x).type == c.ones_like(x).type == c.empty_like(x).type == x.type
    assert c.full_like(x, 2, "int64").dtype is int64
    assert c.zeros((2,), bfloat16).dtype is bfloat16


@pytest.mark.parametrize("target", TARGETS)
def test_the_shape_of_a_filled_array_may_be_symbolic(target: str) -> None:
    found = call(
        lambda x: c.ones(x.shape) + c.zeros(x.shape[0]).reshape(-1, 1, 1),
        X,
        symbolic=True,
        target=target,
    )
    np.testing.assert_array_equal(found, np.ones(X.shape, np.float32), strict=True)


@pytest.mark.parametrize("bounds", [(5,), (2, 7), (2, 8, 3), (7, 2, -2), (5, 2), (0,), (-3, 3, 2)])
def test_arange_counts_like_numpy(bounds: tuple[int, ...]) -> None:
    for target in TARGETS:
        np.testing.assert_array_equal(
            value(c.arange(*bounds), target), np.arange(*bounds), strict=True
        )


@pytest.mark.parametrize(
    "bounds", [(0.5,), (0, 1, 0.1), (1, 0, -0.25), (2.0, 5), (1e-3, 2e-3, 1e-4)]
)
def test_arange_of_floats_has_numpys_values(bounds: tuple[float, ...]) -> None:
    np.testing.assert_allclose(
        value(c.arange(*bounds, dtype="float64")), np.arange(*bounds), rtol=1e-15
    )
    assert c.arange(*bounds).dtype is float32


def test_arange_takes_sizes() -> None:
    agrees(lambda x: c.arange(x.shape[0]), lambda x: np.arange(3), X, targets=TARGETS)
    agrees(lambda x: c.arange(1, x.shape[1], 2), lambda x: np.arange(1, 5, 2), X, targets=TARGETS)
    agrees(lambda x: c.arange(x.shape[0], x.shape[1]), lambda x: np.arange(3, 5), X)
    agrees(lambda x: c.arange(x.shape[1], x.shape[0]), lambda x: np.arange(5, 3), X)


def test_arange_of_a_length_has_that_length() -> None:
    x = placeholder("x", ("n", "h", "w"))
    y = average_pool(x[:, None], 3, 2)
    numbers = c.arange(y.size)
    assert numbers.shape == (y.size,)
    assert numbers.reshape(y.shape).shape == y.shape
    assert (y + c.arange(y.shape[3])).shape == y.shape
    with pytest.raises(ArgumentError, match=r"length -1 . h would be -1"):
        compile_graph([x], c.arange(x.shape[1] - 1))(np.zeros((1, 0, 2), np.float32))


@pytest.mark.parametrize("num", [0, 1, 2, 7, 50])
@pytest.mark.parametrize("endpoint", [True, False])
def test_linspace_has_numpys_values_and_its_very_end(num: int, endpoint: bool) -> None:
    found = value(c.linspace(0.1, 0.7, num, endpoint, "float64"))
    np.testing.assert_allclose(found, np.linspace(0.1, 0.7, num, endpoint), rtol=1e-15)
    if endpoint and num > 1:
        assert found[-1] == 0.7


def test_linspace_is_differentiable_in_its_ends() -> None:
    low, high = placeholder("low", (), "float64"), placeholder("high", (), "float64")
    gradients = evaluate(grad(total(c.linspace(low, high, 5)), [low, high]), {low: 1.0, high: 2.0})
    np.testing.assert_allclose(gradients, [2.5, 2.5])


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_meshgrid_spans_numpys_grid(indexing: Any, count: int) -> None:
    vectors = [np.arange(2.0), np.arange(3.0), np.arange(4.0)][:count]
    agrees(
        lambda *v: c.meshgrid(*v, indexing=indexing),
        lambda *v: np.meshgrid(*v, indexing=indexing),
        *vectors,
    )


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_one_hot_marks_the_class(axis: int) -> None:
    classes = np.array([[0, 2, 5], [-1, 3, 1]])
    found = call(lambda x: c.one_hot(x, 4, axis=axis), classes, symbolic=True)
    expected = (classes[..., None] == np.arange(4)).astype(np.float32)
    np.testing.assert_array_equal(found, np.moveaxis(expected, -1, axis), strict=True)


@pytest.mark.parametrize("arguments", [(3,), (3, 5), (5, 3, 1), (3, 3, -2), (2, 2, 9), (0,)])
def test_eye_and_tri_give_numpys_matrices(arguments: tuple[int, ...]) -> None:
    for target in TARGETS:
        np.testing.assert_array_equal(value(d.eye(*arguments), target), np.eye(*arguments))
        np.testing.assert_array_equal(value(d.tri(*arguments), target), np.tri(*arguments))


@pytest.mark.parametrize("k", [-6, -2, 0, 1, 7])
def test_triangles_are_numpys(k: int) -> None:
    agrees(lambda x: d.tril(x, k), lambda x: np.tril(x, k), X, targets=TARGETS)
    agrees(lambda x: d.triu(x, k), lambda x: np.triu(x, k), X, targets=TARGETS)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16"])
def test_triangles_keep_dtypes(dtype: str) -> None:
    x = np.ones((3, 4), dtype)
    for ours, theirs in ((d.tril, np.tril), (d.triu, np.triu)):
        found = value(ours(constant(x), 1), "reference")
        np.testing.assert_array_equal(found, theirs(x, 1))
        assert found.dtype == x.dtype


@pytest.mark.parametrize("k", [-6, -2, 0, 1, 7])
@pytest.mark.parametrize("axes", [(0, 1), (2, 0), (1, -1)])
def test_diagonals_are_numpys(k: int, axes: tuple[int, int]) -> None:
    agrees(
        lambda x: d.diagonal(x, k, *axes), lambda x: np.diagonal(x, k, *axes), X, targets=TARGETS
    )


@pytest.mark.parametrize("k", [-2, 0, 1])
def test_diag_goes_both_ways(k: int) -> None:
    agrees(lambda x: d.diag(x, k), lambda x: np.diag(x, k), X[0], targets=TARGETS)
    agrees(lambda x: d.diag(x, k), lambda x: np.diag(x, k), X[0, 0], targets=TARGETS)
    agrees(lambda x: d.diagflat(x, k), lambda x: np.diagflat(x, k), X[0])


def test_axes_move_as_in_numpy() -> None:
    agrees(lambda x: a.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1), X, targets=TARGETS)
    agrees(lambda x: a.moveaxis(x, (0, 2), (1, 0)), lambda x: np.moveaxis(x, (0, 2), (1, 0)), X)
    agrees(lambda x: a.swapaxes(x, 0, -1), lambda x: np.swapaxes(x, 0, -1), X)
    agrees(lambda x: a.permute_dims(x, (1, 2, 0)), lambda x: np.transpose(x, (1, 2, 0)), X)
    agrees(a.matrix_transpose, lambda x: x.swapaxes(-1, -2), X)
    agrees(a.ravel, np.ravel, X)
    agrees(lambda x: a.flatten(x, 1), lambda x: x.reshape(3, -1), X)


@pytest.mark.parametrize("ndim", [0, 1, 2, 3])
def test_axes_are_added_as_in_numpy(ndim: int) -> None:
    x = X[(0,) * (3 - ndim)]
    agrees(a.atleast_1d, np.atleast_1d, x)
    agrees(a.atleast_2d, np.atleast_2d, x)
    agrees(a.atleast_3d, np.atleast_3d, x)
    agrees(a.ravel, np.ravel, x)


def test_broadcast_arrays_keep_their_dtypes() -> None:
    agrees(a.broadcast_arrays, np.broadcast_arrays, X, np.arange(4), np.float32(1))


def test_mistakes_are_named() -> None:
    x = placeholder("x", (3, 4))
    with pytest.raises(ShapeError, match="one value needed, not f32"):
        c.full((2,), x)
    with pytest.raises(ShapeError, match="a tensor cannot say how long an array is"):
        c.arange(placeholder("n", (), "int64"))
    with pytest.raises(ShapeError, match="the step cannot be 0"):
        c.arange(1, 2, 0)
    with pytest.raises(DTypeError, match="positions are integers, not f32"):
        c.one_hot(x, 3)
    with pytest.raises(
        ShapeError,
        match=r"diagonal: two different axes needed, not 0 and -2 of 2\n  a: x: f32\[3, 4\]",
    ):
        d.diagonal(x, 0, 0, -2)
    with pytest.raises(ShapeError, match="moveaxis: axis 5 is out of range for 2 dimensions"):
        a.moveaxis(x, 5, 0)


def test_integers_beyond_numpys_become_floats_where_those_are_asked_for():
    x = placeholder("x", (2,), float64)
    agrees(lambda x: x * 2**100, lambda x: x * 2.0**100, np.array([1.0, -2.0]))
    assert value(constant(-(2**70), float32)) == -(2.0**70)
    for wrong in (lambda: constant(2**64), lambda: x * 10**400, lambda: constant(2**70, int64)):
        with pytest.raises(DTypeError, match=r"an integer of \d+ bits does not fit"):
            wrong()
