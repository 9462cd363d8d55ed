"""The order of elements, as integers or as a comparison; NaN is the greatest."""

from __future__ import annotations

from typing import Any

from graphc.ir.dtypes import DType, float32, int32, int64, uint32, uint64


def comes_before(ops: Any, dtype: DType, descending: bool, a: Any, b: Any) -> Any:
    """Whether a comes strictly before b, as a scalar expression; NaN is the greatest."""
    if dtype.is_float and dtype.bits == 16:
        a, b = ops.cast(a, float32), ops.cast(b, float32)
    if descending:
        a, b = b, a
    smaller = a < b
    return smaller | (ops.not_equal(b, b) & ops.equal(a, a)) if dtype.is_float else smaller


def packed(ops: Any, dtype: DType, descending: bool, x: Any, i: Any) -> Any:
    """An int64 whose order is that of elements x of 32 bits or fewer at positions i, which are its
    lower half.
    """
    key = _key(ops, dtype, x)
    return ((~key if descending else key) << 32) | i


def _key(ops: Any, dtype: DType, x: Any) -> Any:
    """An int64 within 32 bits; its order is that of the elements."""
    if not dtype.is_float:
        wide = ops.cast(x, int64)
        return wide - 2**31 if dtype is uint32 else wide
    x = ops.cast(x, float32)
    bits = ops.bitcast(x, int32)
    ordered = bits ^ ((bits >> 31) & (2**31 - 1))
    ordered = ops.select(ops.equal(x, 0.0), 0, ordered)  # both zeros are equal
    return ops.cast(ops.select(ops.not_equal(x, x), 2**31 - 1, ordered), int64)


def word_of(ops: Any, dtype: DType, descending: bool, x: Any) -> Any:
    """An int64 whose order is that of elements x of 64 bits."""
    word = ops.bitcast(x, int64)
    if dtype.is_float:
        word = word ^ ((word >> 63) & (2**63 - 1))
        word = ops.select(ops.equal(x, 0.0), 0, word)  # both zeros are equal
        word = ops.select(ops.not_equal(x, x), 2**63 - 1, word)
    elif dtype is uint64:
        word = word ^ -(2**63)
    return ~word if descending else word
