"""Scales of first weights: from fans, from an activation, from the prior of classes, from data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from graphc.init.initialisers import Array, Seed, fans, orthogonal, scaled
from graphc.ir.dtypes import as_dtype
from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.ir.walk import substitute
from graphc.ops.convert import cast
from graphc.ops.reduction import sum
from graphc.ops.source import constant, state_of
from graphc.ops.statistics import std

Fan = Literal["inputs", "outputs", "both"]
_REACH, _POINTS = 12.0, 200


def variance_scaling(
    shape: Sequence[int],
    seed: Seed = None,
    scale: float = 1.0,
    fan: Fan = "inputs",
    flat: bool = False,
    dtype: Any = "float32",
) -> Array:
    """Zero mean and variance scale / fan, uniform (`flat`) or normal; the fan of "both" is the mean
    of inputs and outputs. `fan="outputs"` keeps the variance of gradients on their way back.
    """
    inputs, outputs = fans(shape)
    sizes = {"inputs": inputs, "outputs": outputs, "both": (inputs + outputs) / 2}
    if fan not in sizes:
        raise GraphError(f"a fan is 'inputs', 'outputs' or 'both', not {fan!r}")
    return scaled(shape, seed, scale / max(1, sizes[fan]), flat, dtype)


def fan_in_uniform(shape: Sequence[int], seed: Seed = None, dtype: Any = "float32") -> Array:
    """Uniform between -1 and 1 over the root of the inputs, so with variance 1 / (3 inputs)."""
    return variance_scaling(shape, seed, 1 / 3, flat=True, dtype=dtype)


def mean_square(f: Callable[[Tensor], Tensor]) -> Tensor:
    """E f(Z)², Z standard normal, a float64 scalar: by Gauss-Legendre quadrature of each half line
    up to 12, so that a kink at 0 does no harm.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    half = _REACH / 2 * (nodes + 1)
    z = np.concatenate([-half, half])
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi) * np.tile(_REACH / 2 * weights, 2)
    y = f(constant(z))
    return sum(constant(density) * y * y)


def gain_squared(f: Callable[[Tensor], Tensor]) -> Tensor:
    """1 / E f(Z)²: a layer of weights with variance gain² / inputs keeps the mean square of what it
    is given when f comes before the next.
    """
    return 1 / mean_square(f)


def log_prior(shares: Sequence[float], dtype: Any = "float32") -> Array:
    """The bias that makes a softmax of zero weights predict these shares of the classes."""
    p = np.asarray(shares, np.float64)
    if p.ndim != 1 or (p <= 0).any():
        raise GraphError(f"shares of classes are positive numbers, not {shares}")
    return np.asarray(np.log(p / p.sum()), as_dtype(dtype).numpy)


def lsuv(inputs_of: Mapping[Tensor, Tensor], seed: Seed = None) -> dict[Tensor, Tensor]:
    """Updates of weights, for one call on a batch: orthonormal, then over the standard deviation of
    the net input that they give (Mishkin and Matas, 2016).

    inputs_of: each weight with its layer's net input, in the order of the layers. Those of later
    layers are computed with the new weights of the earlier ones.
    """
    new: dict[Tensor, Tensor] = {}
    for w, net_input in inputs_of.items():
        start = constant(orthogonal(state_of(w).array.shape, seed, dtype=w.dtype.name))
        (z,) = substitute([net_input], {**new, w: start})
        new[w] = start / cast(std(z), w.dtype)
    return new
