"""Axes moved, added and merged: compositions of transpose and reshape."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dim_values import product
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.ir.plain import plain
from graphc.ops.convert import TensorLike, as_tensor, broadcast_all
from graphc.ops.layout import normal_axis, reshape, transpose
from graphc.ops.located import locate_errors


@locate_errors
def permute_dims(x: TensorLike, axes: Sequence[int]) -> Tensor:
    """x with its axes in this order."""
    return transpose(as_tensor(x), axes)


@locate_errors
def matrix_transpose(x: TensorLike) -> Tensor:
    """x with its last two axes exchanged."""
    x = as_tensor(x)
    if x.ndim < 2:
        raise ShapeError(f"two axes needed, not {x.ndim}")
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


@locate_errors
def moveaxis(
    x: TensorLike, source: int | Sequence[int], destination: int | Sequence[int]
) -> Tensor:
    """x with the axes `source` at the positions `destination`, the others in their order."""
    x = as_tensor(x)
    source, destination = plain(source), plain(destination)
    sources = [source] if isinstance(source, int) else list(source)
    targets = [destination] if isinstance(destination, int) else list(destination)
    if len(sources) != len(targets):
        raise ShapeError(f"{len(sources)} axes to move but {len(targets)} destinations")
    pairs = zip(targets, sources, strict=True)
    moves = sorted((normal_axis(t, x.ndim), normal_axis(s, x.ndim)) for t, s in pairs)
    order = [k for k in range(x.ndim) if k not in {s for _, s in moves}]
    for target, moved in moves:
        order.insert(target, moved)
    return transpose(x, order)


@locate_errors
def swapaxes(x: TensorLike, axis1: int, axis2: int) -> Tensor:
    """x with two axes exchanged."""
    x = as_tensor(x)
    order = list(range(x.ndim))
    a, b = normal_axis(axis1, x.ndim), normal_axis(axis2, x.ndim)
    order[a], order[b] = b, a
    return transpose(x, order)


@locate_errors
def ravel(x: TensorLike) -> Tensor:
    """All elements of x along one axis, in row-major order."""
    x = as_tensor(x)
    return reshape(x, (x.size,))


@locate_errors
def flatten(x: TensorLike, start: int = 0, stop: int = -1) -> Tensor:
    """x with the axes from `start` to `stop` (included) merged into one."""
    x = as_tensor(x)
    if x.ndim == 0:
        return reshape(x, (1,))
    first, last = normal_axis(start, x.ndim), normal_axis(stop, x.ndim)
    if first > last:
        raise ShapeError(f"axis {first} does not come before axis {last}")
    merged = product(x.shape[first : last + 1])
    return reshape(x, (*x.shape[:first], merged, *x.shape[last + 1 :]))


def atleast_1d(x: TensorLike) -> Tensor:
    """x, a scalar as one element."""
    x = as_tensor(x)
    return reshape(x, (1,)) if x.ndim == 0 else x


def atleast_2d(x: TensorLike) -> Tensor:
    """x with at least two axes, new ones in front."""
    x = atleast_1d(x)
    return reshape(x, (1, *x.shape)) if x.ndim == 1 else x


def atleast_3d(x: TensorLike) -> Tensor:
    """x with at least three axes; a vector of n elements becomes (1, n, 1), a matrix gets a last
    axis.
    """
    x = atleast_1d(x)
    if x.ndim == 1:
        return reshape(x, (1, *x.shape, 1))
    return reshape(x, (*x.shape, 1)) if x.ndim == 2 else x


def broadcast_arrays(*arrays: TensorLike) -> tuple[Tensor, ...]:
    """The arrays, each of its own dtype, repeated to their common shape."""
    return broadcast_all("broadcast_arrays", tuple(as_tensor(x) for x in arrays))


def line_order(ndim: int, axis: int) -> tuple[int, ...]:
    """The order of axes with this one last."""
    return (*(k for k in range(ndim) if k != axis), axis)
