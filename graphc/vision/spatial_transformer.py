"""A layer that looks at its images through a window that it chooses itself."""

from __future__ import annotations

from collections.abc import Callable

from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.ops.layout import reshape
from graphc.ops.resampling import affine_grid, grid_sample


class SpatialTransformer(Layer):
    """Images (N, C, H, W) sampled where `locate` says, at `size` (H', W') pixels: it gives six
    numbers for each image, theta (2, 3), and pixel (x', y') is x at theta [x', y', 1], where -1 and
    1 are the centres of the corner pixels (Jaderberg et al., 2015).
    """

    def __init__(self, locate: Callable[[Tensor], Tensor], size: tuple[int, int]):
        self.locate, self.size = locate, size

    def __call__(self, x: Tensor) -> Tensor:
        theta = self.locate(x)
        return grid_sample(x, affine_grid(reshape(theta, (x.shape[0], 2, 3)), self.size))
