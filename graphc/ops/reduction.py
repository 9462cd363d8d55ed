"""Reductions: an associative combination of the elements along some axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ir.dtypes import NUMBERS, DType, bool_, float32, float64, int64, uint64
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.types import is_static
from graphc.ops.convert import TensorLike, as_tensor, cast
from graphc.ops.layout import broadcast, normal_axes, reshape
from graphc.ops.located import locate_errors
from graphc.ops.masking import carried
from graphc.ops.reducing import Reduction


def spread(reduced: Tensor, like: Tensor, axes: tuple[int, ...]) -> Tensor:
    """A reduced tensor repeated along the axes that were reduced, to the shape of `like`."""
    return broadcast(reduced, like.shape, tuple(k for k in range(like.ndim) if k not in axes))


def _extreme_grad(node: Node, g: Tensor) -> Sequence[Tensor | None]:
    """The gradient goes to the first element that attains the extreme."""
    from graphc.ops.reduction_grads import first_equal

    (x,) = node.inputs
    axes = node.attrs["axes"]
    if 0 in x.shape:
        return (spread(g, x, axes),)
    mask = first_equal(x, spread(node.outputs[0], x, axes), axes)
    return (spread(g, x, axes) * cast(mask, x.dtype),)


def _prod_grad(node: Node, g: Tensor) -> Sequence[Tensor | None]:
    from graphc.ops.reduction_grads import products_of_others

    (x,) = node.inputs
    axes = node.attrs["axes"]
    return (spread(g, x, axes) * products_of_others(x, axes),)


def _least(dtype: DType) -> Any:
    return -np.inf if dtype.is_float else int(np.iinfo(dtype.numpy).min)


def _greatest(dtype: DType) -> Any:
    return np.inf if dtype.is_float else int(np.iinfo(dtype.numpy).max)


def _along(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, axes: function(x, axis=axes) if axes else x


def _in_float64(function: Callable[..., Any]) -> Callable[..., Any]:
    """A sum or product of float32 rounded once."""
    return lambda x, axes: function(
        x, axis=axes, dtype=float64.numpy if x.dtype == float32.numpy else x.dtype
    )


SUM = Reduction(
    "sum",
    combine="sum",
    identity=lambda d: 0,
    reference=_in_float64(np.sum),
    takes=NUMBERS,
    grad=lambda node, g: (carried(g, lambda x: spread(x, node.inputs[0], node.attrs["axes"])),),
)
PROD = Reduction(
    "prod",
    combine="prod",
    identity=lambda d: 1,
    reference=_in_float64(np.prod),
    takes=NUMBERS,
    grad=_prod_grad,
)
MAX = Reduction(
    "max",
    combine="max",
    identity=_least,
    reference=_along(np.max),
    takes=NUMBERS,
    grad=_extreme_grad,
    empty=False,
)
MIN = Reduction(
    "min",
    combine="min",
    identity=_greatest,
    reference=_along(np.min),
    takes=NUMBERS,
    grad=_extreme_grad,
    empty=False,
)
ANY = Reduction(
    "any", combine="or", identity=lambda d: False, reference=_along(np.any), takes=(bool_,)
)
ALL_ = Reduction(
    "all", combine="and", identity=lambda d: True, reference=_along(np.all), takes=(bool_,)
)
ARGMAX = Reduction(
    "argmax",
    combine="argmax",
    identity=_least,
    reference=lambda x, axes: np.argmax(x, axis=axes[0]),
    takes=NUMBERS,
    empty=False,
)
ARGMIN = Reduction(
    "argmin",
    combine="argmin",
    identity=_greatest,
    reference=lambda x, axes: np.argmin(x, axis=axes[0]),
    takes=NUMBERS,
    empty=False,
)

Axis = int | Sequence[int] | None


def reduce(op: Reduction, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    """`op` along the axes (None: all); an empty tuple of axes gives x back."""
    axes = normal_axes(axis, x.ndim)
    result = apply(op, x, axes=axes).outputs[0] if axes else x
    if not keepdims:
        return result
    return reshape(result, tuple(1 if k in axes else d for k, d in enumerate(x.shape)))


def _accumulator(dtype: DType) -> DType:
    """NumPy's result type of a sum: small integers and bools become 64-bit."""
    if dtype.kind == "u":
        return uint64
    return dtype if dtype.is_float else int64


@locate_errors
def sum(x: TensorLike, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """Sum of elements along axes; integers and bools are summed as 64-bit integers unless `dtype`
    says otherwise.
    """
    x = as_tensor(x)
    return reduce(SUM, cast(x, dtype or _accumulator(x.dtype)), axis, keepdims)


@locate_errors
def prod(x: TensorLike, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """Product of elements along axes; integers and bools as 64-bit integers unless `dtype` says
    otherwise.
    """
    x = as_tensor(x)
    return reduce(PROD, cast(x, dtype or _accumulator(x.dtype)), axis, keepdims)


@locate_errors
def max(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest element along axes; NaN if one is NaN. The gradient goes to the first largest."""
    x = as_tensor(x)
    return any(x, axis, keepdims) if x.dtype is bool_ else reduce(MAX, x, axis, keepdims)


def largest(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """`max`, and of no elements the least number: what exponentials are taken relative to."""
    axes = normal_axes(axis, x.ndim)
    shape = tuple(1 if k in axes else d for k, d in enumerate(x.shape))
    lengths = [x.shape[a] for a in axes]
    empty = {} if is_static(lengths) and 0 not in lengths else {"empty": True}
    result = apply(MAX, x, axes=axes, **empty).outputs[0] if axes else x
    return reshape(result, shape) if keepdims else result


@locate_errors
def min(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Smallest element along axes; NaN if one is NaN. The gradient goes to the first smallest."""
    x = as_tensor(x)
    return all(x, axis, keepdims) if x.dtype is bool_ else reduce(MIN, x, axis, keepdims)


@locate_errors
def any(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether any element along axes is true (not zero)."""
    return reduce(ANY, cast(as_tensor(x), bool_), axis, keepdims)


@locate_errors
def all(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether all elements along axes are true (not zero)."""
    return reduce(ALL_, cast(as_tensor(x), bool_), axis, keepdims)


def _arg(op: Reduction, x: TensorLike, axis: int | None, keepdims: bool) -> Tensor:
    x = as_tensor(x)
    if x.dtype is bool_:
        x = cast(x, "uint8")
    if axis is None:
        flat = apply(op, reshape(x, -1), axes=(0,)).outputs[0]
        return reshape(flat, (1,) * x.ndim) if keepdims else flat
    return reduce(op, x, int(axis), keepdims)


@locate_errors
def argmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Position (int64) of the first largest element along an axis, or in the flattened tensor; a
    NaN is largest.
    """
    return _arg(ARGMAX, x, axis, keepdims)


@locate_errors
def argmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Position (int64) of the first smallest element along an axis, or in the flattened tensor; a
    NaN is smallest.
    """
    return _arg(ARGMIN, x, axis, keepdims)
