"""Losses over pairs of embeddings."""

from __future__ import annotations

from graphc.ir.node import Tensor
from graphc.nn.losses import cross_entropy
from graphc.ops.axes import swapaxes
from graphc.ops.convert import TensorLike, as_operand
from graphc.ops.layout import expand_dims
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import sum as total
from graphc.ops.source import iota
from graphc.ops.statistics import mean


def square_distances(x: Tensor, y: Tensor) -> Tensor:
    """|x_i - y_j|^2 of all pairs of rows, (n, m), from (n, d) and (m, d)."""
    difference = expand_dims(x, -2) - expand_dims(y, -3)
    return total(difference * difference, -1)


def cosine_similarities(x: Tensor, y: Tensor) -> Tensor:
    """x_i . y_j / (|x_i| |y_j|) of all pairs of rows, (n, m)."""
    lengths = total(x * x, -1, keepdims=True) ** 0.5 * swapaxes(
        total(y * y, -1, keepdims=True) ** 0.5, -1, -2
    )
    return matmul(x, swapaxes(y, -1, -2)) / lengths


def pair_losses(images: Tensor, texts: Tensor, scale: TensorLike = 1.0) -> tuple[Tensor, Tensor]:
    """Cross-entropies of finding each image's text, and each text's image, by the logits -(scale /
    2) |image_i - text_j|^2: rows (n, d) of equal numbers belong together. Radford et al. (2021).
    """
    logits = square_distances(images, texts) * (as_operand(scale, images.dtype) * -0.5)
    partner = iota((images.shape[0],))
    return cross_entropy(logits, partner), cross_entropy(swapaxes(logits, 0, 1), partner)


def pair_loss(images: Tensor, texts: Tensor, scale: TensorLike = 1.0) -> Tensor:
    """The mean of both `pair_losses`."""
    rows, columns = pair_losses(images, texts, scale)
    return (rows + columns) * 0.5


def invariance_loss(x: Tensor, y: Tensor) -> Tensor:
    """The mean over rows of |x_i - y_i|^2: features of things, and of them transformed."""
    difference = x - y
    return mean(total(difference * difference, -1))
