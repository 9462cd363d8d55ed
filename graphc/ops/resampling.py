"""Images at other places: resized, sampled between pixels, channels turned into pixels."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dims import Dim, floordiv, mod
from graphc.ir.dtypes import DType, float64, int64
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Tensor
from graphc.ir.types import Shape
from graphc.ops.arithmetic import maximum, minimum
from graphc.ops.convert import TensorLike, as_operand, as_tensor, cast
from graphc.ops.extent import extent
from graphc.ops.indexing.gather import gather, take
from graphc.ops.joining import stack
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.located import locate_errors
from graphc.ops.rounding import floor
from graphc.ops.source import as_shape, iota


@locate_errors
def resize(x: TensorLike, size: Dim | Sequence[Dim | str], method: str = "linear") -> Tensor:
    """An image (N, C, *sizes) of these spatial sizes: "linear" between the two nearest pixels along
    each axis, or the "nearest" one.

    Pixels are squares, of which the corners of both images coincide (half-pixel centres); beyond
    the outer centres the outer pixel counts.
    """
    x = as_tensor(x)
    lengths = _lengths(x, size)
    if method not in ("linear", "nearest"):
        raise ShapeError(f'a method is "linear" or "nearest", not {method!r}')
    if method == "linear" and not x.dtype.is_float:
        raise DTypeError(f"interpolation is of floats, not {x.dtype}")
    for axis, length in enumerate(lengths, start=2):
        x = _resized(x, axis, length, method)
    return x


def _lengths(x: Tensor, size: Dim | Sequence[Dim | str]) -> Shape:
    n = x.ndim - 2
    if n < 1:
        raise ShapeError(f"an image (N, C, *sizes) is needed, not {x.type}")
    items = list(size) if isinstance(size, (tuple, list)) else [size] * n
    if len(items) != n:
        raise ShapeError(f"{n} sizes are needed, not {len(items)}")
    return as_shape(items)


def _resized(x: Tensor, axis: int, length: Dim, method: str) -> Tensor:
    n = x.shape[axis]
    if n == length:
        return x
    centre = (iota((length,), dtype=float64) + 0.5) * (extent(n, float64) / extent(length, float64))
    if method == "nearest":
        return take(x, cast(floor(centre), int64), axis, "clip")
    last = extent(n, float64) - 1
    place = minimum(maximum(centre - 0.5, 0.0), last)
    below = floor(place)
    first = cast(below, int64)
    weight = broadcast(cast(place - below, x.dtype), _along(x, axis, length), (axis,))
    a, b = (take(x, first + k, axis, "clip") for k in (0, 1))
    return a + (b - a) * weight


def _along(x: Tensor, axis: int, length: Dim) -> Shape:
    return tuple(length if k == axis else d for k, d in enumerate(x.shape))


@locate_errors
def sample_linear(x: TensorLike, rows: TensorLike, columns: TensorLike) -> Tensor:
    """Images (N, C, H, W) at places (rows, columns) between pixels, both (N, *places): (N, C,
    *places).

    Each is the mean of the four pixels around, weighted by nearness; what is outside is 0. Places
    have gradients too.
    """
    x = as_tensor(x)
    i, j = as_operand(rows, x.dtype), as_operand(columns, x.dtype)
    if x.ndim != 4 or not x.dtype.is_float:
        raise ShapeError(f"images (N, C, H, W) of floats are needed, not {x.type}")
    if i.shape != j.shape or i.ndim < 1 or i.shape[0] != x.shape[0]:
        raise ShapeError(f"places (N, ...) are needed for {x.type}, not {i.type} and {j.type}")
    top, left = floor(i), floor(j)
    total: Tensor | None = None
    for di, dj in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = _nearness(i - top, di) * _nearness(j - left, dj)
        indices = [cast(top, int64) + di, cast(left, int64) + dj]
        seen = gather(x, indices, (2, 3), 1, "fill")
        spread = broadcast(weight, seen.shape, tuple(range(weight.ndim)))
        total = seen * spread if total is None else total + seen * spread
    assert total is not None
    return transpose(total, (0, total.ndim - 1, *range(1, total.ndim - 1)))


def _nearness(offset: Tensor, corner: int) -> Tensor:
    return offset if corner else 1 - offset


@locate_errors
def grid_sample(x: TensorLike, grid: TensorLike) -> Tensor:
    """Images (N, C, H, W) at the places of a grid (N, *places, 2) of (x, y), where -1 and 1 are the
    centres of the corner pixels: `sample_linear` in other units.
    """
    x = as_tensor(x)
    places = as_operand(grid, x.dtype)
    if x.ndim != 4 or places.ndim < 2 or places.shape[-1] != 2:
        raise ShapeError(f"a grid (N, ..., 2) for images (N, C, H, W), not {places.type}")
    columns, rows = (
        (places[..., k] + 1) * ((extent(x.shape[3 - k], x.dtype) - 1) / 2) for k in (0, 1)
    )
    return sample_linear(x, rows, columns)


@locate_errors
def affine_grid(theta: TensorLike, size: tuple[int, int], dtype: DType | None = None) -> Tensor:
    """The grid of `grid_sample` that takes pixel (x', y') of a `size` image from theta [x', y', 1],
    for theta (N, 2, 3).
    """
    theta = as_tensor(theta, dtype)
    if theta.ndim != 3 or theta.shape[1:] != (2, 3):
        raise ShapeError(f"theta is (N, 2, 3), not {theta.type}")
    h, w = size
    y, x = (_centres(n, k, (h, w), theta) for k, n in enumerate(size))
    shape = (theta.shape[0], h, w)
    parts = []
    for row in range(2):
        a, b, c = (broadcast(theta[:, row, k], shape, (0,)) for k in range(3))
        parts.append(a * broadcast(x, shape, (1, 2)) + b * broadcast(y, shape, (1, 2)) + c)
    return stack(parts, axis=-1)


def _centres(n: int, axis: int, shape: tuple[int, int], like: Tensor) -> Tensor:
    """-1 to 1 along an axis of a shape; the middle, 0, of a single pixel."""
    if n == 1:
        return broadcast(as_operand(0.0, like.dtype), shape, ())
    return iota(shape, axis, like.dtype) * (2 / (n - 1)) - 1


@locate_errors
def pixel_shuffle(x: TensorLike, factor: int) -> Tensor:
    """(N, C * factor**n, *sizes) as (N, C, *(factor * sizes)): channels become pixels, the first of
    the factors along the first axis.
    """
    x = as_tensor(x)
    n = x.ndim - 2
    if factor < 1 or n < 1 or mod(x.shape[1], factor**n) != 0:
        raise ShapeError(f"{x.type} has no channels for {n} axes times {factor}")
    channels = floordiv(x.shape[1], factor**n)
    split = reshape(x, (x.shape[0], channels, *(factor,) * n, *x.shape[2:]))
    order = (0, 1, *(axis for k in range(n) for axis in (2 + n + k, 2 + k)))
    return reshape(
        transpose(split, order), (x.shape[0], channels, *(d * factor for d in x.shape[2:]))
    )


@locate_errors
def channel_shuffle(x: TensorLike, groups: int) -> Tensor:
    """The channels of an image dealt out: one of each group in turn. That with C / groups undoes
    it.
    """
    x = as_tensor(x)
    if groups < 1 or x.ndim < 2 or mod(x.shape[1], groups) != 0:
        raise ShapeError(f"the channels of {x.type} do not fall into {groups} groups")
    each = floordiv(x.shape[1], groups)
    split = reshape(x, (x.shape[0], groups, each, *x.shape[2:]))
    return reshape(transpose(split, (0, 2, 1, *range(3, split.ndim))), x.shape)
