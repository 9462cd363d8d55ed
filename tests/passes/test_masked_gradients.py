"""What is not chosen has no derivative, though that would be infinite or NaN."""

import numpy as np

import graphc as gc

ROWS = np.array([[0, 0, 0], [3, 4, 0]], np.float32)


def slope(y, *inputs, by):
    return gc.compile(inputs, gc.grad(gc.sum(y), by))


def test_lines_of_norm_zero():
    x = gc.placeholder("x", (2, 3))
    norm = gc.sqrt(gc.sum(x * x, axis=1, keepdims=True))
    weights = np.array([1, 2, 3], np.float32)
    found = slope(gc.where(norm > 0, x / norm, 0) * weights, x, by=x)(ROWS)
    unit = ROWS[1].astype(float) / 5
    np.testing.assert_allclose(
        found, [[0, 0, 0], (weights - unit * (unit @ weights)) / 5], rtol=1e-6
    )


def test_chosen_columns_of_norms():
    x = gc.placeholder("x", (2, 3))
    norm = gc.sqrt(gc.sum(x * x, axis=1, keepdims=True))[:, 0]
    np.testing.assert_allclose(
        slope(gc.where(norm > 0, norm, 0), x, by=x)(ROWS), [[0, 0, 0], [0.6, 0.8, 0]], rtol=1e-6
    )


def test_sums_of_lines_that_do_not_count():
    x, counts = gc.placeholder("x", ("n", 3)), gc.placeholder("counts", ("n",), bool)
    entropy = gc.where(counts, gc.sum(x * gc.log(x), axis=1), 0)
    rows = np.array([[1, 2, 3], [0, -1, 2]], np.float32)
    found = slope(entropy, x, counts, by=x)(rows, np.array([True, False]))
    np.testing.assert_allclose(found, [np.log(rows[0]) + 1, [0, 0, 0]], rtol=1e-6)


def test_turned_and_reshaped():
    x = gc.placeholder("x", (2, 3))
    turned = gc.reshape(gc.sqrt(x).T, (6,))
    found = slope(gc.where(gc.reshape(x.T, (6,)) > 0, turned, 0), x, by=x)(ROWS)
    np.testing.assert_allclose(found, [[0, 0, 0], [0.5 / 3**0.5, 0.25, 0]], rtol=1e-6)
