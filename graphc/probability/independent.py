"""Directions of data that are independent of each other, or that change slowly."""

from __future__ import annotations

from graphc.control import scan
from graphc.ir.node import Tensor
from graphc.linalg import generalised_eigh, svd
from graphc.ops.axes import matrix_transpose
from graphc.ops.extent import extent
from graphc.ops.layout import expand_dims
from graphc.ops.linear.contraction import matmul
from graphc.ops.statistics import mean
from graphc.ops.trigonometric import tanh
from graphc.probability.factors import covariance


def excess_kurtosis(x: Tensor, axis: int = 0) -> Tensor:
    """The fourth central moment over the squared variance, less 3, its value for a normal law."""
    squares = (x - mean(x, axis, keepdims=True)) ** 2
    return mean(squares * squares, axis) / mean(squares, axis) ** 2 - 3


def orthonormalised(rows: Tensor) -> Tensor:
    """The matrix with orthonormal rows that is nearest: its singular values become 1."""
    u, _, vt = svd(matrix_transpose(rows))
    return matrix_transpose(matmul(u, vt))


def fast_ica(z: Tensor, start: Tensor, steps: int = 50) -> Tensor:
    """The directions (k, D) along which white data z (N, D) are least normal, so that z W^T are
    independent sources, up to sign and order (Hyvarinen, 1999): w becomes E[z g(w z)] - E[g'(w z)]
    w, with g = tanh, the slope of log cosh; then all are made orthonormal.
    """
    count = extent(z.shape[0], z.dtype)

    def step(w: Tensor, _: None) -> tuple[Tensor, None]:
        g = tanh(matmul(z, matrix_transpose(w)))
        slope = expand_dims(mean(1 - g * g, 0), -1)
        return orthonormalised(matmul(matrix_transpose(g), z) / count - slope * w), None

    return scan(step, orthonormalised(start), length=steps)[0]  # type: ignore[no-any-return]


def slow_features(x: Tensor) -> tuple[Tensor, Tensor]:
    """(mean squares (D,) of the change from row to row, slowest first, weights (D, D)) of the
    uncorrelated features (x - mean) weights, of variance 1, of a series x (T, D), that change
    slowest (Wiskott and Sejnowski, 2002). Columns of x must not depend on each other.
    """
    moves = x[1:] - x[:-1]
    change = matmul(matrix_transpose(moves), moves) / extent(moves.shape[0], x.dtype)
    return generalised_eigh(change, covariance(x))
