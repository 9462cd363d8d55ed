"""Random floats by pairs and by rejection: Box-Muller, gamma, beta and Dirichlet."""

from __future__ import annotations

import math
from typing import Any

from graphc.control import while_loop
from graphc.ir.dtypes import DType, as_dtype, float32
from graphc.ir.errors import DTypeError
from graphc.ir.node import Tensor
from graphc.ir.types import Shape
from graphc.ops.convert import TensorLike, as_operand, cast
from graphc.ops.creation import full, zeros
from graphc.ops.exponential import exp, log, log1p
from graphc.ops.layout import broadcast_to
from graphc.ops.logic import logical_and, logical_not, logical_or
from graphc.ops.powers import rsqrt, sqrt
from graphc.ops.randomness.distributions import normal, uniform
from graphc.ops.randomness.generator import KeyLike, draw_key, fold_in, split
from graphc.ops.reduction import any
from graphc.ops.select import where
from graphc.ops.source import as_shape
from graphc.ops.statistics import softmax
from graphc.ops.trigonometric import cos, sin

_MOST_TRIES = 200  # each succeeds with a chance above 0.95; parameters that are NaN never do


def normal_pair(key: KeyLike, shape: object = (), dtype: Any = "float32") -> tuple[Tensor, Tensor]:
    """Two independent arrays of standard normals: the length √(-2 ln u) at the angle 2πv, for two
    uniforms u > 0 and v (Box and Muller, 1958).
    """
    first, second = split(key)
    kind = _float(dtype)
    wide = float32 if kind.bits == 16 else kind
    length = sqrt(-2 * log1p(-uniform(first, shape, dtype=wide)))
    angle = 2 * math.pi * uniform(second, shape, dtype=wide)
    return cast(length * cos(angle), kind), cast(length * sin(angle), kind)


def gamma(key: KeyLike, a: TensorLike, shape: object = None, dtype: Any = "float32") -> Tensor:
    """Gamma of shape parameter a > 0 and scale 1 for each element of `shape` (None: that of a):
    Marsaglia and Tsang (2000). Without a gradient.
    """
    kind = _float(dtype)
    value, log_boost = _gamma_parts(key, a, shape, kind)
    return cast(value * exp(log_boost), kind)


def beta(
    key: KeyLike, a: TensorLike, b: TensorLike, shape: object = (), dtype: Any = "float32"
) -> Tensor:
    """Beta of the parameters a and b, from two gammas."""
    first, second = split(key)
    kind = _float(dtype)
    x, y = (_log_gamma(k, p, shape, kind) for k, p in ((first, a), (second, b)))
    return cast(1 / (1 + exp(y - x)), kind)


def dirichlet(key: KeyLike, alpha: Tensor, shape: object = (), dtype: Any = "float32") -> Tensor:
    """Points of the simplex, (*shape, *alpha.shape), for parameters along the last axis of alpha:
    gammas over their sum, computed without underflow.
    """
    kind = _float(dtype)
    full_shape = (*as_shape(shape), *alpha.shape)
    return cast(softmax(_log_gamma(key, alpha, full_shape, kind), axis=-1), kind)


def _log_gamma(key: KeyLike, a: TensorLike, shape: object, dtype: DType) -> Tensor:
    value, log_boost = _gamma_parts(key, a, shape, dtype)
    return log(value) + log_boost


def _gamma_parts(key: KeyLike, a: TensorLike, shape: object, dtype: DType) -> tuple[Tensor, Tensor]:
    """A gamma draw is the first, a draw for a parameter of at least 1, times exp of the second."""
    kind = float32 if dtype.bits == 16 else dtype
    a = as_operand(a, kind)
    size = a.shape if shape is None else as_shape(shape)
    a = broadcast_to(a, size)
    tries, last = split(draw_key(key))
    value = _accepted(tries, where(a < 1, a + 1, a) - 1 / 3, size, kind)
    u = 1 - uniform(last, size, dtype=kind)
    return value, where(a < 1, log(u) / a, 0)


def _accepted(key: Tensor, d: Tensor, shape: Shape, dtype: DType) -> Tensor:
    """d v for the first v = (1 + n / √(9d))³ of a normal n that the test accepts."""
    rate = rsqrt(9 * d)

    def waiting(state: tuple[Tensor, ...]) -> Tensor:
        tries, _, done = state
        return logical_and(any(logical_not(done)), tries < _MOST_TRIES)

    def attempt(state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        tries, value, done = state
        first, second = split(fold_in(key, tries))
        n = normal(first, shape, dtype=dtype)
        log_u = log1p(-uniform(second, shape, dtype=dtype))
        root = 1 + rate * n
        v = root * root * root
        level = 0.5 * n * n + d - d * v + d * log(where(v > 0, v, 1))
        good = logical_and(v > 0, log_u < level)
        return tries + 1, where(done, value, d * v), logical_or(done, good)

    start = (full((), 0, "int64"), zeros(shape, dtype), full(shape, False, "bool"))
    return while_loop(waiting, attempt, start)[1]  # type: ignore[no-any-return]


def _float(dtype: Any) -> DType:
    kind = as_dtype(dtype)
    if not kind.is_float:
        raise DTypeError(f"random floats are of a floating dtype, not {kind}")
    return kind
