"""Integers that reach the ends of their range."""

import numpy as np

from graphc.ir.dtypes import DType


def extremes(dtype: DType, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Integers from the whole range, its ends among them."""
    limits = np.iinfo(dtype.numpy)
    rng = np.random.default_rng([seed, *shape])
    x = rng.integers(limits.min, limits.max, shape, dtype.numpy, endpoint=True)
    x[rng.random(shape) < 0.3] = limits.min
    return x
