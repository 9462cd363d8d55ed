"""Language models made of transformer blocks: predict the next word, or words that are hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.dims import Dim
from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.nn.attention import attention, join_heads, split_heads
from graphc.nn.layer import Layer, first_value
from graphc.nn.layers import Dense, Embedding
from graphc.nn.losses import Reduction, cross_entropy
from graphc.nn.normalisation import LayerNorm
from graphc.nn.transformer import EncoderBlock, LearnedPositions, around, sinusoids
from graphc.ops.activations import gelu
from graphc.ops.axes import swapaxes
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.creation import zeros
from graphc.ops.indexing.dynamic_slicing import dynamic_update_slice
from graphc.ops.indexing.gather import take
from graphc.ops.indexing.slicing import split
from graphc.ops.layout import expand_dims
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.ops.source import iota, variable
from graphc.ops.statistics import mean
from graphc.ops.trigonometric import tanh

Caches = list[tuple[Tensor, Tensor]]


class GPT(Layer):
    """Logits (N, T, words) of the word after each of the tokens (N, T): Radford et al. (2018).

    Embeddings, which are the softmax's weights too, plus positions (sinusoids, or a learned table
    of `length` rows), then blocks. With `before`, norms come first in a block and once more at the
    end, as in GPT-2. `causal=False` lets every position see all others.
    """

    def __init__(
        self,
        words: int,
        size: int,
        heads: int,
        hidden: int,
        layers: int,
        length: int | None = None,
        activation: Callable[[Tensor], Tensor] = gelu,
        before: bool = True,
        causal: bool = True,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        seed = init.generator(seed)
        normal = partial(init.normal, std=size**-0.5)
        self.table = variable(first_value(normal, (words, size), seed, dtype), "table")
        self.positions = LearnedPositions(length, size, seed, dtype) if length else None
        parts: dict[str, Any] = {"before": before, "causal": causal, "seed": seed, "dtype": dtype}
        self.blocks = [
            EncoderBlock(size, heads, hidden, activation, **parts) for _ in range(layers)
        ]
        self.norm = LayerNorm(size, dtype=dtype) if before else None

    def embed(self, tokens: Tensor) -> Tensor:
        """Rows of the table with positions, (N, T, size)."""
        x, count = take(self.table, tokens, axis=0), tokens.shape[-1]
        if self.positions is not None:
            return x + self.positions.rows(count)
        return x + sinusoids(count, x.shape[-1], x.dtype)  # type: ignore[arg-type]

    def features(self, tokens: Tensor, mask: TensorLike | None = None) -> Tensor:
        """What the last block gives, (N, T, size). A mask says which positions may be seen."""
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, mask)
        return x if self.norm is None else self.norm(x)

    def __call__(self, tokens: Tensor, mask: TensorLike | None = None) -> Tensor:
        return self.logits(self.features(tokens, mask))

    def logits(self, features: Tensor) -> Tensor:
        """Products with the embeddings of all words."""
        return matmul(features, swapaxes(self.table, 0, 1))

    def caches(self, batch: Dim, length: int) -> Caches:
        """Room for the keys and values of every block, for up to `length` tokens."""
        if not all(block.attention.causal and block.before for block in self.blocks):
            raise GraphError("step by step a model must be causal, with norms that come first")
        room = zeros((batch, length, self.table.shape[1]), self.table.dtype)
        return [(room, room) for _ in self.blocks]

    def step(self, caches: Caches, token: Tensor, t: Tensor) -> tuple[Tensor, Caches]:
        """(logits (N, words), caches) after the token (N,) at position t, an integer scalar."""
        x = take(self.table, token, axis=0)
        if self.positions is not None:
            x = x + take(self.positions.table, t, axis=0)
        else:
            x = x + sinusoids(t, x.shape[-1], x.dtype)  # type: ignore[arg-type]
        kept = []
        for block, cache in zip(self.blocks, caches, strict=True):
            y, cache = _attend_one(block, block.norms[0](x), cache, t)
            x = around(block.network, x + y, block.norms[1], True)
            kept.append(cache)
        return self.logits(x if self.norm is None else self.norm(x)), kept


def _attend_one(
    block: EncoderBlock, x: Tensor, cache: tuple[Tensor, Tensor], t: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Attention of one position to itself and to those in the cache."""
    layer = block.attention
    q, *new = split(expand_dims(layer.inputs(x), 1), 3, axis=-1)
    k, v = (dynamic_update_slice(c, n, (0, t, 0)) for c, n in zip(cache, new, strict=True))
    past = iota((1, k.shape[1]), 1) <= t
    parts = [split_heads(y, layer.heads) for y in (q, k, v)]
    y = join_heads(attention(parts[0], parts[1], parts[2], past))
    return layer.outputs(y[:, 0]), (k, v)


class BERT(Layer):
    """Features (N, T, size) of tokens that see each other in both directions: Devlin et al. (2019).

    Blocks with norms after the sums over embeddings of words, positions and two segments, which
    are normed first; `pooled` is what a classifier of whole texts reads.
    """

    def __init__(
        self,
        words: int,
        size: int,
        heads: int,
        hidden: int,
        layers: int,
        length: int = 512,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        seed = init.generator(seed)
        self.words = Embedding(words, size, seed, dtype)
        self.positions = LearnedPositions(length, size, seed, dtype)
        self.segments = Embedding(2, size, seed, dtype)
        self.norm = LayerNorm(size, dtype=dtype)
        options: dict[str, Any] = {"activation": gelu, "seed": seed, "dtype": dtype}
        self.blocks = [EncoderBlock(size, heads, hidden, **options) for _ in range(layers)]
        self.pooler = Dense(size, size, tanh, seed=seed, dtype=dtype)

    def __call__(
        self, tokens: Tensor, segments: TensorLike = 0, mask: TensorLike | None = None
    ) -> Tensor:
        x = self.positions(self.words(tokens)) + self.segments(as_tensor(segments))
        x = self.norm(x)
        for block in self.blocks:
            x = block(x, mask)
        return x

    def pooled(self, features: Tensor) -> Tensor:
        """The first token's features through a layer of tanh, (N, size)."""
        return self.pooler(features[:, 0])


class CBOW(Layer):
    """Logits (N, words) of a word from its neighbours (N, 2 m): the mean of their embeddings times
    U. Mikolov et al. (2013).
    """

    def __init__(self, words: int, size: int, seed: Seed = None, dtype: Any = "float32"):
        seed = init.generator(seed)
        self.embedding = Embedding(words, size, seed, dtype)
        self.output = variable(first_value(init.normal, (size, words), seed, dtype), "output")

    def __call__(self, neighbours: Tensor) -> Tensor:
        return matmul(mean(self.embedding(neighbours), -2), self.output)


def next_token_loss(logits: Tensor, tokens: Tensor, reduction: Reduction = "mean") -> Tensor:
    """-log p of every token but the first, given those before it: logits (N, T, words)."""
    return cross_entropy(logits[..., :-1, :], tokens[..., 1:], reduction=reduction)


def masked_loss(
    logits: Tensor, targets: Tensor, mask: TensorLike, reduction: str = "sum"
) -> Tensor:
    """-log p of the targets (...) where the mask is true: their sum, or their mean. The others have
    gradients of zero.
    """
    if reduction not in ("sum", "mean"):
        raise GraphError(f"a reduction here is 'sum' or 'mean', not {reduction!r}")
    counted = as_tensor(mask)
    losses = where(counted, cross_entropy(logits, targets, reduction="none"), 0)
    whole = total(losses)
    return whole if reduction == "sum" else whole / total(counted.astype(losses.dtype))


def hide_tokens(tokens: Tensor, mask: TensorLike, id: int) -> Tensor:
    """The tokens with `id` where the mask is true."""
    return where(as_tensor(mask), id, tokens)


def hide_spans(
    tokens: Sequence[int], start: int, count: int, sentinel: int, end: int
) -> tuple[list[int], list[int]]:
    """(source, target) of a text-to-text model: Raffel et al. (2020). The source has one sentinel
    instead of `count` tokens from `start` on; the target is those tokens after the sentinel, then
    `end`.
    """
    if not 0 <= start <= start + count <= len(tokens):
        raise GraphError(f"no {count} tokens from {start} on among {len(tokens)}")
    span = list(tokens[start : start + count])
    return [*tokens[:start], sentinel, *tokens[start + count :]], [sentinel, *span, end]
