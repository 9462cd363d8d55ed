"""Reductions: an associative combination of the elements along some axes."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import NUMBERS, DType, as_dtype, bool_, float32, float64, int64, uint64
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op, Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike, as_tensor, cast
from graphc.ops.layout import broadcast, normal_axes, reshape
from graphc.ops.located import locate_errors

Grad = Callable[[Node, Tensor], Sequence[Tensor | None]]


class Reduction(Op):
    """`combine` names how two elements become one; `identity(dtype)` is its neutral element.

    Elements of 16-bit floats are summed and multiplied in float32.
    """

    lowering = "reduce"

    def __init__(
        self,
        name: str,
        *,
        combine: str,
        identity: Callable[[DType], Any],
        reference: Callable[..., Any],
        takes: Sequence[DType],
        grad: Grad | None = None,
        empty: bool = True,
    ):
        super().__init__(name)
        self.combine, self.identity, self._reference = combine, identity, reference
        self.takes, self._grad, self.empty = tuple(takes), grad, empty

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.dtype not in self.takes:
            raise DTypeError(f"does not take {x.dtype}; it takes {', '.join(map(str, self.takes))}")
        axes = attrs["axes"]
        if not self.empty and builtins.any(x.shape[a] == 0 for a in axes):
            raise ShapeError(f"{self.name} of no elements has no value: {x} along {axes}")
        shape = tuple(d for k, d in enumerate(x.shape) if k not in axes)
        return (TensorType(int64 if self.combine.startswith("arg") else x.dtype, shape),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        if self._grad is None:
            return (None,) if not node.types[0].dtype.is_float else super().grad(node, g)
        assert g is not None
        return self._grad(node, g)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        shifted = tuple(a + 1 for a in node.attrs["axes"])
        return apply(self, inputs[0], **{**node.attrs, "axes": shifted}).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,) = inputs
        wide = x.astype(np.float32) if as_dtype(x.dtype).is_float and x.dtype.itemsize == 2 else x
        with np.errstate(all="ignore"):
            result = self._reference(wide, attrs["axes"])
        dtype = np.dtype(np.int64) if self.combine.startswith("arg") else x.dtype
        return np.asarray(result).astype(dtype)

    def cost(self, node: Node) -> Dim:
        return node.inputs[0].size

    def samples(self) -> Sequence[Sample]:
        arg = self.combine.startswith("arg")
        axes: Sequence[tuple[int, ...]] = ((1,), (2,))
        if not arg:
            axes = ((0, 2), (1,), (2,), (0,), (0, 1, 2))
        plain = [_sample(d, (3, 4, 5), some) for d in self.takes for some in axes]
        edges = [_sample(self.takes[-1], shape, (1,)) for shape in ((0, 3), (3, 1))]
        if self.empty:
            edges.append(_sample(self.takes[-1], (3, 0), (1,)))
        if float32 in self.takes:
            edges += [Sample(_specials, {"axes": (1,)}, (), "NaN, infinities, signed zeros")]
        return (*plain, *edges)


def _sample(dtype: DType, shape: tuple[int, ...], axes: tuple[int, ...]) -> Sample:
    return Sample(lambda rng: (_draw(rng, dtype, shape),), {"axes": axes}, note=str(dtype))


def _draw(rng: Any, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    if dtype is bool_:
        return np.asarray(rng.random(shape) < 0.7)
    if dtype.is_integer:
        low = 0 if dtype.kind == "u" else -3
        return np.asarray(rng.integers(low, 4, shape).astype(dtype.numpy))
    return np.asarray(rng.uniform(-2, 2, shape)).astype(dtype.numpy)


def _specials(rng: Any) -> tuple[np.ndarray, ...]:
    nan, inf = np.nan, np.inf
    rows = [[1, nan, 2, nan], [-inf, -inf, -inf, -inf], [inf, 1, inf, 0], [-1, -2, -inf, -3]]
    return (np.asarray(rows, float32.numpy),)


def spread(reduced: Tensor, like: Tensor, axes: tuple[int, ...]) -> Tensor:
    """A reduced tensor repeated along the axes that were reduced, to the shape of `like`."""
    return broadcast(reduced, like.shape, tuple(k for k in range(like.ndim) if k not in axes))


def _extreme_grad(node: Node, g: Tensor) -> Sequence[Tensor | None]:
    """The gradient goes to the first element that attains the extreme."""
    from graphc.ops.reduction_grads import first_equal

    (x,) = node.inputs
    axes = node.attrs["axes"]
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
    grad=lambda node, g: (spread(g, node.inputs[0], node.attrs["axes"]),),
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
