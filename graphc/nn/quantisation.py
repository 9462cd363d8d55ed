"""Discrete codes inside networks: the nearest of a table, or a choice among classes."""

from __future__ import annotations

from functools import partial
from typing import Any

from graphc import init
from graphc.gradient_rules import custom_gradient
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.contrastive import square_distances
from graphc.nn.layer import Layer, first_value, state_of
from graphc.nn.losses import mse
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import TensorLike, as_operand
from graphc.ops.creation import one_hot
from graphc.ops.custom import stop_gradient
from graphc.ops.indexing.gather import take
from graphc.ops.layout import reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import argmax, argmin
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.ops.source import variable
from graphc.ops.statistics import softmax


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """hard, with the gradient of soft, of the same shape (Bengio et al., 2013)."""
    result: Tensor = custom_gradient(lambda h, s: h, lambda xs, ys, gs: (None, gs[0]))(hard, soft)
    return result


def gumbel_softmax(
    logits: Tensor, noise: Tensor, temperature: TensorLike = 1.0, hard: bool = False, axis: int = -1
) -> Tensor:
    """softmax((logits + noise) / temperature) for Gumbel noise: a relaxed draw of a class (Jang et
    al., 2017). With `hard` it is the one-hot class drawn, with the gradient of the relaxed draw.
    """
    scores = logits + noise
    soft = softmax(scores / as_operand(temperature, scores.dtype), axis=axis)
    if not hard:
        return soft
    chosen = one_hot(argmax(scores, axis=axis), logits.shape[axis], dtype=soft.dtype, axis=axis)
    return straight_through(chosen, soft)


class VectorQuantiser(Layer):
    """The nearest of `count` codes (count, size) to each vector along the last axis, with the
    gradient passed through to the vector: van den Oord et al. (2017).

    Codes learn by `loss`, or (with `average`) by the running means of what `updates` is given.
    """

    def __init__(
        self,
        count: int,
        size: int,
        average: bool = False,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        first = first_value(partial(init.normal, std=1.0), (count, size), seed, dtype)
        self.codes = variable(first, "codes", trainable=not average)
        if average:
            self.uses = variable(init.ones((count,), dtype), "uses", trainable=False)
            start = state_of(self.codes)
            assert start is not None
            self.sums = variable(start.array.copy(), "sums", trainable=False)

    def nearest(self, x: Tensor) -> Tensor:
        """The index (int64) of the code nearest to each vector; the first of equals."""
        rows = reshape(x, (-1, x.shape[-1]))
        return reshape(argmin(square_distances(rows, self.codes), axis=-1), x.shape[:-1])

    def decode(self, indices: Tensor) -> Tensor:
        """The codes of these indices."""
        return take(self.codes, indices, axis=0)

    def __call__(self, x: Tensor) -> Tensor:
        return straight_through(self.decode(self.nearest(x)), x)

    def loss(self, x: Tensor, commitment: float = 0.25) -> Tensor:
        """mean |sg(x) - code|² + commitment · mean |x - sg(code)|², over all elements: the first
        moves codes, the second vectors.
        """
        code = self.decode(self.nearest(x))
        return mse(code, stop_gradient(x)) + commitment * mse(x, stop_gradient(code))

    def updates(self, x: Tensor, decay: float = 0.99) -> dict[Tensor, Tensor]:
        """New codes: the running means, with this decay, of the vectors nearest to each; a code
        that is hardly used stays as it is.
        """
        rows = stop_gradient(reshape(x, (-1, x.shape[-1])))
        chosen = one_hot(self.nearest(rows), self.codes.shape[0], dtype=rows.dtype)
        uses = decay * self.uses + (1 - decay) * total(chosen, 0)
        sums = decay * self.sums + (1 - decay) * matmul(matrix_transpose(chosen), rows)
        weight = reshape(uses, (-1, 1))
        used = weight > 1e-5
        codes = where(used, sums / where(used, weight, 1), self.codes)
        return {self.uses: uses, self.sums: sums, self.codes: codes}
