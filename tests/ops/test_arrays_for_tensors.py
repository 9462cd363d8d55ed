"""Arrays and lists where functions take tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.support.run import evaluate

A = np.eye(3) + np.arange(9.0).reshape(3, 3) / 30
S, B = A @ A.T, np.array([1.0, -2.0, 0.5])
L = gc.linalg


@pytest.mark.parametrize(
    ("ours", "wanted"),
    [
        (lambda: gc.reshape(A, -1), A.ravel()),
        (lambda: gc.transpose(A), A.T),
        (lambda: gc.expand_dims(A, 0), A[None]),
        (lambda: gc.squeeze(A[None]), A),
        (lambda: gc.broadcast_to(B, (2, 3)), np.stack([B, B])),
        (lambda: gc.reshape([1, 2, 3, 4], (2, 2)), np.array([[1, 2], [3, 4]])),
        (lambda: L.solve(A, B), np.linalg.solve(A, B)),
        (lambda: L.solve(A, [1.0, 2.0, 3.0]), np.linalg.solve(A, [1.0, 2.0, 3.0])),
        (lambda: L.inv(A), np.linalg.inv(A)),
        (lambda: L.det(A), np.linalg.det(A)),
        (lambda: L.cholesky(S), np.linalg.cholesky(S)),
        (lambda: L.eigvalsh(S), np.linalg.eigvalsh(S)),
        (lambda: L.svdvals(A), np.linalg.svdvals(A)),
        (lambda: L.pinv(A), np.linalg.pinv(A)),
        (lambda: L.lstsq(A, B), np.linalg.solve(A, B)),
        (lambda: L.matrix_rank(A), np.array(3)),
        (lambda: L.cond(A), np.linalg.cond(A)),
        (lambda: L.matrix_norm(A, 1), np.linalg.norm(A, 1)),
        (lambda: L.matrix_power(A, 0), np.eye(3)),
        (lambda: L.sqrtm(np.diag([1.0, 4.0])), np.diag([1.0, 2.0])),
        (lambda: gc.stack(L.qr(A))[1], None),
    ],
)
def test_arrays_are_taken(ours: Callable[[], Any], wanted: Any) -> None:
    (found,) = evaluate([ours()], {}, "reference")
    if wanted is not None:
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (3, 2)])
def test_triangular_systems_take_vectors(shape: tuple[int, ...]) -> None:
    batch = shape == (2, 3)
    low = np.tril(np.stack([A, S]) if batch else A)
    b = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    x, y = gc.placeholder("x", low.shape, "float64"), gc.placeholder("y", b.shape, "float64")
    found, slope = evaluate(
        [v := L.triangular_solve(x, y), gc.grad(gc.sum(v), y)], {x: low, y: b}, "cpu"
    )
    wanted = np.linalg.solve(low, b[..., None])[..., 0] if batch else np.linalg.solve(low, b)
    np.testing.assert_allclose(found, wanted)
    assert slope.shape == b.shape


def test_systems_have_the_dtype_of_both_operands() -> None:
    single, double = gc.placeholder("x", (3, 3)), gc.placeholder("y", (3,), "float64")
    assert L.solve(single, double).dtype == "float64"
    assert L.triangular_solve(single, double).dtype == "float64"
    assert L.solve(single, [1, 2, 3]).dtype == "float64"
