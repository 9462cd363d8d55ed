"""Running sums, products and extremes along an axis; differences and the trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import FLOATS, NUMBERS, DType, bool_, float64
from graphc.ir.errors import DTypeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Op, Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike, as_tensor, cast
from graphc.ops.exponential import exp
from graphc.ops.layout import broadcast, normal_axis, reshape
from graphc.ops.located import locate_errors
from graphc.ops.recurrence import linear_recurrence, shift
from graphc.ops.running import carried, write_running
from graphc.ops.sampling import moved
from graphc.ops.select import where
from graphc.ops.source import constant

Grad = Callable[[Node, Tensor], Tensor]


class Cumulative(Op):
    """Element t along `axis` combines the elements up to t; with `reverse`, those from t on.

    `combine(ops, total, x)` is one step and `identity(dtype)` the total before the first. 16-bit
    floats are carried in float32 and rounded when stored.
    """

    lowering = "loops"

    def __init__(
        self,
        name: str,
        *,
        combine: Callable[[Any, Any, Any], Any],
        identity: Callable[[DType], Any],
        reference: Callable[..., Any],
        grad: Grad,
        takes: Sequence[DType] = NUMBERS,
    ):
        super().__init__(name)
        self.combine, self.identity, self._reference = combine, identity, reference
        self._grad, self.takes = grad, tuple(takes)

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        if inputs[0].dtype not in self.takes:
            takes = ", ".join(map(str, self.takes))
            raise DTypeError(f"does not take {inputs[0].dtype}; it takes {takes}")
        return inputs

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        return (self._grad(node, g),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        attrs = {**node.attrs, "axis": node.attrs["axis"] + 1}
        return apply(self, inputs[0], **attrs).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,) = inputs
        half = x.dtype.itemsize == 2 and x.dtype.kind not in "iu"
        wide = np.moveaxis(x.astype(np.float32 if half else x.dtype), attrs["axis"], 0)
        wide = wide[::-1] if attrs["reverse"] else wide
        with np.errstate(all="ignore"):
            result = np.asarray(self._reference(wide))
        result = result[::-1] if attrs["reverse"] else result
        return np.moveaxis(result, 0, attrs["axis"]).astype(x.dtype)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        wide = carried(node.types[0].dtype)
        start = kernel.ops.const(self.identity(wide), wide)
        write_running(
            node,
            kernel,
            lambda x, total: self.combine(kernel.ops, start if total is None else total, x[0]),
        )

    def samples(self) -> Sequence[Sample]:
        return tuple(
            sample
            for reverse in (False, True)
            for axis, shape, dtypes in (
                (1, (3, 4, 2), self.takes),
                (0, (5,), (float64,)),
                (0, (0, 2), (float64,)),
                (1, (2, 1), (float64,)),
            )
            for sample in moved([shape], {"axis": axis, "reverse": reverse}, dtypes)
        )


def _attrs(node: Node) -> tuple[int, bool, int]:
    """The axis, whether it runs in reverse, and the direction in which time runs along it."""
    return node.attrs["axis"], node.attrs["reverse"], -1 if node.attrs["reverse"] else 1


def _sum_grad(node: Node, g: Tensor) -> Tensor:
    axis, reverse, _ = _attrs(node)
    return _running(_SUM, g, axis, not reverse)


def _product_grad(node: Node, g: Tensor) -> Tensor:
    """dx[k] = prod(x before k) * sum over t >= k of g[t] * prod(x between k and t): no division, so
    zeros are safe.
    """
    axis, reverse, step = _attrs(node)
    later = linear_recurrence(shift(node.inputs[0], -step, axis), g, axis, not reverse)
    return shift(node.outputs[0], step, axis, fill=1) * later


def _extreme_grad(node: Node, g: Tensor) -> Tensor:
    """Each cotangent goes to the element that set the extreme: the first of equals."""
    axis, reverse, step = _attrs(node)
    (x,), y = node.inputs, node.outputs[0]
    before = shift(y, step, axis)
    beaten = x > before if node.op is _MAX else x < before
    fresh = ((x != x) & (before == before)) | beaten
    first = shift(broadcast(constant(False), x.shape, ()), step, axis, fill=1)
    starts = cast(fresh | first, x.dtype)
    return starts * linear_recurrence(shift(1 - starts, -step, axis), g, axis, not reverse)


def _logsumexp_grad(node: Node, g: Tensor) -> Tensor:
    """dx[k] = sum over t >= k of g[t] * exp(x[k] - y[t]), by a recurrence whose factors are at most
    1.
    """
    axis, reverse, step = _attrs(node)
    (x,), y = node.inputs, node.outputs[0]
    empty = y == -np.inf  # exp(x - y) would be NaN where nothing but -inf has come
    after = shift(y, -step, axis)
    after = where(after == -np.inf, 0, after)
    decay = exp(where(y > after, 0, y - after))  # y > after only beyond the end: keeps it finite
    later = linear_recurrence(decay, g, axis, not reverse)
    return exp(x - where(empty, 0, y)) * later


def _least(dtype: DType) -> Any:
    return -np.inf if dtype.is_float else int(np.iinfo(dtype.numpy).min)


def _greatest(dtype: DType) -> Any:
    return np.inf if dtype.is_float else int(np.iinfo(dtype.numpy).max)


def _log_add(ops: Any, a: Any, b: Any) -> Any:
    """log(exp(a) + exp(b)) without overflow; equal infinities keep their sign."""
    top = ops.maximum(a, b)
    gap = ops.select(ops.equal(a, b), ops.const(0, a.dtype), -ops.absolute(a - b))
    return top + ops.math("log1p", ops.math("exp", gap))


_SUM = Cumulative(
    "cumsum",
    combine=lambda ops, total, x: total + x,
    identity=lambda d: -0.0 if d.is_float else 0,  # -0.0 + x is x, also for x = -0.0
    reference=lambda x: np.cumsum(x, axis=0, dtype=x.dtype),
    grad=_sum_grad,
)
_PRODUCT = Cumulative(
    "cumprod",
    combine=lambda ops, total, x: total * x,
    identity=lambda d: 1,
    reference=lambda x: np.cumprod(x, axis=0, dtype=x.dtype),
    grad=_product_grad,
)
_MAX = Cumulative(
    "cummax",
    combine=lambda ops, total, x: ops.maximum(total, x),
    identity=_least,
    reference=lambda x: np.maximum.accumulate(x, axis=0),
    grad=_extreme_grad,
)
_MIN = Cumulative(
    "cummin",
    combine=lambda ops, total, x: ops.minimum(total, x),
    identity=_greatest,
    reference=lambda x: np.minimum.accumulate(x, axis=0),
    grad=_extreme_grad,
)
_LOGSUMEXP = Cumulative(
    "cumlogsumexp",
    combine=_log_add,
    identity=lambda d: -np.inf,
    reference=lambda x: np.logaddexp.accumulate(x, axis=0),
    grad=_logsumexp_grad,
    takes=FLOATS,
)


def _running(op: Cumulative, x: Tensor, axis: int, reverse: bool) -> Tensor:
    return apply(op, x, axis=axis, reverse=reverse).outputs[0]


def _along(op: Cumulative, x: Tensor, axis: int | None, reverse: bool) -> Tensor:
    """`op` along an axis, or along the flattened tensor for None."""
    if axis is None:
        return _running(op, reshape(x, -1), 0, reverse)
    return _running(op, x, normal_axis(axis, x.ndim), reverse)


def _summable(x: TensorLike, dtype: Any) -> Tensor:
    """x in the dtype of its sum: 64-bit integers for bools and integers."""
    x = as_tensor(x)
    if dtype is None and not x.dtype.is_float:
        dtype = "uint64" if x.dtype.kind == "u" else "int64"
    return x if dtype is None else cast(x, dtype)


@locate_errors
def cumsum(
    x: TensorLike, axis: int | None = None, dtype: Any = None, reverse: bool = False
) -> Tensor:
    """Running sums along an axis (None: of the flattened tensor); integers and bools are summed as
    64-bit integers.
    """
    return _along(_SUM, _summable(x, dtype), axis, reverse)


@locate_errors
def cumprod(
    x: TensorLike, axis: int | None = None, dtype: Any = None, reverse: bool = False
) -> Tensor:
    """Running products along an axis (None: of the flattened tensor); integers as in `cumsum`."""
    return _along(_PRODUCT, _summable(x, dtype), axis, reverse)


@locate_errors
def cummax(x: TensorLike, axis: int | None = None, reverse: bool = False) -> Tensor:
    """Running largest element along an axis; NaN from the first NaN on. The gradient goes to the
    first of equals.
    """
    return _along(_MAX, _numeric(x), axis, reverse)


@locate_errors
def cummin(x: TensorLike, axis: int | None = None, reverse: bool = False) -> Tensor:
    """Running smallest element along an axis; NaN from the first NaN on. The gradient goes to the
    first of equals.
    """
    return _along(_MIN, _numeric(x), axis, reverse)


@locate_errors
def cumlogsumexp(x: TensorLike, axis: int | None = None, reverse: bool = False) -> Tensor:
    """Running log(sum(exp(x))) along an axis, computed without overflow."""
    return _along(_LOGSUMEXP, as_tensor(x), axis, reverse)


def _numeric(x: TensorLike) -> Tensor:
    x = as_tensor(x)
    return cast(x, "uint8") if x.dtype is bool_ else x


@locate_errors
def diff(x: TensorLike, n: int = 1, axis: int = -1) -> Tensor:
    """The n-th differences of neighbours along an axis, which becomes n shorter; of bools, whether
    they differ.
    """
    x = as_tensor(x)
    axis = normal_axis(axis, x.ndim)
    for _ in range(n):
        later = x[(slice(None),) * axis + (slice(1, None),)]
        earlier = x[(slice(None),) * axis + (slice(None, -1),)]
        x = later != earlier if x.dtype is bool_ else later - earlier
    return x


@locate_errors
def trace(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sum of a diagonal of the matrices in two axes."""
    from graphc.ops.diagonal import diagonal
    from graphc.ops.reduction import sum

    return sum(diagonal(as_tensor(x), offset, axis1, axis2), axis=-1)
