"""Linear systems and eigenvalues by products with vectors alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphc.control import scan, while_loop
from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.linalg import eigvalsh
from graphc.ops.arithmetic import maximum
from graphc.ops.convert import cast
from graphc.ops.diagonal import diag
from graphc.ops.layout import broadcast_to, reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.powers import sqrt
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.ops.source import iota
from graphc.ops.trigonometric import sin

Product = Callable[[Tensor], Tensor]


def conjugate_gradients(
    product: Product, b: Tensor, iterations: int, tolerance: float = 0.0
) -> Tensor:
    """The x with product(x) = b for a positive definite symmetric product: Hestenes and Stiefel
    (1952), until the residual's norm is `tolerance` times that of b, or after so many iterations.
    """
    least = total(b * b) * tolerance**2

    def going(state: tuple[Tensor, ...]) -> Tensor:
        return state[3] > least

    def step(state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x, r, d, size = state
        a = product(d)
        rate = size / total(d * a)
        x, r = x + d * rate, r - a * rate
        new = total(r * r)
        return x, r, r + d * (new / size), new

    return while_loop(going, step, (0 * b, b, b, total(b * b)), iterations)[0]  # type: ignore[no-any-return]


def power_iteration(product: Product, start: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """(the eigenvalue of the largest size, its eigenvector) of a symmetric product."""

    def step(v: Tensor, _: None) -> tuple[Tensor, None]:
        w = product(v)
        return w / sqrt(total(w * w)), None

    v = scan(step, start / sqrt(total(start * start)), length=iterations)[0]
    return total(v * product(v)), v


def lanczos(product: Product, start: Tensor, iterations: int) -> Tensor:
    """Ascending estimates of the extreme eigenvalues of a symmetric product of vectors f[n]: those
    of its tridiagonal form after so many steps, at most n (Lanczos, 1950), each made orthogonal to
    all before. Where the vectors so far span all that products reach, a new one begins.
    """
    n = start.shape[0]
    if isinstance(n, int) and iterations > n:
        raise GraphError(f"{iterations} orthogonal vectors of length {n} do not exist")
    unit = start / sqrt(total(start * start))
    empty = broadcast_to(unit * 0, (iterations, n))
    places = iota((iterations,))
    pattern = cast(iota((n,)) + 1, start.dtype)
    least = 100 * float(np.finfo(start.dtype.numpy).eps)

    def step(
        state: tuple[Tensor, Tensor, Tensor], k: Tensor
    ) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
        basis, q, scale = state
        basis = where(reshape(places == k, (-1, 1)), reshape(q, (1, n)), basis)
        w = product(q)
        alpha, scale = total(w * q), maximum(scale, sqrt(total(w * w)))
        w = w - matmul(matmul(basis, w), basis)
        spent = sqrt(total(w * w)) <= scale * least
        w = where(spent, sin(pattern * sqrt(cast(k, w.dtype) + 2)), w)
        w = w - matmul(matmul(basis, w), basis)
        size = sqrt(total(w * w))
        return (basis, w / where(size > 0, size, 1.0), scale), (alpha, where(spent, 0.0, size))

    _, (alphas, betas) = scan(step, (empty, unit, 0 * unit[0]), places)
    beside = diag(betas[:-1], 1)
    return eigvalsh(diag(alphas) + beside + beside.T)
