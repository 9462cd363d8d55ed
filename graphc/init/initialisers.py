"""The initialisers. Each takes a shape, then a seed: an int, a NumPy generator, or None for the
stream of the process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dtypes import as_dtype
from graphc.ir.errors import GraphError, ShapeError

Seed = None | int | np.random.Generator
Array = np.ndarray[Any, np.dtype[Any]]

_stream = np.random.Generator(np.random.Philox(0))


def seed(number: int) -> None:
    """Starts the stream that initialisers without a seed draw from; it starts at 0 in every
    process.
    """
    global _stream
    if not isinstance(number, (int, np.integer)) or number < 0:
        raise GraphError(f"a seed is an int of at least 0, not {number!r:.80}")
    _stream = np.random.Generator(np.random.Philox(number))


def generator(source: Seed) -> np.random.Generator:
    """What a seed stands for. Layers that are handed it draw numbers of their own each."""
    if source is None:
        return _stream
    if isinstance(source, np.random.Generator):
        return source
    return np.random.Generator(np.random.Philox(source))


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """How many inputs feed an output and how many outputs an input feeds, for weights of this
    shape.

    A matrix is (inputs, outputs); with more axes (outputs, inputs, *window), as the weights of
    convolutions are.
    """
    if len(shape) < 2:
        raise ShapeError(f"weights to initialise by their fans need two axes or more, not {shape}")
    if len(shape) == 2:
        return shape[0], shape[1]
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def zeros(shape: Sequence[int], dtype: Any = "float32") -> Array:
    """Zeros."""
    return np.zeros(shape, as_dtype(dtype).numpy)


def ones(shape: Sequence[int], dtype: Any = "float32") -> Array:
    """Ones."""
    return np.ones(shape, as_dtype(dtype).numpy)


def constant(shape: Sequence[int], value: float, dtype: Any = "float32") -> Array:
    """One value everywhere."""
    return np.full(shape, value, as_dtype(dtype).numpy)


def uniform(
    shape: Sequence[int],
    seed: Seed = None,
    low: float = -0.05,
    high: float = 0.05,
    dtype: Any = "float32",
) -> Array:
    """Uniform in [low, high)."""
    return generator(seed).uniform(low, high, shape).astype(as_dtype(dtype).numpy)


def normal(
    shape: Sequence[int],
    seed: Seed = None,
    mean: float = 0.0,
    std: float = 0.05,
    dtype: Any = "float32",
) -> Array:
    """Normal with this mean and standard deviation."""
    return generator(seed).normal(mean, std, shape).astype(as_dtype(dtype).numpy)


def truncated_normal(
    shape: Sequence[int],
    seed: Seed = None,
    mean: float = 0.0,
    std: float = 0.05,
    dtype: Any = "float32",
) -> Array:
    """Normal, drawn again until within two standard deviations of the mean."""
    source = generator(seed)
    x = source.standard_normal(shape)
    while (far := np.abs(x) > 2).any():
        x[far] = source.standard_normal(int(far.sum()))
    return np.asarray(mean + std * x).astype(as_dtype(dtype).numpy)


def scaled(shape: Sequence[int], seed: Seed, variance: float, flat: bool, dtype: Any) -> Array:
    """Zero mean and this variance, uniform (`flat`) or normal."""
    if flat:
        bound = math.sqrt(3 * variance)
        return uniform(shape, seed, -bound, bound, dtype)
    return normal(shape, seed, 0.0, math.sqrt(variance), dtype)


def _glorot_variance(shape: Sequence[int], gain: float) -> float:
    return gain**2 * 2 / max(1, sum(fans(shape)))


def glorot_uniform(
    shape: Sequence[int], seed: Seed = None, gain: float = 1.0, dtype: Any = "float32"
) -> Array:
    """Uniform with variance 2 gain² / (inputs + outputs): Glorot and Bengio (2010)."""
    return scaled(shape, seed, _glorot_variance(shape, gain), True, dtype)


def glorot_normal(
    shape: Sequence[int], seed: Seed = None, gain: float = 1.0, dtype: Any = "float32"
) -> Array:
    """Normal with variance 2 gain² / (inputs + outputs): Glorot and Bengio (2010)."""
    return scaled(shape, seed, _glorot_variance(shape, gain), False, dtype)


def he_uniform(shape: Sequence[int], seed: Seed = None, dtype: Any = "float32") -> Array:
    """Uniform with variance 2 / inputs, for layers before a relu: He, Zhang, Ren and Sun (2015)."""
    return scaled(shape, seed, 2 / max(1, fans(shape)[0]), True, dtype)


def he_normal(shape: Sequence[int], seed: Seed = None, dtype: Any = "float32") -> Array:
    """Normal with variance 2 / inputs, for layers before a relu: He, Zhang, Ren and Sun (2015)."""
    return scaled(shape, seed, 2 / max(1, fans(shape)[0]), False, dtype)


def lecun_uniform(shape: Sequence[int], seed: Seed = None, dtype: Any = "float32") -> Array:
    """Uniform with variance 1 / inputs: LeCun, Bottou, Orr and Müller (1998)."""
    return scaled(shape, seed, 1 / max(1, fans(shape)[0]), True, dtype)


def lecun_normal(shape: Sequence[int], seed: Seed = None, dtype: Any = "float32") -> Array:
    """Normal with variance 1 / inputs: LeCun, Bottou, Orr and Müller (1998)."""
    return scaled(shape, seed, 1 / max(1, fans(shape)[0]), False, dtype)


def orthogonal(
    shape: Sequence[int], seed: Seed = None, gain: float = 1.0, dtype: Any = "float32"
) -> Array:
    """Orthonormal rows or columns, whichever are fewer, times `gain`; axes after the first count as
    one.
    """
    rows, columns = shape[0], math.prod(shape[1:])
    square = generator(seed).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(square)
    q = q * np.sign(np.diagonal(r))  # makes it uniform over all such matrices
    q = q if rows >= columns else q.T
    return np.asarray(gain * q.reshape(shape)).astype(as_dtype(dtype).numpy)
