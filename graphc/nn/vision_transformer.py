"""Transformers over the patches of images: classifiers, and autoencoders with hidden patches."""

from __future__ import annotations

from functools import partial
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.dims import Dim
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer, first_value
from graphc.nn.layers import Dense
from graphc.nn.normalisation import LayerNorm
from graphc.nn.transformer import EncoderBlock, LearnedPositions
from graphc.ops.activations import gelu
from graphc.ops.indexing.gather import take
from graphc.ops.indexing.scatter import scatter
from graphc.ops.joining import concat
from graphc.ops.layout import broadcast_to, reshape, transpose
from graphc.ops.randomness.choosing import permutation
from graphc.ops.randomness.generator import KeyLike
from graphc.ops.source import variable
from graphc.ops.statistics import mean


def patches(images: Tensor, size: int) -> Tensor:
    """(N, C, H, W) as (N, H W / size^2, C size^2): patches by rows, each in the order C, y, x."""
    n, c, h, w = images.shape
    if not isinstance(h, int) or not isinstance(w, int) or h % size or w % size:
        raise ShapeError(f"patches of {size} do not divide the image\n  {images.describe()}")
    grid = reshape(images, (n, c, h // size, size, w // size, size))
    return reshape(transpose(grid, (0, 2, 4, 1, 3, 5)), (n, -1, c * size * size))


class VisionTransformer(Layer):
    """Logits (N, classes) of images (N, C, side, side): Dosovitskiy et al. (2021).

    A product of each patch, a class token before them, learned positions, blocks with norms first,
    and a product of the class token's features.
    """

    def __init__(
        self,
        side: int,
        patch: int,
        classes: int,
        size: int,
        heads: int,
        hidden: int,
        layers: int,
        channels: int = 3,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        self.patch, seed = patch, init.generator(seed)
        self.embedding = Dense(channels * patch * patch, size, seed=seed, dtype=dtype)
        self.token = variable(init.zeros((1, size), dtype), "token")
        self.positions = LearnedPositions((side // patch) ** 2 + 1, size, seed, dtype)
        options: dict[str, Any] = {"before": True, "seed": seed, "dtype": dtype}
        self.blocks = [EncoderBlock(size, heads, hidden, gelu, **options) for _ in range(layers)]
        self.norm = LayerNorm(size, dtype=dtype)
        self.head = Dense(size, classes, seed=seed, dtype=dtype)

    def features(self, images: Tensor) -> Tensor:
        """The features of the class token and of all patches, (N, 1 + patches, size)."""
        x = self.embedding(patches(images, self.patch))
        token = broadcast_to(self.token, (x.shape[0], *self.token.shape))
        x = self.positions(concat([token, x], axis=1))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def __call__(self, images: Tensor) -> Tensor:
        return self.head(self.features(images)[:, 0])


class MaskedAutoencoder(Layer):
    """Predicts the hidden patches of images from the others: He et al. (2022).

    The encoder sees the shown patches alone; the decoder sees their features, and one learned token
    in each hidden place.
    """

    def __init__(
        self,
        count: int,
        width: int,
        size: int,
        heads: int,
        hidden: int,
        layers: int = 1,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        seed = init.generator(seed)
        self.embedding = Dense(width, size, seed=seed, dtype=dtype)
        small = partial(init.normal, std=0.02)
        self.token = variable(first_value(small, (1, size), seed, dtype), "token")
        self.positions = [LearnedPositions(count, size, seed, dtype) for _ in range(2)]
        options: dict[str, Any] = {"before": True, "seed": seed, "dtype": dtype}
        depth = range(layers)
        self.encoder = [EncoderBlock(size, heads, hidden, gelu, **options) for _ in depth]
        self.decoder = [EncoderBlock(size, heads, hidden, gelu, **options) for _ in depth]
        self.head = Dense(size, width, seed=seed, dtype=dtype)

    def encode(self, x: Tensor, shown: Tensor) -> Tensor:
        """Features (N, k, size) of the patches (N, count, width) in the places shown (k,)."""
        x = take(self.positions[0](self.embedding(x)), shown, axis=1)
        for block in self.encoder:
            x = block(x)
        return x

    def __call__(self, x: Tensor, shown: Tensor) -> Tensor:  # type: ignore[override]
        found = self.encode(x, shown)
        n, count = x.shape[0], x.shape[1]
        empty = broadcast_to(self.token, (n, count, self.token.shape[1]))
        y = scatter(empty, _first(found), [shown], (1,), 0, "error", "set")
        y = self.positions[1](y)
        for block in self.decoder:
            y = block(y)
        return self.head(y)

    def loss(self, x: Tensor, order: Tensor, shown: int) -> Tensor:
        """Mean squared error of the patches that come after the first `shown` of an order (count,);
        of all patches where every one is shown.
        """
        error = self(x, order[:shown]) - x
        rest = order[shown:]
        hidden = error if rest.shape[0] == 0 else take(error, rest, axis=1)
        return mean(hidden * hidden)


def _first(found: Tensor) -> Tensor:
    """(N, k, size) as (k, N, size), the axes of a scatter's updates."""
    return transpose(found, (1, 0, 2))


def random_order(key: KeyLike, count: Dim) -> Tensor:
    """A random order of the places 0 to count - 1."""
    return permutation(key, count)
