"""Linear algebra over the last two axes, with gradients; leading axes are a batch.

Factorisations are native loops of their own, so they run on every target and in artefacts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphc.ir.errors import GraphError, no_such
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import absolute, maximum
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.cumulative import trace
from graphc.ops.diagonal import diagonal, eye
from graphc.ops.exponential import exp, log2
from graphc.ops.layout import reshape
from graphc.ops.linear.cholesky import cholesky
from graphc.ops.linear.contraction import dot_general, kron, matmul, outer, tensordot, vecdot
from graphc.ops.linear.cross import cross
from graphc.ops.linear.eigen import eigh
from graphc.ops.linear.orthogonal import qr
from graphc.ops.linear.singular import svd
from graphc.ops.linear.solving import inverse, slogdet, solve
from graphc.ops.linear.triangular import triangular_solve
from graphc.ops.powers import sqrt
from graphc.ops.reduction import max, sum
from graphc.ops.rounding import ceil
from graphc.ops.select import where
from graphc.ops.statistics import norm as vector_norm

__all__ = [
    "cholesky", "cond", "cross", "det", "diagonal", "dot_general", "eigh", "eigvalsh", "expm",
    "generalised_eigh", "inv", "kron", "lstsq", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve",
    "sqrtm", "svd", "svdvals", "tensordot", "trace", "triangular_solve", "vecdot", "vector_norm",
]  # fmt: skip

inv = inverse


def det(a: TensorLike) -> Tensor:
    """The determinant; its gradient needs an invertible matrix."""
    sign, log = slogdet(a)
    return sign * exp(log)


def eigvalsh(a: TensorLike) -> Tensor:
    """Ascending eigenvalues of symmetric matrices."""
    return eigh(a)[0]


def generalised_eigh(a: TensorLike, b: TensorLike) -> tuple[Tensor, Tensor]:
    """Ascending eigenvalues w (..., n), and columns v with a v = b v w and v^T b v = I, for
    symmetric a and positive definite b.
    """
    low = cholesky(b)
    half = matrix_transpose(triangular_solve(low, a))
    w, turned = eigh(triangular_solve(low, half))
    return w, triangular_solve(low, turned, transpose_a=True)


def svdvals(a: TensorLike) -> Tensor:
    """Descending singular values."""
    return svd(a)[1]


def pinv(a: TensorLike, rtol: float | None = None) -> Tensor:
    """The Moore-Penrose inverse; singular values below rtol times the largest count as zero
    (default: the larger dimension times the dtype's epsilon).
    """
    a = as_tensor(a)
    u, s, vt = svd(a)
    kept = s > _cut(a, rtol) * max(s, axis=-1, keepdims=True)
    scaled = where(kept, 1 / where(kept, s, 1), 0)
    columns = matrix_transpose(vt) * reshape(scaled, (*s.shape[:-1], 1, s.shape[-1]))
    return matmul(columns, matrix_transpose(u))


def _cut(a: Tensor, rtol: float | None) -> float:
    if rtol is not None:
        return rtol
    import numpy as np

    sides = [d if isinstance(d, int) else 1 for d in a.shape[-2:]]
    return float(np.finfo(a.dtype.numpy).eps) * (sides[0] if sides[0] > sides[1] else sides[1])


def lstsq(a: TensorLike, b: TensorLike, rtol: float | None = None) -> Tensor:
    """The x of least norm that minimises the norm of a x - b; b is a vector or has columns."""
    a, b = as_tensor(a), as_tensor(b)
    if b.ndim == a.ndim - 1:
        return reshape(
            matmul(pinv(a, rtol), reshape(b, (*b.shape, 1))), (*b.shape[:-1], a.shape[-1])
        )
    return matmul(pinv(a, rtol), b)


def matrix_rank(a: TensorLike, rtol: float | None = None) -> Tensor:
    """The number (int64) of singular values above rtol times the largest."""
    a = as_tensor(a)
    s = svdvals(a)
    return sum(s > _cut(a, rtol) * max(s, axis=-1, keepdims=True), axis=-1)


def cond(a: TensorLike) -> Tensor:
    """The ratio of the largest singular value to the smallest."""
    s = svdvals(a)
    return s[..., 0] / s[..., -1]


def matrix_norm(a: TensorLike, ord: Any = "fro") -> Tensor:
    """The norm of matrices: "fro", "nuc", 2 (the largest singular value), -2, 1 or inf."""
    a = as_tensor(a)
    if ord == "fro":
        return sqrt(sum(a * a, axis=(-2, -1)))
    if ord == "nuc":
        return sum(svdvals(a), axis=-1)
    if ord in (2, -2):
        return svdvals(a)[..., 0 if ord == 2 else -1]
    if ord in (1, float("inf")):
        return max(sum(absolute(a), axis=-2 if ord == 1 else -1), axis=-1)
    raise GraphError(f"there is no matrix norm {ord!r}; give 'fro', 'nuc', 2, -2, 1 or inf")


def matrix_power(a: TensorLike, n: int) -> Tensor:
    """a multiplied by itself n times, by repeated squaring; a negative n powers the inverse."""
    a = as_tensor(a)
    if n < 0:
        return matrix_power(inverse(a), -n)
    result = eye(a.shape[-1], dtype=a.dtype) + 0 * a if n == 0 else None
    square = a
    while n:
        if n & 1:
            result = square if result is None else matmul(result, square)
        n >>= 1
        square = matmul(square, square) if n else square
    assert result is not None
    return result


_PADE = (17643225600, 8821612800, 2075673600, 302702400, 30270240, 2162160, 110880, 3960, 90, 1)
_HALVINGS = 16


def expm(a: TensorLike) -> Tensor:
    """The matrix exponential, by scaling, a Pade approximant of degree 9 and squaring (Higham,
    2005).

    Matrices of 1-norm up to 2^16 keep full accuracy.
    """
    a = as_tensor(a)
    size = maximum(matrix_norm(a, 1), 1e-30)
    count = maximum(ceil(log2(size / 2.0)), 0)
    shape = (*count.shape, 1, 1)
    x = a * reshape(exp(count * -0.6931471805599453), shape)
    unit = eye(a.shape[-1], dtype=a.dtype)
    x2 = matmul(x, x)
    odd, even, power = _PADE[1] * unit, _PADE[0] * unit, unit
    for k in range(2, len(_PADE), 2):
        power = matmul(power, x2)
        even = even + _PADE[k] * power
        odd = odd + _PADE[k + 1] * power
    odd = matmul(x, odd)
    result = solve(even - odd, even + odd)
    for k in range(_HALVINGS):
        result = where(reshape(count > k, shape), matmul(result, result), result)
    return result


def sqrtm(a: TensorLike) -> Tensor:
    """The principal square root of symmetric positive semi-definite matrices."""
    w, v = eigh(a)
    root = sqrt(maximum(w, 0))
    return matmul(v * reshape(root, (*w.shape[:-1], 1, w.shape[-1])), matrix_transpose(v))


if not TYPE_CHECKING:

    def __getattr__(name: str) -> None:
        raise AttributeError(no_such("graphc.linalg", name, "linalg"))

    def __dir__() -> list[str]:
        return sorted(__all__)
