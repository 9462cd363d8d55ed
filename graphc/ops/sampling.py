"""Arrays that the laws of ops are tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir.dtypes import DType, bfloat16, bool_, float32, float64, int32
from graphc.ir.op import Sample

KINDS = (float64, float32, bfloat16, int32, bool_)
FEW = (float64, float32)


def draw(rng: Any, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    """Small values of any dtype: coin flips, integers (of both signs if signed), normal floats."""
    if dtype is bool_:
        return np.asarray(rng.random(shape) < 0.5)
    if dtype.is_integer:
        low = 0 if dtype.kind == "u" else -50
        return np.asarray(rng.integers(low, 50, shape)).astype(dtype.numpy)
    return np.asarray(rng.standard_normal(shape)).astype(dtype.numpy)


def moved(
    shapes: Sequence[tuple[int, ...]],
    attrs: Mapping[str, Any],
    dtypes: Sequence[DType] = KINDS,
    indices: Sequence[Any] = (),
    differentiable: tuple[int, ...] | None = None,
) -> tuple[Sample, ...]:
    """One sample per dtype for an op that moves elements: inputs of these shapes, then `indices`.

    The float32 inputs hold a NaN, an infinity and a negative zero where there is room.
    """
    fixed = tuple(np.asarray(i) for i in indices)

    def make(rng: Any, dtype: DType) -> tuple[np.ndarray, ...]:
        drawn = tuple(draw(rng, dtype, s) for s in shapes)
        if dtype is float32:
            for array in drawn:
                special = np.asarray([np.nan, -0.0, np.inf], array.dtype)[: array.size]
                array.reshape(-1)[: special.size] = special
        return (*drawn, *fixed)

    return tuple(
        Sample(lambda rng, d=d: make(rng, d), dict(attrs), differentiable, str(d))  # type: ignore[misc]
        for d in dtypes
    )
