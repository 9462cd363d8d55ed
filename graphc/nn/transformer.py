"""Transformer blocks and the positions they need: Vaswani et al. (2017)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from graphc import init
from graphc.init import Seed
from graphc.ir.dims import Dim
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.attention import CrossAttention, SelfAttention
from graphc.nn.layer import Layer, first_value
from graphc.nn.layers import Dense
from graphc.nn.normalisation import LayerNorm
from graphc.ops.activations import relu
from graphc.ops.axes import swapaxes
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.indexing.gather import take
from graphc.ops.joining import stack
from graphc.ops.layout import expand_dims, reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.source import iota, variable
from graphc.ops.trigonometric import cos, sin

Function = Callable[[Tensor], Tensor]


def sinusoids(positions: Dim | Tensor, size: int, dtype: Any = "float32") -> Tensor:
    """(T, size): sin(t / 10000^(2 i / size)) in column 2 i and the cosine in column 2 i + 1, for
    positions 0 to T - 1, or for a tensor of positions.
    """
    if size % 2:
        raise ShapeError(f"sinusoids come in pairs: a size of {size} is odd")
    t = positions if isinstance(positions, Tensor) else iota((positions,))
    t = as_tensor(t).astype(dtype)
    rate = np.exp(np.arange(0, size, 2) * (-np.log(10000.0) / size))
    angle = expand_dims(t, -1) * as_tensor(rate.astype(t.dtype.numpy))
    pairs = stack([sin(angle), cos(angle)], axis=-1)
    return reshape(pairs, (*t.shape, size))


class LearnedPositions(Layer):
    """x (..., T, size) plus rows 0 to T - 1 of a table; a T that is known and too long is refused
    when the graph is built.
    """

    def __init__(self, length: int, size: int, seed: Seed = None, dtype: Any = "float32"):
        small = partial(init.normal, std=0.02)
        self.table = variable(first_value(small, (length, size), seed, dtype), "table")

    def __call__(self, x: Tensor) -> Tensor:
        return x + self.rows(x.shape[-2])

    def rows(self, count: Dim) -> Tensor:
        """The first rows of the table."""
        length = self.table.shape[0]
        if isinstance(count, int) and isinstance(length, int) and count > length:
            raise ShapeError(f"{count} positions, but the table has {length}")
        if isinstance(count, int):
            return self.table[:count]
        return self.table[iota((count,))]


class FeedForward(Layer):
    """activation(x W1 + b1) W2 + b2 for each position alone."""

    def __init__(
        self, size: int, hidden: int, activation: Function = relu, seed: Seed = None,
        dtype: Any = "float32",
    ):  # fmt: skip
        seed = init.generator(seed)
        self.inner = Dense(size, hidden, activation, seed=seed, dtype=dtype)
        self.outer = Dense(hidden, size, seed=seed, dtype=dtype)

    def __call__(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(x))


class EncoderBlock(Layer):
    """Self-attention, then a feed-forward network, each with a short cut around it.

    After each sum a layer norm, LN(x + f(x)), as first published; with `before` the norm comes
    first, x + f(LN(x)): Xiong et al. (2020). `causal` lets a position see no later one.
    """

    def __init__(
        self,
        size: int,
        heads: int,
        hidden: int,
        activation: Function = relu,
        before: bool = False,
        causal: bool = False,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        self.before, seed = before, init.generator(seed)
        self.attention = SelfAttention(size, heads, causal, seed=seed, dtype=dtype)
        self.network = FeedForward(size, hidden, activation, seed, dtype)
        self.norms = [LayerNorm(size, dtype=dtype) for _ in range(2)]

    def __call__(self, x: Tensor, mask: TensorLike | None = None) -> Tensor:
        x = around(lambda y: self.attention(y, mask), x, self.norms[0], self.before)
        return around(self.network, x, self.norms[1], self.before)


class DecoderBlock(Layer):
    """Causal self-attention, attention to the outputs of an encoder, a feed-forward network; norms
    as in an `EncoderBlock`.
    """

    def __init__(
        self,
        size: int,
        heads: int,
        hidden: int,
        activation: Function = relu,
        before: bool = False,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        self.before, seed = before, init.generator(seed)
        self.attention = SelfAttention(size, heads, causal=True, seed=seed, dtype=dtype)
        self.cross = CrossAttention(size, heads, seed=seed, dtype=dtype)
        self.network = FeedForward(size, hidden, activation, seed, dtype)
        self.norms = [LayerNorm(size, dtype=dtype) for _ in range(3)]

    def __call__(  # type: ignore[override]
        self, x: Tensor, memory: Tensor, mask: TensorLike | None = None
    ) -> Tensor:
        x = around(self.attention, x, self.norms[0], self.before)
        x = around(lambda y: self.cross(y, memory, mask), x, self.norms[1], self.before)
        return around(self.network, x, self.norms[2], self.before)


def around(f: Function, x: Tensor, norm: Function, before: bool) -> Tensor:
    """norm(x + f(x)), or x + f(norm(x))."""
    return x + f(norm(x)) if before else norm(x + f(x))


class Transformer(Layer):
    """Encoder and decoder over tokens (N, S) and (N, T): logits (N, T, words).

    Both sides and the softmax share one table of embeddings, which is multiplied by sqrt(size)
    where tokens enter; positions are sinusoids.
    """

    def __init__(
        self,
        words: int,
        size: int,
        heads: int,
        hidden: int,
        layers: int = 6,
        activation: Function = relu,
        before: bool = False,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        self.size, seed = size, init.generator(seed)
        normal = partial(init.normal, std=size**-0.5)
        self.table = variable(first_value(normal, (words, size), seed, dtype), "table")
        options: dict[str, Any] = {"before": before, "seed": seed, "dtype": dtype}
        depth = range(layers)
        self.encoder = [EncoderBlock(size, heads, hidden, activation, **options) for _ in depth]
        self.decoder = [DecoderBlock(size, heads, hidden, activation, **options) for _ in depth]

    def embed(self, tokens: Tensor) -> Tensor:
        """Rows of the table for tokens (..., T), with positions."""
        x: Tensor = take(self.table, tokens, axis=0) * self.size**0.5
        return x + sinusoids(tokens.shape[-1], self.size, self.table.dtype)

    def encode(self, tokens: Tensor) -> Tensor:
        """The outputs of the encoder, (N, S, size)."""
        x = self.embed(tokens)
        for block in self.encoder:
            x = block(x)
        return x

    def decode(self, tokens: Tensor, memory: Tensor) -> Tensor:
        """Logits of the token after each of these, (N, T, words)."""
        x = self.embed(tokens)
        for block in self.decoder:
            x = block(x, memory)
        return matmul(x, swapaxes(self.table, 0, 1))

    def __call__(self, source: Tensor, target: Tensor) -> Tensor:  # type: ignore[override]
        return self.decode(target, self.encode(source))
