"""What the gradients of max, min and prod are made of."""

from __future__ import annotations

from graphc.ir.dim_values import product
from graphc.ir.node import Tensor
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.source import iota


def first_equal(x: Tensor, extreme: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Whether an element is the first along `axes` (in row-major order) that equals the extreme;
    NaN equals NaN.

    `extreme` has the shape of x.
    """
    from graphc.ops.reduction import min, spread
    from graphc.ops.select import where

    place = _places(x, axes)
    candidate = (x == extreme) | ((x != x) & (extreme != extreme))
    first = min(where(candidate, place, _NOWHERE), axis=axes)
    return place == spread(first, x, axes)


_NOWHERE = 2**63 - 1


def _places(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The row-major number of each element among those along `axes`, in the shape of x."""
    shape = tuple(x.shape[a] for a in axes)
    return broadcast(reshape(iota((product(shape),)), shape), x.shape, axes)


def products_of_others(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """For each element the product of all others along `axes`: of those before it and those after,
    so zeros are safe.
    """
    from graphc.ops.cumulative import cumprod
    from graphc.ops.recurrence import shift

    order = (*(a for a in range(x.ndim) if a not in axes), *axes)
    moved = transpose(x, order)
    kept = moved.shape[: x.ndim - len(axes)]
    line = reshape(moved, (*kept, product(moved.shape[len(kept) :])))
    before = shift(cumprod(line, -1), 1, -1, fill=1)
    after = shift(cumprod(line, -1, reverse=True), -1, -1, fill=1)
    others = reshape(before * after, moved.shape)
    return transpose(others, tuple(order.index(k) for k in range(x.ndim)))
