"""Attention that never holds all scores: keys come in tiles, and the softmax is corrected."""

from __future__ import annotations

import numpy as np

from graphc.control import scan
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.attention import scaled_dot_score
from graphc.ops.arithmetic import maximum
from graphc.ops.axes import moveaxis
from graphc.ops.creation import full, zeros
from graphc.ops.custom import stop_gradient
from graphc.ops.exponential import exp
from graphc.ops.layout import reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import largest
from graphc.ops.reduction import sum as total
from graphc.passes.derivatives.checkpoint import checkpoint

State = tuple[Tensor, Tensor, Tensor]


def tiled_attention(q: Tensor, k: Tensor, v: Tensor, tile: int) -> Tensor:
    """`attention(q, k, v)` with scores of `tile` keys at a time, in the gradient too: the online
    softmax of Milakov and Gimelshein (2018), as attention by Rabe and Staats (2021).

    The number of keys must be a multiple of `tile`.
    """
    keys = k.shape[-2]
    if isinstance(keys, int) and keys % tile:
        raise ShapeError(f"{keys} keys do not come in tiles of {tile}\n  {k.describe()}")
    rows = q.shape[:-1]
    start = (
        full((*rows, 1), -np.inf, q.dtype),
        zeros((*rows, 1), q.dtype),
        zeros((*rows, v.shape[-1]), q.dtype),
    )
    step = checkpoint(lambda state, part: _step(q, state, part))
    last, _ = scan(lambda s, part: (step(s, part), None), start, (_tiles(k, tile), _tiles(v, tile)))
    _, sums, y = last
    mean: Tensor = y / sums
    return mean


def _step(q: Tensor, state: State, part: tuple[Tensor, Tensor]) -> State:
    """One tile: the largest score so far, the sum of exp(score - largest), and the values in that
    sum.
    """
    (top, sums, y), (k, v) = state, part
    scores = scaled_dot_score(q, k)
    new = stop_gradient(maximum(top, largest(scores, -1, keepdims=True)))
    weights, old = exp(scores - new), exp(top - new)
    return new, sums * old + total(weights, -1, keepdims=True), y * old + matmul(weights, v)


def _tiles(x: Tensor, tile: int) -> Tensor:
    """(..., S, p) as (S / tile, ..., tile, p)."""
    *lead, count, width = x.shape
    return moveaxis(reshape(x, (*lead, count // tile, tile, width)), -3, 0)
