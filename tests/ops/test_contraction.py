"""Products against NumPy; the laws of dot_general itself are with those of the other ops."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc.backends.reference import evaluate
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Tensor
from graphc.ir.walk import topological
from graphc.ops.linear import contraction as c
from graphc.ops.source import placeholder

Shapes = tuple[tuple[int, ...], ...]


def symbols(*arrays: np.ndarray) -> list[Tensor]:
    return [placeholder(f"x{i}", a.shape, a.dtype) for i, a in enumerate(arrays)]


def run(f: Callable[..., Tensor], *arrays: np.ndarray) -> np.ndarray:
    xs = symbols(*arrays)
    (result,) = evaluate([f(*xs)], dict(zip(xs, arrays, strict=True)))
    return result


def draw(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s) for s in shapes]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 4)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (7, 5, 3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (6, 3, 4)),
        ((2, 1, 2, 3), (1, 5, 3, 4)),
        ((1, 2, 3), (1, 3, 4)),
        ((3,), (5, 3, 4)),
        ((5, 2, 3), (3,)),
        ((0, 2, 3), (3, 4)),
        ((2, 0), (0, 3)),
    ],
)
def test_matmul_is_numpys(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = draw(a, b)
    result = run(c.matmul, x, y)
    np.testing.assert_allclose(result, np.matmul(x, y), atol=1e-12)
    assert result.shape == np.matmul(x, y).shape


@pytest.mark.parametrize(
    ("ours", "theirs", "shapes"),
    [
        (c.dot, np.dot, ((2, 3), (5, 3, 4))),
        (c.dot, np.dot, ((3,), (3,))),
        (c.dot, np.dot, ((), (3,))),
        (c.vdot, np.vdot, ((2, 3), (2, 3))),
        (c.vecdot, np.vecdot, ((2, 3), (4, 1, 3))),
        (c.inner, np.inner, ((2, 3), (4, 3))),
        (c.outer, np.outer, ((2, 3), (4,))),
        (c.kron, np.kron, ((2, 3), (4, 5))),
        (c.kron, np.kron, ((3,), (4, 5))),
        (c.tensordot, np.tensordot, ((2, 3, 4), (3, 4, 5))),
    ],
)
def test_products_are_numpys(ours: Any, theirs: Any, shapes: Shapes) -> None:
    arrays = draw(*shapes)
    np.testing.assert_allclose(run(ours, *arrays), theirs(*arrays), atol=1e-12)


@pytest.mark.parametrize("axes", [0, 1, ((0, 2), (1, 0)), (-1, 0), ((), ())])
def test_tensordot_takes_every_form_of_axes(axes: Any) -> None:
    x, y = draw((2, 3, 4), (4, 2, 5))
    result = run(lambda a, b: c.tensordot(a, b, axes), x, y)
    np.testing.assert_allclose(result, np.tensordot(x, y, axes), atol=1e-12)


def test_bools_multiply_to_bools() -> None:
    x, y = (a > 0 for a in draw((4, 3), (3, 5)))
    result = run(c.matmul, x, y)
    assert result.dtype == bool
    np.testing.assert_array_equal(result, x @ y)


def test_small_integers_wrap() -> None:
    x = np.full((1, 2), 100, np.int8)
    assert run(c.matmul, x, x.T).item() == (x @ x.T).item() == 32


def test_dtypes_promote() -> None:
    x, y = np.ones((2, 3), np.int32), np.ones((3, 2), np.float32)
    assert run(c.matmul, x, y).dtype == np.float64


def test_symbolic_batch_makes_one_contraction_and_no_broadcast() -> None:
    x, w = placeholder("x", ("batch", "time", 8)), placeholder("w", (8, 3))
    y = x @ w
    assert [str(d) for d in y.shape] == ["batch", "time", "3"]
    assert [n.op.name for n in topological([y])].count("broadcast") == 0


def test_mismatch_names_the_axes_and_operands() -> None:
    x, y = placeholder("x", ("batch", 3)), placeholder("y", (4, 5))
    with pytest.raises(ShapeError) as caught:
        _ = x @ y
    text = str(caught.value)
    assert text.startswith("matmul: the last axis of a (3) must match the rows of b (4)")
    assert "x: f32[batch, 3]" in text


def test_scalars_do_not_matmul() -> None:
    with pytest.raises(ShapeError, match=r"scalar operand"):
        c.matmul(placeholder("x", ()), placeholder("y", (3,)))


def test_batch_axes_must_broadcast() -> None:
    with pytest.raises(ShapeError, match=r"cannot broadcast axis 0: 2 against 3"):
        c.matmul(placeholder("x", (2, 4, 5)), placeholder("y", (3, 5, 6)))


def test_dot_general_demands_one_dtype() -> None:
    x, y = placeholder("x", (3,)), placeholder("y", (3,), "float64")
    with pytest.raises(DTypeError, match="one numeric dtype"):
        c.dot_general(x, y, ((), ()), ((0,), (0,)))
