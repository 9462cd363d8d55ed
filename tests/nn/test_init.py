"""Initialisers: their moments, their seeds, their shapes."""

from typing import Any

import numpy as np
import pytest

from graphc import init
from graphc.ir.errors import ShapeError

SHAPE = (300, 200)


@pytest.mark.parametrize(
    ("f", "variance"),
    [
        (init.glorot_uniform, 2 / 500),
        (init.glorot_normal, 2 / 500),
        (init.he_uniform, 2 / 300),
        (init.he_normal, 2 / 300),
        (init.lecun_uniform, 1 / 300),
        (init.lecun_normal, 1 / 300),
        (init.normal, 0.05**2),
        (init.uniform, 0.1**2 / 12),
        (init.truncated_normal, 0.05**2 * 0.7737413),
    ],
)
def test_variances(f: Any, variance: float) -> None:
    x = f(SHAPE, 0)
    assert x.dtype == np.float32
    assert x.var() == pytest.approx(variance, rel=0.03)
    assert abs(x.mean()) < 4 * np.sqrt(variance / x.size)


def test_equal_seeds_give_equal_arrays() -> None:
    np.testing.assert_array_equal(init.normal((3,), 1), init.normal((3,), 1))
    assert (init.normal((3,), 1) != init.normal((3,), 2)).all()


def test_a_generator_goes_on() -> None:
    rng = np.random.default_rng(0)
    assert (init.normal((3,), rng) != init.normal((3,), rng)).all()


def test_truncated_normals_stay_within_two_deviations() -> None:
    assert np.abs(init.truncated_normal(SHAPE, 0, std=1.0)).max() <= 2


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal_matrices_are_orthogonal(shape: tuple[int, ...]) -> None:
    q = init.orthogonal(shape, 0, dtype="float64").reshape(shape[0], -1)
    small = q @ q.T if q.shape[0] < q.shape[1] else q.T @ q
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-12)


def test_windows_count_in_the_fans() -> None:
    assert init.fans((8, 4, 3, 3)) == (36, 72)


def test_vectors_have_no_fans() -> None:
    with pytest.raises(ShapeError, match="need two axes or more"):
        init.he_normal((3,))


def test_constants() -> None:
    assert (init.zeros((2,)) == 0).all()
    assert (init.ones((2,), "float64") == 1).all()
    assert (init.constant((2,), 0.5) == 0.5).all()
