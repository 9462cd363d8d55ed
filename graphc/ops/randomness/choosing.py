"""Random integers, orders and choices."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.dims import Dim, DimExpr
from graphc.ir.dtypes import DType, as_dtype, float64
from graphc.ir.errors import DTypeError, GraphError
from graphc.ir.node import Tensor
from graphc.ops.checked import checked_index
from graphc.ops.convert import TensorLike, as_tensor, cast
from graphc.ops.cumulative import cumsum
from graphc.ops.exponential import log
from graphc.ops.extent import extent
from graphc.ops.layout import normal_axis
from graphc.ops.randomness.distributions import gumbel, unit_floats
from graphc.ops.randomness.generator import KeyLike, bits
from graphc.ops.source import as_shape, constant

_WORD = 0xFFFFFFFF


def randint(
    key: KeyLike,
    low: int | Dim | Tensor,
    high: int | Dim | Tensor,
    shape: Any = (),
    dtype: Any = "int64",
) -> Tensor:
    """Integers in [low, high), each with a probability within 2**-64 of equal: the top of a 64-bit
    number times the range.

    The bounds may be dimensions or integer scalars of the graph; a call that finds them out of
    order then raises IndexRangeError.
    """
    first, kind = _integer(low), as_dtype(dtype)
    if isinstance(low, int) and isinstance(high, int):
        _demand_range(low, high, kind)
        width = constant(high - low, "uint64")
    else:
        last = checked_index(_integer(high) - first - 1, 2**63 - 1, "a range without integers")
        width = cast(last, "uint64") + 1
    offset = cast(_upper_product(bits(key, shape, "uint64"), width), "int64")
    return cast(offset + first, kind)


def _demand_range(low: int, high: int, dtype: DType) -> None:
    if low >= high:
        raise GraphError(f"no integer is in [{low}, {high})")
    if not dtype.is_integer:
        raise DTypeError(f"random integers are of an integer dtype, not {dtype}")
    info = np.iinfo(dtype.numpy)
    if not info.min <= low < high <= int(info.max) + 1:
        raise DTypeError(f"[{low}, {high}) does not fit {dtype}")


def _integer(bound: int | Dim | Tensor) -> Tensor:
    if isinstance(bound, (tuple, list)):
        raise DTypeError(
            f"randint: a bound is an integer, not {bound!r:.80}\n"
            "  hint: gc.random.randint(key, low, high, shape)"
        )
    if isinstance(bound, (int, DimExpr)):
        return extent(bound, "int64")
    return cast(bound, "int64")


def _upper_product(a: Tensor, b: Tensor) -> Tensor:
    """The upper 64 bits of the product of two uint64, from products of halves that cannot
    overflow.
    """
    a_low, a_high, b_low, b_high = a & _WORD, a >> 32, b & _WORD, b >> 32
    middle = a_high * b_low + (a_low * b_low >> 32)
    other = a_low * b_high + (middle & _WORD)
    return a_high * b_high + (middle >> 32) + (other >> 32)


def permutation(key: KeyLike, x: int | Dim | Tensor, axis: int = 0) -> Tensor:
    """0, 1, ..., x - 1 in random order; of a tensor, its elements along an axis in random order."""
    from graphc.ops.indexing.gather import take
    from graphc.ops.sorting.sort import argsort

    if not isinstance(x, Tensor):
        return argsort(bits(key, (x,), "uint64"), axis=0)
    axis = normal_axis(axis, x.ndim)
    return take(x, permutation(key, x.shape[axis]), axis=axis)


def choice(
    key: KeyLike,
    x: int | Dim | Tensor,
    shape: Any = (),
    replace: bool = True,
    p: TensorLike | None = None,
) -> Tensor:
    """Elements of x along its first axis (or of 0, 1, ..., x - 1), uniformly or with probabilities
    proportional to p.

    Without replacement no position comes twice; `shape` must then hold at most as many as there
    are.
    """
    from graphc.ops.indexing.gather import take

    number = x.shape[0] if isinstance(x, Tensor) else x
    pick = _with_replacement if replace else _without_replacement
    places = pick(key, number, as_shape(shape), p)
    return take(x, places, axis=0) if isinstance(x, Tensor) else places


def _with_replacement(key: KeyLike, n: Dim, shape: Any, p: TensorLike | None) -> Tensor:
    from graphc.ops.indexing.searching import searchsorted

    if p is None:
        return randint(key, 0, n, shape)
    heights = cumsum(cast(as_tensor(p), "float64"), 0)
    at = unit_floats(key, shape, float64) * heights[-1]
    return searchsorted(heights[:-1], at, side="right")


def _without_replacement(key: KeyLike, n: Dim, shape: Any, p: TensorLike | None) -> Tensor:
    from graphc.ir.dim_values import product
    from graphc.ops.sorting.sort import argsort

    many = product(shape)
    if isinstance(many, int) and isinstance(n, int) and many > n:
        raise GraphError(f"cannot choose {many} of {n} without replacement")
    if p is None:
        return permutation(key, n)[:many].reshape(shape)
    rank = gumbel(key, (n,), "float64") + log(cast(as_tensor(p), "float64"))
    return argsort(-rank, axis=0)[:many].reshape(shape)
