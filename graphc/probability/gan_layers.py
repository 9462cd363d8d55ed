"""Layers that came with adversarial networks for images, and a score of what they make."""

from __future__ import annotations

from functools import partial
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.nn.divergences import kl_divergence
from graphc.nn.layer import Layer, first_value
from graphc.nn.normalisation import BatchNorm
from graphc.ops.axes import matrix_transpose
from graphc.ops.creation import zeros
from graphc.ops.custom import stop_gradient
from graphc.ops.diagonal import diag, diagonal
from graphc.ops.exponential import exp
from graphc.ops.indexing.gather import take
from graphc.ops.layout import reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.powers import rsqrt, sqrt
from graphc.ops.randomness.distributions import truncated_normal
from graphc.ops.randomness.generator import KeyLike
from graphc.ops.reduction import sum as total
from graphc.ops.source import variable
from graphc.ops.statistics import mean, softmax


def pixel_norm(x: Tensor, axis: int = 1, eps: float = 1e-8) -> Tensor:
    """x / √(mean of x² along the channels + eps) at each position (Karras et al., 2018)."""
    return x * rsqrt(mean(x * x, axis, keepdims=True) + eps)


class ConditionalBatchNorm(Layer):
    """Batch normalisation of x (N, C, ...) with a scale and a shift for each class y (N,), from 1
    and 0 on.
    """

    def __init__(self, channels: int, classes: int, dtype: Any = "float32"):
        self.norm = BatchNorm(channels, affine=False, dtype=dtype)
        self.scales = variable(init.ones((classes, channels), dtype), "scales")
        self.shifts = variable(init.zeros((classes, channels), dtype), "shifts")

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        shape = (x.shape[0], x.shape[1], *(1 for _ in x.shape[2:]))
        scale, shift = (reshape(take(v, y, axis=0), shape) for v in (self.scales, self.shifts))
        return self.norm(x) * scale + shift


class SpectralNorm(Layer):
    """A layer with its `weight` divided by its largest singular value, which `iterations` of power
    iteration from the vector of the last call estimate: Miyato et al. (2018). All axes of the
    weight but the last, or for kernels of convolutions but the first, count as one.

    `updates` has the new vector after the last call while training, for `compile`; the gradient
    takes both singular vectors for constants.
    """

    def __init__(self, layer: Any, iterations: int = 1, seed: Seed = None):
        self.layer, self.iterations = layer, iterations
        size, dtype = self._matrix().shape[0], layer.weight.dtype.name
        assert isinstance(size, int)
        first = first_value(partial(init.normal, std=1.0), (size,), seed, dtype)
        self.vector = variable(first, "vector", trainable=False)
        self.updates: dict[Tensor, Tensor] = {}

    def _matrix(self) -> Tensor:
        w: Tensor = self.layer.weight
        return matrix_transpose(w) if w.ndim == 2 else reshape(w, (w.shape[0], -1))

    def norm(self) -> Tensor:
        """The estimate of the largest singular value."""
        w, u = self._matrix(), self.vector
        still = stop_gradient(w)
        for _ in range(self.iterations):
            v = _unit(matmul(matrix_transpose(still), u))
            u = _unit(matmul(still, v))
        if self.training:
            self.updates = {self.vector: u}
        return total(u * matmul(w, v))

    def __call__(self, x: Tensor) -> Tensor:
        held = self.layer.weight
        scaled = held / self.norm()
        self.layer.weight = scaled
        try:
            y: Tensor = self.layer(x)
            return y
        finally:
            self.layer.weight = held


def _unit(v: Tensor) -> Tensor:
    return v / sqrt(total(v * v))


def spectral_updates(layer: Layer) -> dict[Tensor, Tensor]:
    """The new vectors of all `SpectralNorm` within a layer, for `compile`."""
    norms = [part for part in layer.layers() if isinstance(part, SpectralNorm)]
    return {v: new for norm in norms for v, new in norm.updates.items()}


def orthogonality(w: Tensor) -> Tensor:
    """The sum of squares of WᵀW off its diagonal: 0 if columns are orthogonal, whatever their
    lengths (Brock et al., 2019).
    """
    product = matmul(matrix_transpose(w), w)
    off = product - diag(diagonal(product))
    return total(off * off)


def truncated_latent(key: KeyLike, shape: Any, threshold: float, dtype: Any = "float32") -> Tensor:
    """Standard normal noise of at most this size; 0 gives zeros: the image that a generator takes
    for the mean (Brock et al., 2019).
    """
    if threshold < 0:
        raise GraphError(f"a truncation is at least 0, not {threshold}")
    if threshold == 0:
        return zeros(shape, dtype)
    return truncated_normal(key, shape, -threshold, threshold, dtype)


def inception_score(logits: Tensor) -> Tensor:
    """exp of the mean divergence of each image's classes (N, K) from those of all: from 1 to K
    (Salimans et al., 2016).
    """
    p = softmax(logits, axis=-1)
    return exp(mean(kl_divergence(p, mean(p, 0, keepdims=True))))
