"""Attention: means of values, weighted by how well keys fit queries.

Queries q are (..., T, p), keys k (..., S, p), values v (..., S, d); scores and masks (..., T, S).
Long sequences are compiled without storing scores or weights, nor for gradients, where nothing but
sums over them is asked for; what a causal mask or lengths hide is left out.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from graphc import init
from graphc.init import Seed
from graphc.ir.dims import Dim
from graphc.ir.errors import GraphError, ShapeError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.nn.layers import Dense
from graphc.ops.arithmetic import absolute
from graphc.ops.axes import swapaxes
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.indexing.slicing import split
from graphc.ops.layout import expand_dims, reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.logic import logical_and
from graphc.ops.reduction import any as some
from graphc.ops.select import where
from graphc.ops.source import iota
from graphc.ops.statistics import softmax
from graphc.ops.trigonometric import tanh

Kernel = Literal["gaussian", "box", "laplace"]


def dot_score(q: Tensor, k: Tensor) -> Tensor:
    """q_t . k_s: Luong, Pham and Manning (2015)."""
    return matmul(q, swapaxes(k, -1, -2))


def scaled_dot_score(q: Tensor, k: Tensor) -> Tensor:
    """q_t . k_s / sqrt(p), of variance 1 where the elements of both have: Vaswani et al. (2017)."""
    width = q.shape[-1]
    if not isinstance(width, int):
        raise ShapeError(f"the width of queries must be known\n  {q.describe()}")
    return dot_score(q * (1 / math.sqrt(width)), k)


def bilinear_score(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """q_t W k_s, where W is (width of q, width of k)."""
    return dot_score(matmul(q, w), k)


def low_rank_score(q: Tensor, k: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """(q_t U) . (k_s V): a bilinear score of rank r; U is (width of q, r), V (width of k, r)."""
    return dot_score(matmul(q, u), matmul(k, v))


def additive_score(q: Tensor, k: Tensor, w1: Tensor, w2: Tensor, v: Tensor) -> Tensor:
    """v . tanh(q_t W1 + k_s W2): Bahdanau, Cho and Bengio (2015). v is (a,), W1, W2 (width, a)."""
    hidden = tanh(expand_dims(matmul(q, w1), -2) + expand_dims(matmul(k, w2), -3))
    return matmul(hidden, v)


def masked_softmax(scores: Tensor, mask: TensorLike | None = None, axis: int = -1) -> Tensor:
    """softmax over the elements where the mask is true, 0 elsewhere. Where it is true nowhere the
    result is zeros, with gradients of zeros.
    """
    if mask is None:
        return softmax(scores, axis)
    mask = as_tensor(mask)
    floor = where(some(mask, axis, keepdims=True), -np.inf, 0.0)
    lowered = where(mask, scores, floor.astype(scores.dtype))
    return where(mask, softmax(lowered, axis), 0)


def causal_mask(queries: Dim, keys: Dim | None = None, first: TensorLike = 0) -> Tensor:
    """True where key s is at or before query first + t, (T, S)."""
    shape = (queries, queries if keys is None else keys)
    return iota(shape, 1) <= iota(shape, 0) + as_tensor(first)


def padding_mask(lengths: TensorLike, size: Dim) -> Tensor:
    """True where a key is one of the first `lengths` (N,) of its sequence, (N, 1, S)."""
    counts = as_tensor(lengths)
    return expand_dims(iota((counts.shape[0], size), 1) < expand_dims(counts, -1), -2)


def attention(q: Tensor, k: Tensor, v: Tensor, mask: TensorLike | None = None) -> Tensor:
    """softmax(q k' / sqrt(p)) v over the keys where the mask is true, (..., T, d). For long
    sequences its memory grows with T + S, not with T S.
    """
    return matmul(masked_softmax(scaled_dot_score(q, k), mask), v)


def kernel_regression(
    x: Tensor, points: Tensor, values: Tensor, scale: float = 1.0, kernel: Kernel = "gaussian"
) -> Tensor:
    """sum_i k(x, x_i) y_i / sum_i k(x, x_i): Nadaraya (1964), Watson (1964).

    x is (T,), points and values (S,). Gaussian: exp(-(d / scale)^2 / 2). Laplace: exp(-|d| /
    scale). Box: 1 where |d| <= scale. Where a box holds no point the result is 0.
    """
    d = (expand_dims(x, -1) - points) * (1 / scale)
    if kernel == "box":
        inside = absolute(d) <= 1
        return matmul(masked_softmax(d * 0, inside), values)
    if kernel not in ("gaussian", "laplace"):
        raise GraphError(f"a kernel is 'gaussian', 'box' or 'laplace', not {kernel!r}")
    return matmul(softmax(d * d * -0.5 if kernel == "gaussian" else -absolute(d)), values)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(..., T, d) as (..., heads, T, d / heads): contiguous parts of the last axis."""
    width = x.shape[-1]
    if not isinstance(width, int) or width % heads:
        raise ShapeError(f"{heads} heads do not divide a width of {width}\n  {x.describe()}")
    return swapaxes(reshape(x, (*x.shape[:-1], heads, width // heads)), -2, -3)


def join_heads(x: Tensor) -> Tensor:
    """What `split_heads` undoes."""
    x = swapaxes(x, -2, -3)
    return reshape(x, (*x.shape[:-2], x.shape[-2] * x.shape[-1]))


def multi_head(
    q: Tensor, k: Tensor, v: Tensor, heads: int, mask: TensorLike | None = None
) -> Tensor:
    """Attention of each head to its part of the last axes, joined again: (..., T, d). A mask is
    (..., T, S), the same for all heads.
    """
    q, k, v = (split_heads(x, heads) for x in (q, k, v))
    if mask is not None:
        mask = as_tensor(mask)
        mask = expand_dims(mask, -3) if mask.ndim > 2 else mask
    return join_heads(attention(q, k, v, mask))


def _dividing(size: int, heads: int) -> int:
    """The number of heads, which must have equal parts of a size."""
    if heads < 1 or size % heads:
        raise ShapeError(f"{heads} heads do not divide a width of {size}")
    return heads


class SelfAttention(Layer):
    """Multi-head attention of a sequence (..., T, size) to itself: queries, keys and values are the
    thirds of one product, and a product of the joined heads is the result.
    """

    def __init__(
        self, size: int, heads: int, causal: bool = False, bias: bool = True, seed: Seed = None,
        dtype: Any = "float32",
    ):  # fmt: skip
        self.heads, self.causal = _dividing(size, heads), causal
        seed = init.generator(seed)
        self.inputs = Dense(size, 3 * size, bias=bias, seed=seed, dtype=dtype)
        self.outputs = Dense(size, size, bias=bias, seed=seed, dtype=dtype)

    def __call__(self, x: Tensor, mask: TensorLike | None = None) -> Tensor:
        if self.causal:
            past = causal_mask(x.shape[-2])
            mask = past if mask is None else logical_and(past, as_tensor(mask))
        q, k, v = split(self.inputs(x), 3, axis=-1)
        return self.outputs(multi_head(q, k, v, self.heads, mask))


class CrossAttention(Layer):
    """Multi-head attention of a sequence (..., T, size) to another (..., S, size)."""

    def __init__(
        self, size: int, heads: int, bias: bool = True, seed: Seed = None, dtype: Any = "float32"
    ):
        self.heads = _dividing(size, heads)
        seed = init.generator(seed)
        made = [Dense(size, size, bias=bias, seed=seed, dtype=dtype) for _ in range(4)]
        self.query, self.key, self.value, self.outputs = made

    def __call__(  # type: ignore[override]
        self, x: Tensor, memory: Tensor, mask: TensorLike | None = None
    ) -> Tensor:
        q, k, v = self.query(x), self.key(memory), self.value(memory)
        return self.outputs(multi_head(q, k, v, self.heads, mask))
