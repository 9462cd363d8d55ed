"""Positions: in a sorted array, of a flat index, of the elements that are not zero; and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim
from graphc.ir.dtypes import NUMBERS, bool_, int64, uint8
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Op, Sample
from graphc.ir.types import TensorType
from graphc.ops.comparison import less
from graphc.ops.convert import TensorLike, as_tensor, cast, common_dtype
from graphc.ops.creation import full, zeros
from graphc.ops.indexing.gather import spread_indices, take
from graphc.ops.indexing.modes import as_indices
from graphc.ops.indexing.scatter import scatter
from graphc.ops.indexing.search_kernel import write_search
from graphc.ops.layout import reshape
from graphc.ops.located import locate_errors
from graphc.ops.reduction import sum as sum_of
from graphc.ops.sampling import FEW
from graphc.ops.select import where
from graphc.ops.source import as_shape, constant, iota


class SearchSorted(Op):
    """Where each value would go into the sorted last axis of `a` to keep it sorted (int64).

    Before equal elements with `side` "left", after them with "right". The first `batch` axes of
    both inputs run together; `a` has one more.
    """

    lowering = "loops"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        a, values = inputs
        batch = attrs["batch"]
        if a.dtype is not values.dtype or a.dtype not in NUMBERS:
            raise DTypeError(f"operands of one numeric dtype needed, not {a} and {values}")
        if a.ndim != batch + 1 or a.shape[:batch] != values.shape[:batch]:
            raise ShapeError(f"a sorted vector needed, not {a}")
        return (TensorType(int64, values.shape),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        return (None, None)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        if axes[0] is None and not node.attrs["batch"]:
            return apply(self, *inputs, **node.attrs).outputs
        both = spread_indices(inputs, axes, size)
        return apply(self, *both, **{**node.attrs, "batch": node.attrs["batch"] + 1}).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        half = inputs[0].dtype.itemsize == 2 and inputs[0].dtype.kind not in "iu"
        a, values = (x.astype(np.float32) if half else x for x in inputs)
        result = np.empty(values.shape, np.int64)
        for k in np.ndindex(*a.shape[:-1]):
            result[k] = np.searchsorted(a[k], values[k], attrs["side"])
        return result

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        write_search(node, kernel)

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        def make(rng: Any, dtype: Any, n: int) -> tuple[np.ndarray[Any, Any], ...]:
            a = np.sort(rng.integers(0, 9, n)).astype(dtype.numpy)
            values = rng.integers(0, 10, (2, 5)).astype(dtype.numpy)
            if dtype.is_float:
                values[0, 0] = np.nan
                a[n // 2 :][-1:] = np.nan
            return a, values

        return tuple(
            Sample(lambda rng, d=d, n=n: make(rng, d, n), {"batch": 0, "side": side}, note=str(d))  # type: ignore[misc]
            for side in ("left", "right")
            for n, dtypes in ((7, NUMBERS), (0, FEW), (1, FEW))
            for d in dtypes
        )


_SEARCH = SearchSorted("searchsorted")


@locate_errors
def searchsorted(
    a: TensorLike, values: TensorLike, side: str = "left", sorter: TensorLike | None = None
) -> Tensor:
    """Where each value would go into the sorted vector `a` (in the order `sorter`, if given).

    With side "left", i is such that a[i-1] < value <= a[i]; with "right", a[i-1] <= value < a[i].
    """
    if side not in ("left", "right"):
        raise ShapeError(f'side is "left" or "right", not {side!r}')
    dtype = common_dtype("searchsorted", (a, values))
    dtype = uint8 if dtype is bool_ else dtype
    line, wanted = (cast(as_tensor(x), dtype) for x in (a, values))
    if sorter is not None:
        line = take(line, as_indices(sorter), 0)
    return apply(_SEARCH, line, wanted, batch=0, side=side).outputs[0]


@locate_errors
def digitize(x: TensorLike, bins: TensorLike, right: bool = False) -> Tensor:
    """The bin of each x, for increasing `bins`: i with bins[i-1] <= x < bins[i], or, if `right`, <
    and <=.
    """
    return searchsorted(bins, x, "left" if right else "right")


@locate_errors
def bincount(x: TensorLike, weights: TensorLike | None = None, length: Any = None) -> Tensor:
    """How often each of 0, 1, ..., length - 1 is in x, or the sum of its weights.

    The length must be given, as shapes are known before values; a value outside fails the call.
    """
    if length is None:
        raise ShapeError("the length of the result must be given\n  hint: bincount(x, length=...)")
    flat = reshape(as_indices(x), (as_indices(x).size,))
    counted = constant(1, int64) if weights is None else as_tensor(weights)
    updates = full(flat.shape, 1, int64) if weights is None else reshape(counted, flat.shape)
    places = cast(flat, "uint64") if flat.dtype.kind == "i" else flat
    return scatter(zeros(length, updates.dtype), updates, [places], [0], combine="add")


@locate_errors
def unravel_index(indices: TensorLike, shape: Any) -> tuple[Tensor, ...]:
    """The index into each axis of `shape` of the elements at these row-major positions (int64)."""
    from graphc.ops.division import floor_divide, remainder
    from graphc.ops.extent import extent

    rest = cast(as_indices(indices), int64)
    found: list[Tensor] = []
    for d in reversed(as_shape(shape)):
        found.append(remainder(rest, extent(d)))
        rest = floor_divide(rest, extent(d))
    return tuple(reversed(found))


@locate_errors
def nonzero(x: TensorLike, size: Any, fill_value: int = 0) -> tuple[Tensor, ...]:
    """The index into each axis of the elements that are not zero, in row-major order.

    Shapes are known before values, so `size` says how many: more are left out, fewer are followed
    by `fill_value`.
    """
    from graphc.ops.cumulative import cumsum

    x = as_tensor(x)
    if x.ndim == 0:
        raise ShapeError("an array with an axis is needed, not a scalar")
    (count,) = as_shape(size)
    mask = cast(reshape(x, (x.size,)), bool_)
    order = cumsum(cast(mask, int64), axis=0) - 1
    places = where(mask, order, -1)
    flat = scatter(zeros(count, int64), iota((product(x.shape),)), [places], [0], 0, "fill")
    known = less(iota((count,)), sum_of(cast(mask, int64)))
    return tuple(where(known, axis, fill_value) for axis in unravel_index(flat, x.shape))
