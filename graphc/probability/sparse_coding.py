"""Codes with few non-zeros: x (N, features) = h D^T with codes h (N, atoms) and a dictionary D
(features, atoms) (Olshausen and Field, 1996).
"""

from __future__ import annotations

from graphc.control import while_loop
from graphc.ir.node import Tensor
from graphc.linalg import eigvalsh
from graphc.nn.activations import soft_threshold
from graphc.ops.arithmetic import absolute
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import TensorLike, as_operand
from graphc.ops.creation import full, zeros
from graphc.ops.custom import stop_gradient
from graphc.ops.linear.contraction import matmul
from graphc.ops.powers import sqrt
from graphc.ops.reduction import max as largest
from graphc.ops.reduction import sum as total
from graphc.ops.statistics import mean


def sparse_loss(x: Tensor, dictionary: Tensor, codes: Tensor, l1: TensorLike) -> Tensor:
    """The mean over rows of |x - D h|^2 / 2 + l1 |h|_1."""
    error = x - matmul(codes, matrix_transpose(dictionary))
    rate = as_operand(l1, x.dtype)
    return mean(total(error * error, axis=1) / 2 + rate * total(absolute(codes), axis=1))


def sparse_code(
    x: Tensor,
    dictionary: Tensor,
    l1: TensorLike,
    steps: int = 200,
    tolerance: float = 0.0,
    start: Tensor | None = None,
) -> Tensor:
    """The codes that minimise `sparse_loss`, from zeros or `start` on, by proximal gradient steps
    (ISTA: Daubechies, Defrise and De Mol, 2004): at most `steps`, each of length 1 over the largest
    eigenvalue of D^T D, until no code changes by more than `tolerance`. Gradients pass through the
    steps; the gradient of the loss at its minimum needs none: stop it.
    """
    gram = matmul(matrix_transpose(dictionary), dictionary)
    rate = stop_gradient(1 / largest(eigvalsh(gram)))
    cut = rate * as_operand(l1, x.dtype)
    aim = matmul(x, dictionary)
    shape = (x.shape[0], dictionary.shape[1])
    begin = zeros(shape, dtype=x.dtype) if start is None else start

    def moving(state: tuple[Tensor, Tensor]) -> Tensor:
        return state[1] > tolerance

    def step(state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        h, _ = state
        new = soft_threshold(h - (matmul(h, gram) - aim) * rate, cut)
        return new, largest(absolute(stop_gradient(new - h)))

    far = full((), float("inf"), dtype=x.dtype)
    return while_loop(moving, step, (begin, far), steps)[0]  # type: ignore[no-any-return]


def unit_columns(dictionary: Tensor) -> Tensor:
    """Each column over its length."""
    return dictionary / sqrt(total(dictionary * dictionary, axis=0))
