"""Fixed kernels of image processing, and their use on each channel of an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.node import Tensor
from graphc.ops.convert import TensorLike, as_operand
from graphc.ops.convolutions.convolving import Padding, conv
from graphc.ops.layout import broadcast_to, reshape

#: The mean of 5 x 5 pixels.
MEAN = np.full((5, 5), 1 / 25)
#: A bell of 5 x 5 pixels whose sum is 1.
GAUSSIAN = (
    np.array([
        [1, 4, 7, 4, 1], [4, 16, 26, 16, 4], [7, 26, 41, 26, 7], [4, 16, 26, 16, 4], [1, 4, 7, 4, 1]
    ]) / 273
)  # fmt: skip
#: A pixel, and what it differs by from its four neighbours, negated Laplacian and all: sum 1.
SHARPEN = np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]])
#: Eight times the slope from left to right, smoothed from top to bottom: sum 0.
SOBEL_ACROSS = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
#: Eight times the slope from top to bottom.
SOBEL_DOWN = SOBEL_ACROSS.T
#: Leaves an image as it is.
IDENTITY = np.array([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]])


def filter_image(x: Tensor, kernel: TensorLike | Any, padding: Padding = "same") -> Tensor:
    """The cross-correlation of every channel of images (N, C, H, W) with one kernel (Kh, Kw)."""
    k = as_operand(kernel, x.dtype)
    channels = x.shape[1]
    assert isinstance(channels, int), "the number of channels is known"
    each = broadcast_to(reshape(k, (1, 1, *k.shape)), (channels, 1, *k.shape))
    return conv(x, each, padding=padding, groups=channels)
