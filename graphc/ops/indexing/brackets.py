"""x[key] and x.at[key]: NumPy's basic and advanced indexing, to read and to make changed copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.ir.dtypes import promote
from graphc.ir.errors import DTypeError
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import add, multiply
from graphc.ops.convert import TensorLike, as_operand, as_tensor, is_weak
from graphc.ops.indexing.gather import filler, gather
from graphc.ops.indexing.keys import Key, read_key
from graphc.ops.indexing.modes import MODES, check_mode, rest_axes
from graphc.ops.indexing.scatter import scatter
from graphc.ops.indexing.slicing import strided
from graphc.ops.layout import broadcast_to, reshape, transpose
from graphc.ops.located import locate_errors
from graphc.ops.padding import place
from graphc.ops.select import where


@locate_errors
def getitem(x: TensorLike, key: Any, mode: str = "error", fill_value: Any = 0) -> Tensor:
    """x[key] as in NumPy: integers, slices, None, Ellipsis, integer arrays or tensors, constant
    masks.

    An index outside its axis is found here, or by the call. `mode` says what it means in an array,
    as in `take`.
    """
    x = as_tensor(x)
    check_mode(mode, MODES[:4])
    k = read_key(x.shape, key)
    y = strided(x, **k.ranges)
    if not k.arrays:
        return reshape(y, k.result)
    y = gather(y, k.arrays, k.axes, 0, mode, filler(fill_value, x.dtype))
    y = reshape(y, (*k.gathered, *k.kept))
    return reshape(transpose(y, _order(k)), k.result)


def _order(k: Key) -> tuple[int, ...]:
    """From the arrays' axes before the slices' to the order in the result."""
    split, count = len(k.gathered), len(k.gathered) + len(k.kept)
    middle = split + k.front
    return (*range(split, middle), *range(split), *range(middle, count))


class At:
    """`x.at[key]`, whose methods give copies of x with the elements of x[key] changed."""

    __slots__ = ("_x",)

    def __init__(self, x: Tensor):
        self._x = x

    def __getitem__(self, key: Any) -> AtKey:
        return AtKey(self._x, key)


class AtKey:
    """The elements of x at a key. Where the key names an element twice, updates happen in order:
    the last one stays set.

    `mode` says what an index outside means in an array, as in `take`; with "fill" such an update is
    left out.
    """

    __slots__ = ("_key", "_x")

    def __init__(self, x: Tensor, key: Any):
        self._x, self._key = x, key

    def get(self, mode: str = "error", fill_value: Any = 0) -> Tensor:
        """x[key]."""
        return getitem(self._x, self._key, mode, fill_value)

    def set(self, values: TensorLike, mode: str = "error") -> Tensor:
        """x with x[key] = values."""
        return updated(self._x, self._key, values, "set", mode)

    def add(self, values: TensorLike, mode: str = "error") -> Tensor:
        """x with values added at the key, once for each time that it names an element."""
        return updated(self._x, self._key, values, "add", mode)

    def multiply(self, values: TensorLike, mode: str = "error") -> Tensor:
        """x multiplied by values at the key."""
        return updated(self._x, self._key, values, "mul", mode)

    def max(self, values: TensorLike, mode: str = "error") -> Tensor:
        """x with the greater of x[key] and values; NaN if one is."""
        return updated(self._x, self._key, values, "max", mode)

    def min(self, values: TensorLike, mode: str = "error") -> Tensor:
        """x with the smaller of x[key] and values; NaN if one is."""
        return updated(self._x, self._key, values, "min", mode)


@locate_errors
def updated(x: Tensor, key: Any, values: TensorLike, combine: str, mode: str) -> Tensor:
    """x with values combined into x[key]."""
    check_mode(mode, MODES[:4])
    k = read_key(x.shape, key, write=True)
    new = broadcast_to(_assigned(values, x), k.result)
    y = strided(x, **k.ranges)
    if k.arrays:
        order = _order(k)
        kept = (*k.gathered, *k.kept)
        new = reshape(new, tuple(kept[a] for a in order))
        new = transpose(new, tuple(order.index(a) for a in range(len(order))))
        rest = rest_axes(y.ndim, k.axes, 0)
        new = reshape(new, (*k.gathered, *(y.shape[a] for a in rest)))
        block = scatter(y, new, k.arrays, k.axes, 0, mode, combine)
    else:
        new = reshape(new, y.shape)
        block = new if combine == "set" else _combine(combine)(y, new)
    return _put_back(x, y, k, block)


def _assigned(values: TensorLike, x: Tensor) -> Tensor:
    """Values to write into x: in its dtype, unless they are of a higher kind."""
    kind = promote(x.dtype, values if is_weak(values) else as_tensor(values).dtype)  # type: ignore[arg-type]
    if (kind.is_float and not x.dtype.is_float) or (x.dtype.kind == "b" and kind is not x.dtype):
        raise DTypeError(
            f"cannot put {kind} values into {x.dtype}\n  hint: convert them with astype"
        )
    return as_operand(values, x.dtype)


def _combine(name: str) -> Callable[..., Tensor]:
    if name in ("add", "mul"):
        return add if name == "add" else multiply
    from graphc.ops.arithmetic import maximum, minimum

    return maximum if name == "max" else minimum


def _put_back(x: Tensor, y: Tensor, k: Key, block: Tensor) -> Tensor:
    """x with a block in the place of its slice y."""
    if y is x:
        return block
    starts, steps = k.ranges["starts"], k.ranges["steps"]
    everywhere = broadcast_to(as_tensor(True), y.shape)
    inside = place(everywhere, x.shape, starts, steps, False)
    return where(inside, place(block, x.shape, starts, steps), x)
