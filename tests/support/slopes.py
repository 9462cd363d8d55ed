"""Gradients at numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np

import graphc as gc
from graphc.backends.reference import evaluate


def slopes(f: Callable[..., Any], *values: Any) -> list[np.ndarray]:
    """The gradient of the sum of f at float64 values."""
    arrays = [np.asarray(v, np.float64) for v in values]
    xs = [gc.placeholder(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
    return evaluate(gc.grad(gc.sum(f(*xs)), xs), dict(zip(xs, arrays, strict=True)))
