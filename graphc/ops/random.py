"""Random numbers as values of the graph: the same bits on every backend, for any number of threads.

A key is four words (see `graphc.ops.philox`); equal keys give equal numbers. Either handle keys
yourself (`key`, `split`, `fold_in`), or hand a `Generator` wherever a key is asked for: it is a
variable that steps on with every call of a compiled function, and each draw in the graph has a key
of its own.
"""

from __future__ import annotations

import math
from itertools import count
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, DimExpr
from graphc.ir.dtypes import DType, as_dtype, float32, float64
from graphc.ir.errors import DTypeError, GraphError
from graphc.ir.node import Tensor
from graphc.ops.checked import checked_index
from graphc.ops.convert import TensorLike, as_operand, as_tensor, cast
from graphc.ops.cumulative import cumsum
from graphc.ops.exponential import log, log1p
from graphc.ops.extent import extent
from graphc.ops.layout import broadcast, broadcast_to, normal_axis
from graphc.ops.philox import random_bits, random_fold
from graphc.ops.recurrence import shift
from graphc.ops.reduction import argmax
from graphc.ops.select import where
from graphc.ops.source import as_shape, constant, iota, variable
from graphc.ops.special import erfinv

_WORD = 0xFFFFFFFF
_PRECISION = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


class Generator:
    """A source of keys whose state is a variable.

    Every compiled function that draws from a generator also steps it on, without being told, so
    each call gives new numbers. Within one call each draw has a key of its own, by the order in
    which the draws were written. Inside `vmap` and `scan` use keys: a draw written there is one
    draw for all elements or steps.
    """

    def __init__(self, seed: int):
        self.state = variable(_words(seed), "generator", trainable=False)
        self.state.node.attrs["state"].advance = _stepped
        self._draws = count()

    def key(self) -> Tensor:
        """The key of the next draw; no two calls give the same."""
        return fold_in(self.state, next(self._draws))


KeyLike = Tensor | Generator


def _stepped(state: Tensor) -> Tensor:
    """The state after a call: its last two words, as one number, plus one."""
    place = iota((4,))
    carry = where(shift(state, 1) == np.uint32(_WORD), where(place == 3, 1, 0), 0)
    return state + cast(where(place == 2, 1, carry), "uint32")


def _words(seed: int) -> np.ndarray:
    if not 0 <= seed < 2**128:
        raise GraphError(f"a seed is at least 0 and below 2**128, not {seed}")
    return np.asarray([seed >> 32 * k & _WORD for k in range(4)], np.uint32)


def key(seed: int | Tensor) -> Tensor:
    """A key, u32[4], from a number: an int below 2**128, or an integer scalar of the graph."""
    if isinstance(seed, Tensor):
        return fold_in(key(0), seed)
    return constant(_words(seed))


def fold_in(key: KeyLike, data: int | Tensor) -> Tensor:
    """The key that `data` (an int or an integer scalar, say a step's number) gives; unlike those of
    other numbers.
    """
    parent = _key(key)
    number = constant(data, "uint64") if isinstance(data, int) else cast(data, "uint64")
    return random_fold(parent, broadcast_to(number, parent.shape[:-1]))


def split(key: KeyLike, number: int | Dim = 2) -> Tensor:
    """Keys u32[number, 4] to use instead of this one."""
    parent = _key(key)
    (length,) = as_shape(number)
    parents = broadcast(parent, (length, *parent.shape), tuple(range(1, parent.ndim + 1)))
    numbers = iota((length,), 0, "uint64")
    return random_fold(parents, broadcast(numbers, parents.shape[:-1], (0,)))


def _key(key: KeyLike) -> Tensor:
    return key.key() if isinstance(key, Generator) else key


def bits(key: KeyLike, shape: Any = (), dtype: Any = "uint32") -> Tensor:
    """Uniform random words, uint32 or uint64."""
    return random_bits(_key(key), shape, dtype)


def _float(dtype: Any) -> DType:
    kind = as_dtype(dtype)
    if not kind.is_float:
        raise DTypeError(f"random floats are of a floating dtype, not {kind}")
    return kind


def _steps(key: KeyLike, shape: Any, digits: int) -> Tensor:
    """Uniform integers in [0, 2**digits), exact as floats of that precision."""
    wide = digits > 32
    words = bits(key, shape, "uint64" if wide else "uint32")
    return cast(words >> ((64 if wide else 32) - digits), "int64" if wide else "int32")


def _unit(key: KeyLike, shape: Any, dtype: DType) -> Tensor:
    """Uniform multiples of 2**-precision in [0, 1)."""
    digits = _PRECISION[dtype.name]
    wide = float32 if dtype.bits == 16 else dtype
    return cast(cast(_steps(key, shape, digits), wide) * 2.0**-digits, dtype)


def _symmetric(key: KeyLike, shape: Any, dtype: DType) -> Tensor:
    """Uniform odd multiples of 2**(1 - precision) in (-1, 1): never 0, never an end."""
    digits = _PRECISION[dtype.name] - 1
    odd = _steps(key, shape, digits) * 2 + (1 - 2**digits)
    return cast(odd, dtype) * 2.0**-digits


def _open(key: KeyLike, shape: Any, dtype: DType) -> Tensor:
    """Uniform in (0, 1): never an end."""
    return _symmetric(key, shape, dtype) * 0.5 + 0.5


def _computed(dtype: DType) -> DType:
    """The dtype in which numbers of `dtype` are computed."""
    return float32 if dtype.bits == 16 else dtype


def uniform(
    key: KeyLike,
    shape: Any = (),
    low: TensorLike = 0.0,
    high: TensorLike = 1.0,
    dtype: Any = "float32",
) -> Tensor:
    """Uniform in [low, high): 24 random bits for float32, 53 for float64, as many as the dtype
    holds for others.
    """
    kind = _float(dtype)
    unit = _unit(key, shape, kind)
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)):
        return unit * (as_operand(high, kind) - as_operand(low, kind)) + as_operand(low, kind)
    if low == 0 and high == 1:
        return unit
    return _below(unit * (high - low) + low, high)


def _below(x: Tensor, high: float) -> Tensor:
    """x, where rounding took it up to `high` the number before."""
    top = np.asarray(high, x.dtype.numpy)
    return where(x < constant(top), x, constant(np.nextafter(top, np.asarray(-np.inf, top.dtype))))


def normal(
    key: KeyLike,
    shape: Any = (),
    mean: TensorLike = 0.0,
    std: TensorLike = 1.0,
    dtype: Any = "float32",
) -> Tensor:
    """Normal, by the inverse of its distribution function; float32 reaches 5.4 standard deviations,
    float64 8.2.
    """
    kind = _float(dtype)
    x = erfinv(_symmetric(key, shape, _computed(kind))) * math.sqrt(2)
    return cast(x, kind) * as_operand(std, kind) + as_operand(mean, kind)


def truncated_normal(
    key: KeyLike, shape: Any = (), low: float = -2.0, high: float = 2.0, dtype: Any = "float32"
) -> Tensor:
    """Standard normal under the condition that it lies in [low, high]."""
    if not low < high:
        raise GraphError(f"the bounds of a truncated normal must ascend: {low}, {high}")
    kind = _float(dtype)
    left, right = math.erf(low / math.sqrt(2)), math.erf(high / math.sqrt(2))
    place = _open(key, shape, _computed(kind)) * (right - left) + left
    x = erfinv(place) * math.sqrt(2)
    inside = where(x < low, low, where(x > high, high, x))
    return cast(inside, kind)


def exponential(
    key: KeyLike, shape: Any = (), scale: TensorLike = 1.0, dtype: Any = "float32"
) -> Tensor:
    """Exponential with mean `scale`, in [0, inf)."""
    kind = _float(dtype)
    x = -log1p(-_unit(key, shape, _computed(kind)))
    return cast(x, kind) * as_operand(scale, kind)


def laplace(key: KeyLike, shape: Any = (), dtype: Any = "float32") -> Tensor:
    """Laplace: exponential with a random sign."""
    kind = _float(dtype)
    side = _symmetric(key, shape, _computed(kind))
    return cast(where(side < 0, log1p(side), -log1p(-where(side < 0, 0, side))), kind)


def gumbel(key: KeyLike, shape: Any = (), dtype: Any = "float32") -> Tensor:
    """Standard Gumbel: the maximum of many; -log(-log(uniform))."""
    kind = _float(dtype)
    return cast(-log(-log(_open(key, shape, _computed(kind)))), kind)


def bernoulli(key: KeyLike, p: TensorLike = 0.5, shape: Any = None) -> Tensor:
    """True with probability p (to within 2**-24), a bool for each element of `shape` (None: that of
    p).
    """
    chance = as_tensor(p)
    kind = chance.dtype if chance.dtype in (float32, float64) else float32
    full = chance.shape if shape is None else as_shape(shape)
    return _unit(key, full, kind) < broadcast_to(cast(chance, kind), full)


def categorical(key: KeyLike, logits: Tensor, axis: int = -1, shape: Any = ()) -> Tensor:
    """Positions (int64) along `axis`, with probabilities softmax(logits); `shape` draws of each, in
    leading axes.
    """
    kind = float64 if logits.dtype is float64 else float32
    axis = normal_axis(axis, logits.ndim) - logits.ndim
    noise = gumbel(key, (*as_shape(shape), *logits.shape), kind)
    return argmax(noise + cast(logits, kind), axis=noise.ndim + axis)


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
    from graphc.ops.gather import take
    from graphc.ops.sorting import argsort

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
    from graphc.ops.gather import take

    number = x.shape[0] if isinstance(x, Tensor) else x
    pick = _with_replacement if replace else _without_replacement
    places = pick(key, number, as_shape(shape), p)
    return take(x, places, axis=0) if isinstance(x, Tensor) else places


def _with_replacement(key: KeyLike, n: Dim, shape: Any, p: TensorLike | None) -> Tensor:
    from graphc.ops.searching import searchsorted

    if p is None:
        return randint(key, 0, n, shape)
    heights = cumsum(cast(as_tensor(p), "float64"), 0)
    at = _unit(key, shape, float64) * heights[-1]
    return searchsorted(heights[:-1], at, side="right")


def _without_replacement(key: KeyLike, n: Dim, shape: Any, p: TensorLike | None) -> Tensor:
    from graphc.ir.dims import product
    from graphc.ops.sorting import argsort

    many = product(shape)
    if isinstance(many, int) and isinstance(n, int) and many > n:
        raise GraphError(f"cannot choose {many} of {n} without replacement")
    if p is None:
        return permutation(key, n)[:many].reshape(shape)
    rank = gumbel(key, (n,), "float64") + log(cast(as_tensor(p), "float64"))
    return argsort(-rank, axis=0)[:many].reshape(shape)
