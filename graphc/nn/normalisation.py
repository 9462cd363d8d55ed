"""Normalisation over samples, features, and channels of images (N, C, *sizes); of weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import init
from graphc.ir.dtypes import as_dtype, float32
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.ops.convert import cast
from graphc.ops.diagonal import eye
from graphc.ops.extent import extent
from graphc.ops.layout import reshape, transpose
from graphc.ops.linear.contraction import matmul
from graphc.ops.linear.eigen import eigh
from graphc.ops.powers import rsqrt, sqrt
from graphc.ops.reduction import sum
from graphc.ops.source import variable
from graphc.ops.statistics import mean


def normalise(x: Tensor, axes: int | tuple[int, ...], eps: float = 1e-5) -> Tensor:
    """x less its mean over `axes`, over the root of its variance there plus `eps`.

    16-bit floats are normalised in float32 and rounded.
    """
    wide = cast(x, float32) if x.dtype.bits == 16 else x
    centred = wide - mean(wide, axes, keepdims=True)
    variance = mean(centred * centred, axes, keepdims=True)
    return cast(centred * rsqrt(variance + eps), x.dtype)


class LayerNorm(Layer):
    """Zero mean and unit variance over the last axis (or the last axes, of the shape `size`), then
    times `scale` plus `shift`: Ba, Kiros and Hinton (2016).
    """

    def __init__(self, size: int | tuple[int, ...], eps: float = 1e-5, dtype: Any = "float32"):
        shape = (size,) if isinstance(size, int) else size
        self.scale = variable(init.ones(shape, dtype), "scale")
        self.shift = variable(init.zeros(shape, dtype), "shift")
        self.eps = eps

    def __call__(self, x: Tensor) -> Tensor:
        axes = tuple(range(-self.scale.ndim, 0))
        return normalise(x, axes, self.eps) * self.scale + self.shift


class _Affine(Layer):
    """A scale and a shift for each channel, from 1 and 0 on, unless `affine` is false."""

    scale: Tensor | None = None
    shift: Tensor | None = None

    def __init__(self, channels: int, affine: bool, dtype: Any):
        self.channels = channels
        if affine:
            self.scale = variable(init.ones((channels,), dtype), "scale")
            self.shift = variable(init.zeros((channels,), dtype), "shift")

    def _scaled(self, x: Tensor) -> Tensor:
        if self.scale is None or self.shift is None:
            return x
        return x * self._spread(self.scale, x) + self._spread(self.shift, x)

    def _spread(self, v: Tensor, x: Tensor) -> Tensor:
        """A value for each channel, axis 1 of x, in a shape that broadcasts with x."""
        if x.ndim < 2 or x.shape[1] != self.channels:
            raise ShapeError(
                f"{type(self).__name__} needs {self.channels} channels in axis 1, not {x.type}\n"
                f"  {x.describe()}"
            )
        return reshape(v, (self.channels, *(1 for _ in x.shape[2:])))


class BatchNorm(_Affine):
    """Zero mean and unit variance of each channel over the batch and all positions, then a scale
    and a shift: Ioffe and Szegedy (2015).

    After `eval()` the mean and the variance are those in `mean` and `variance`. `updates` holds the
    new values of these after the last call while training: the old ones less `rate` of the way
    to the batch's (its variance without correction). Pass them to `compile`.
    """

    def __init__(
        self,
        channels: int,
        eps: float = 1e-5,
        rate: float = 0.1,
        affine: bool = True,
        dtype: Any = "float32",
    ):
        super().__init__(channels, affine, dtype)
        self.mean = variable(init.zeros((channels,), dtype), "mean", trainable=False)
        self.variance = variable(init.ones((channels,), dtype), "variance", trainable=False)
        self.eps, self.rate = eps, rate
        self.updates: dict[Tensor, Tensor] = {}

    def __call__(self, x: Tensor) -> Tensor:
        if not self.training:
            factor, offset = self.folded()
            return x * self._spread(factor, x) + self._spread(offset, x)
        axes = tuple(k for k in range(x.ndim) if k != 1)
        wide = cast(x, float32) if x.dtype.bits == 16 else x
        middle = mean(wide, axes)
        centred = wide - self._spread(middle, x)
        squares = mean(centred * centred, axes)
        new = ((self.mean, middle), (self.variance, squares))
        self.updates = {v: v + (cast(y, v.dtype) - v) * self.rate for v, y in new}
        normal = cast(centred * self._spread(rsqrt(squares + self.eps), x), x.dtype)
        return self._scaled(normal)

    def folded(self) -> tuple[Tensor, Tensor]:
        """The factor and the offset of each channel that the layer amounts to after `eval()`: what
        a layer before it can take into its weights and its bias.
        """
        factor = rsqrt(self.variance + self.eps)
        if self.scale is None or self.shift is None:
            return factor, -self.mean * factor
        return self.scale * factor, self.shift - self.mean * self.scale * factor


def batch_updates(layer: Layer) -> dict[Tensor, Tensor]:
    """The new means and variances of all `BatchNorm` within a layer, for `compile`."""
    norms = [part for part in layer.layers() if isinstance(part, BatchNorm)]
    return {v: new for norm in norms for v, new in norm.updates.items()}


class GroupNorm(_Affine):
    """Zero mean and unit variance over the positions and channels of each of `groups` groups of
    channels of a sample, then a scale and a shift: Wu and He (2018).
    """

    def __init__(
        self,
        groups: int,
        channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        dtype: Any = "float32",
    ):
        super().__init__(channels, affine, dtype)
        if channels % groups:
            raise ShapeError(f"{channels} channels do not fall into {groups} groups")
        self.groups, self.eps = groups, eps

    def __call__(self, x: Tensor) -> Tensor:
        each = self.channels // self.groups
        split = reshape(x, (x.shape[0], self.groups, each, *x.shape[2:]))
        normal = normalise(split, tuple(range(2, split.ndim)), self.eps)
        return self._scaled(reshape(normal, x.shape))


class InstanceNorm(_Affine):
    """Zero mean and unit variance of each channel of each sample over its positions, then a scale
    and a shift.
    """

    def __init__(
        self, channels: int, eps: float = 1e-5, affine: bool = True, dtype: Any = "float32"
    ):
        super().__init__(channels, affine, dtype)
        self.eps = eps

    def __call__(self, x: Tensor) -> Tensor:
        return self._scaled(normalise(x, tuple(range(2, x.ndim)), self.eps))


class RMSNorm(Layer):
    """x over the root of the mean of its squares along the last axis, times a scale: Zhang and
    Sennrich (2019).
    """

    def __init__(self, size: int, eps: float = 1e-6, dtype: Any = "float32"):
        self.scale = variable(init.ones((size,), dtype), "scale")
        self.eps = eps

    def __call__(self, x: Tensor) -> Tensor:
        wide = cast(x, float32) if x.dtype.bits == 16 else x
        root = rsqrt(mean(wide * wide, -1, keepdims=True) + self.eps)
        return cast(wide * root, x.dtype) * self.scale


class Standardise(Layer):
    """x less the mean of the rows of `data`, over their standard deviation: both are kept with the
    model and do not train. A feature that is constant in the data is only centred.
    """

    def __init__(self, data: Any, dtype: Any = "float32"):
        rows = np.asarray(data, np.float64)
        spread = rows.std(0)
        kind = as_dtype(dtype).numpy
        self.mean = variable(rows.mean(0).astype(kind), "mean", trainable=False)
        self.deviation = variable(
            np.where(spread > 0, spread, 1).astype(kind), "deviation", trainable=False
        )

    def __call__(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


def weight_norm(direction: Tensor, length: Tensor, axis: int | None = 0) -> Tensor:
    """Weights with the directions of `direction` and the lengths in `length`, one for each index
    along `axis` (None: one for all): Salimans and Kingma (2016).
    """
    if axis is None:
        return direction * (length / sqrt(sum(direction * direction)))
    axis = axis % direction.ndim
    others = tuple(k for k in range(direction.ndim) if k != axis)
    size = sqrt(sum(direction * direction, others, keepdims=True))
    shape = tuple(d if k == axis else 1 for k, d in enumerate(direction.shape))
    return direction * (reshape(length, shape) / size)


def whiten(x: Tensor, eps: float = 0.0) -> Tensor:
    """Rows x (N, features) less their mean, times the inverse root of their covariance plus `eps`
    on its diagonal: covariance I, turned as little as can be.
    """
    centred = x - mean(x, 0)
    covariance = matmul(transpose(centred), centred) / extent(x.shape[0], x.dtype)
    values, vectors = eigh(covariance + eps * eye(x.shape[1], dtype=x.dtype))
    return matmul(centred, matmul(vectors * rsqrt(values), transpose(vectors)))
