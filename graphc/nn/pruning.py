"""Which weights and units can go, and smaller layers without them."""

from __future__ import annotations

import numpy as np

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.linalg import inv
from graphc.nn.layers import Dense
from graphc.ops.arithmetic import absolute
from graphc.ops.convert import cast
from graphc.ops.diagonal import eye
from graphc.ops.indexing.gather import take
from graphc.ops.layout import reshape
from graphc.ops.reduction import sum
from graphc.ops.sorting.sort import argsort
from graphc.ops.source import constant, state_of, variable
from graphc.passes.derivatives.differentiate import grad

Array = np.ndarray


def largest_mask(scores: Tensor, share: float) -> Tensor:
    """1 for this share of the elements, those of the largest score (the first of equals), else 0:
    of `absolute(w)`, what magnitude pruning keeps.
    """
    if not 0 <= share <= 1:
        raise GraphError(f"the share to keep is from 0 to 1, not {share}")
    flat = reshape(scores, -1)
    count = int(flat.shape[0]) if isinstance(flat.shape[0], int) else None
    if count is None:
        raise GraphError(f"the size of what is pruned must be known\n  {scores.describe()}")
    ranks = argsort(argsort(-flat, axis=0), axis=0)
    return reshape(cast(ranks < round(share * count), scores.dtype), scores.shape)


def unit_saliency(loss: Tensor, activations: Tensor) -> Tensor:
    """How much the loss would change, to first order, if a unit (an element of the last axis) gave
    0: the size of the sum over a batch of gradient times activation.
    """
    axes = tuple(range(activations.ndim - 1))
    return absolute(sum(grad(loss, activations) * activations, axes))


def without_units(first: Dense, second: Dense, keep: Array) -> tuple[Dense, Dense]:
    """Smaller copies of two layers in a row, with only those units between them whose places are in
    `keep`.
    """
    left, right = state_of(first.weight).array[:, keep], state_of(second.weight).array[keep]
    bias = None if first.bias is None else state_of(first.bias).array[keep]
    same = None if second.bias is None else state_of(second.bias).array
    return _dense(left, bias, first), _dense(right, same, second)


def _dense(weight: Array, bias: Array | None, like: Dense) -> Dense:
    layer = Dense.__new__(Dense)
    layer.weight = variable(weight, "weight")
    layer.bias = None if bias is None else variable(bias, "bias")
    layer.activation = like.activation
    return layer


def sparse_columns(weight: Array) -> tuple[Array, Array]:
    """A matrix (inputs, outputs) without its zeros: for each output the places of its inputs and
    their weights, (longest, outputs), filled up with zeros.
    """
    longest = max(1, int((weight != 0).sum(0).max(initial=0)))
    order = np.argsort(weight == 0, axis=0, kind="stable")[:longest]
    return order, np.take_along_axis(weight, order, axis=0)


def sparse_matmul(x: Tensor, places: Array, weights: Array) -> Tensor:
    """x (N, inputs) times the matrix that `sparse_columns` has packed."""
    return sum(take(x, constant(places), axis=1) * constant(weights), axis=1)


def damage(w: Tensor, curvature: Tensor) -> Tensor:
    """Half the curvature times the squared weight: the loss, by second order, of deleting each
    weight where the Hessian is diagonal (LeCun, Denker and Solla, 1990).
    """
    return 0.5 * curvature * w * w


def surgery(
    w: Tensor, hessian: Tensor, place: int | Tensor, damping: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The weights (a vector) after deletion of the one at `place` and the best correction of the
    others, and the saliencies of all: Hassibi and Stork (1993). `damping` is added to the
    diagonal of the Hessian.
    """
    inner = inv(hessian + damping * eye(hessian.shape[0], dtype=w.dtype))
    diagonal = sum(inner * eye(hessian.shape[0], dtype=w.dtype), 0)
    moved = w - inner[:, place] * (w[place] / diagonal[place])
    return moved, w * w / (2 * diagonal)
