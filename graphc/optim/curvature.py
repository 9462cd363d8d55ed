"""The metric that a model puts on its parameters: Fisher information and Gauss-Newton products.

Matrices and vectors are over all elements of the parameters, joined. Sorted by size, the
eigenvalues of such a matrix often span many decades: the model is sloppy, and only few directions
matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.ir.node import Tensor
from graphc.ops.axes import matrix_transpose
from graphc.ops.exponential import exp
from graphc.ops.extent import extent
from graphc.ops.layout import reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.powers import sqrt
from graphc.ops.randomness.distributions import bernoulli
from graphc.ops.randomness.generator import KeyLike
from graphc.ops.reduction import sum as total
from graphc.ops.statistics import log_softmax
from graphc.optim.krylov import Product
from graphc.optim.points import joined, parted
from graphc.optim.second_order import rows
from graphc.passes.derivatives.batch import vmap
from graphc.passes.derivatives.differentiate import hvp, jvp, vjp


def regression_fisher(outputs: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """J^T J / n, the Fisher information f[p, p] of a sample's outputs f[n, ...] with unit normal
    noise; J are their derivatives.
    """
    j = rows(reshape(outputs, -1), parameters)
    return matmul(matrix_transpose(j), j) / extent(outputs.shape[0], j.dtype)


def classification_fisher(logits: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """The Fisher information f[p, p] of softmax(logits), f[n, classes]: the mean over the samples
    of sum_c dp_c dp_c^T / p_c. It needs no labels.
    """
    logs = reshape(log_softmax(logits, axis=-1), -1)
    j = rows(logs, parameters)
    weighted = j * reshape(exp(logs), (-1, 1))
    return matmul(matrix_transpose(j), weighted) / extent(logits.shape[0], j.dtype)


def gauss_newton_product(loss: Tensor, outputs: Tensor, parameters: Sequence[Tensor]) -> Product:
    """v -> J^T H J v for vectors f[p], with J the derivatives of the outputs by the parameters and
    H the Hessian of the loss by the outputs: one pass forwards and one backwards, and no matrix.

    For the usual losses (mean squares, mean cross-entropy of logits) it is the Fisher information,
    of squares that of noise with variance 1/2.
    """
    params = list(parameters)

    def product(v: Tensor) -> Tensor:
        pushed = jvp(outputs, params, parted(v, params))
        return joined(vjp(outputs, params, hvp(loss, outputs, pushed)))

    return product


def hessian_product(loss: Tensor, parameters: Sequence[Tensor]) -> Product:
    """v -> H v for vectors f[p], with H the Hessian of the loss by all parameters."""
    params = list(parameters)
    return lambda v: joined(hvp(loss, params, parted(v, params)))


def trace_estimate(product: Product, like: Tensor, key: KeyLike, draws: int) -> Tensor:
    """The estimates f[draws] of a matrix's trace from its products with random signs, typed as
    `like`: each is unbiased (Hutchinson, 1990).
    """
    coins = bernoulli(key, 0.5, (draws, *like.shape))
    signs = (2 * coins - 1).astype(like.dtype)

    def estimate(v: Tensor) -> Tensor:
        return total(v * product(v))

    result: Tensor = vmap(estimate)(signs)
    return result


def path_length(f: Callable[[Tensor], Tensor], path: Tensor) -> Tensor:
    """The length of the way that outputs f(w) go, when w goes straight from each row of path
    f[points, p] to the next: the integral of sqrt(dw^T J^T J dw) by the midpoint rule, which is the
    length on the model's manifold.
    """
    middles, steps = (path[1:] + path[:-1]) / 2, path[1:] - path[:-1]

    def speed(w: Tensor, d: Tensor) -> Tensor:
        moved = jvp(f(w), w, d)
        return sqrt(total(moved * moved))

    return total(vmap(speed)(middles, steps))


def path_energy(f: Callable[[Tensor], Tensor], path: Tensor) -> Tensor:
    """Half the sum of squared distances of the outputs of successive rows of path f[points, p],
    times their number: least, between fixed ends, for a geodesic, at half its squared length.
    """
    outputs = vmap(f)(path)
    steps = outputs[1:] - outputs[:-1]
    count = extent(path.shape[0], outputs.dtype) - 1
    energy: Tensor = total(steps * steps) * count / 2
    return energy
