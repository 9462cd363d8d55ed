"""The least detector: one class and one box for each image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.nn.layers import Dense
from graphc.nn.losses import cross_entropy
from graphc.ops.convert import TensorLike, as_operand
from graphc.ops.reduction import sum
from graphc.ops.statistics import mean


class SingleBox(Layer):
    """Logits (N, classes) and four numbers (N, 4), a box in the coding that it is trained on, of
    the `size` features of each image.
    """

    def __init__(
        self,
        features: Callable[[Tensor], Tensor],
        size: int,
        classes: int,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        source = init.generator(seed)
        self.features = features
        self.classes = Dense(size, classes, seed=source, dtype=dtype)
        self.box = Dense(size, 4, seed=source, dtype=dtype)

    def __call__(self, images: Tensor) -> Any:
        h = self.features(images)
        return self.classes(h), self.box(h)

    def loss(
        self, images: Tensor, labels: Tensor, boxes: Tensor, weight: TensorLike = 1.0
    ) -> Tensor:
        """The mean over images of the cross-entropy plus `weight` |box - true box|²."""
        logits, found = self(images)
        error = mean(sum((found - boxes) ** 2, 1))
        return cross_entropy(logits, labels) + as_operand(weight, error.dtype) * error
