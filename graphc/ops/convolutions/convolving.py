"""Convolutions as users write them: strides, padding, dilation, groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphc.ir.dims import Dim, bounds, floordiv, maximum, minimum
from graphc.ir.dtypes import bool_, int64
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.ir.plain import plain
from graphc.ir.types import Shape
from graphc.ops.convert import TensorLike, as_operand, as_tensor, cast, common_dtype, floating_of
from graphc.ops.convolutions.axes import Line
from graphc.ops.convolutions.convolution import sum_of
from graphc.ops.convolutions.windows import windows
from graphc.ops.indexing.slicing import flip
from graphc.ops.layout import reshape, transpose
from graphc.ops.linear.contraction import dot_general
from graphc.ops.located import locate_errors

PerAxis = int | Sequence[int]
Padding = str | int | Sequence[int] | Sequence[tuple[int, int]]


def per_axis(value: PerAxis, n: int, name: str, least: int = 1) -> tuple[int, ...]:
    """One int for each of n spatial axes; raises ShapeError where one is below `least`."""
    value = plain(value)
    items = tuple(map(plain, value)) if isinstance(value, Iterable) else (value,) * n
    if len(items) != n or any(not isinstance(k, int) or k < least for k in items):
        raise ShapeError(f"{name} is an int or {n} ints of at least {least}, not {value}")
    return items


def pad_widths(
    padding: Padding, sizes: Sequence[Dim], spans: Sequence[int], strides: Sequence[int]
) -> list[tuple[Dim, Dim]]:
    """Elements added before and after each axis, for a kernel that spans so many elements.

    "same" gives ceil(size / stride) positions, with the odd element after; "full" lets the kernel
    touch every element with each of its taps; negative numbers take elements away.
    """
    if padding == "same":
        return [_same(n, span, s) for n, span, s in zip(sizes, spans, strides, strict=True)]
    if padding in ("valid", "full"):
        return [(0, 0) if padding == "valid" else (span - 1, span - 1) for span in spans]
    padding = plain(padding)
    items: Sequence[Any] = (padding,) * len(sizes) if isinstance(padding, int) else padding
    given = [plain(p) for p in items]
    pairs: list[Any] = [(p, p) if isinstance(p, int) else tuple(map(plain, p)) for p in given]
    if isinstance(padding, str) or len(pairs) != len(sizes) or any(len(p) != 2 for p in pairs):
        raise ShapeError(
            f'padding is "valid", "same", "full", an int, or an int or a pair for each of'
            f" {len(sizes)} axes, not {padding!r}"
        )
    return [(before, after) for before, after in pairs]


def _same(size: Dim, span: int, stride: int) -> tuple[Dim, Dim]:
    positions = floordiv(size + stride - 1, stride)
    total = maximum((positions - 1) * stride + span - size, 0)
    return floordiv(total, 2), total - floordiv(total, 2)


def count_positions(
    sizes: Sequence[Dim],
    spans: Sequence[int],
    strides: Sequence[int],
    widths: Sequence[tuple[Dim, Dim]],
    ceil: bool = False,
) -> Shape:
    """In how many positions each kernel axis fits; raises ShapeError where certainly in none.

    `ceil`: one position more where elements are left over, if it begins on or before an element.
    """
    found: list[Dim] = []
    for n, span, stride, (before, after) in zip(sizes, spans, strides, widths, strict=True):
        room = n + before + after - span
        _, most = bounds(room)
        if most is not None and most < 0:
            raise ShapeError(f"a kernel spanning {span} elements does not fit {n + before + after}")
        fits = floordiv(room, stride) + 1
        if ceil:
            fits = (
                minimum(floordiv(room + stride - 1, stride), floordiv(n + before - 1, stride)) + 1
            )
        found.append(fits)
    return tuple(found)


def span_of(taps: int, dilation: int) -> int:
    """Elements from the first to the last tap."""
    return (taps - 1) * dilation + 1


@locate_errors
def conv(
    x: TensorLike,
    w: TensorLike,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
    spread: PerAxis = 1,
) -> Tensor:
    """The cross-correlation of x (N, C, *sizes) with kernels w (O, C / groups, *taps), over any
    number of spatial axes: (N, O, *positions).

    `stride` steps from position to position, `dilation` from tap to tap; `spread` - 1 zeros stand
    between the elements of x. `padding` is "valid", "same", "full", a number of zeros, or one (or a
    pair: before, after) for each axis. Channels fall into `groups` that do not mix.

    Integers give integers, which wrap: convert narrow ones to the dtype of their sums first, as
    in `conv(astype(x, int32), astype(w, int32))`, where they are multiplied as they lie.
    """
    x, w = _operands(x, w)
    n = _spatial(x, w)
    strides, dilations = per_axis(stride, n, "stride"), per_axis(dilation, n, "dilation")
    spreads = per_axis(spread, n, "spread")
    sizes = [d if s == 1 else (d - 1) * s + 1 for d, s in zip(x.shape[2:], spreads, strict=True)]
    spans = [span_of(k, d) for k, d in zip(_known_taps(w), dilations, strict=True)]
    widths = pad_widths(padding, sizes, spans, strides)
    lines = tuple(
        Line(s, d, before, t)
        for s, d, (before, _), t in zip(strides, dilations, widths, spreads, strict=True)
    )
    _check_channels(x, w.shape[1] * groups, groups)
    extent = count_positions(sizes, spans, strides, widths)
    return sum_of("y", {"x": x, "w": w}, lines, extent, groups)


@locate_errors
def conv_transpose(
    x: TensorLike,
    w: TensorLike,
    stride: PerAxis = 1,
    padding: int | Sequence[int] = 0,
    output_padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    lengths: Sequence[Dim] | None = None,
) -> Tensor:
    """The adjoint of `conv` in its image: of x (N, C, *sizes) and kernels w (C, O / groups, *taps),
    (N, O, *lengths), where a length is (size - 1) * stride + span - 2 * padding + output_padding
    unless `lengths` says otherwise; what no kernel reaches is 0.
    """
    x, w = _operands(x, w)
    n = _spatial(x, w)
    strides, dilations = per_axis(stride, n, "stride"), per_axis(dilation, n, "dilation")
    pads, more = (
        per_axis(padding, n, "padding", 0),
        per_axis(output_padding, n, "output_padding", 0),
    )
    _check_channels(x, w.shape[0], groups)
    lines = tuple(Line(s, d, p) for s, d, p in zip(strides, dilations, pads, strict=True))
    spans = [span_of(k, d) for k, d in zip(_known_taps(w), dilations, strict=True)]
    extent = tuple(
        (d - 1) * s + span - 2 * p + extra
        for d, s, span, p, extra in zip(x.shape[2:], strides, spans, pads, more, strict=True)
    )
    if lengths is not None and len(lengths) != n:
        raise ShapeError(f"{n} lengths are needed, not {len(lengths)}")
    extent = extent if lengths is None else tuple(lengths)
    return sum_of("x", {"w": w, "y": x}, lines, extent, groups)


@locate_errors
def conv_local(
    x: TensorLike, w: TensorLike, stride: PerAxis = 1, padding: Padding = "valid"
) -> Tensor:
    """As `conv`, with kernels of its own at each position: w is (*positions, O, C, *taps)."""
    x, w = _operands(x, w)
    n = x.ndim - 2
    if w.ndim != 2 * n + 2:
        raise ShapeError(f"w needs {2 * n + 2} axes (*positions, O, C, *taps), not {w.ndim}")
    strides, taps = per_axis(stride, n, "stride"), _known_taps(w)[-n:]
    widths = pad_widths(padding, x.shape[2:], taps, strides)
    extent = count_positions(x.shape[2:], taps, strides, widths)
    if extent != w.shape[:n]:
        raise ShapeError(f"there are {extent} positions, not {w.shape[:n]}")
    steps = tuple((s, 1, -before, 1) for s, (before, _) in zip(strides, widths, strict=True))
    wide = windows(x, tuple(range(2, n + 2)), extent, taps, steps)
    at, inner = tuple(range(2, n + 2)), (1, *range(n + 2, 2 * n + 2))
    batch, contract = (at, tuple(range(n))), (inner, tuple(range(n + 1, 2 * n + 2)))
    result = dot_general(wide, w, batch, contract)
    return transpose(result, (n, n + 1, *range(n)))


@locate_errors
def convolve(a: TensorLike, v: TensorLike, mode: str = "full") -> Tensor:
    """NumPy's convolve: the true convolution of two vectors; "full", "same" or "valid".
    Integers and bools are exact.
    """
    dtype = common_dtype("convolve", (a, v))
    if dtype is bool_:
        return cast(convolve(cast(as_tensor(a), int64), cast(as_tensor(v), int64), mode), bool_)
    a, v = as_tensor(as_operand(a, dtype)), as_tensor(as_operand(v, dtype))
    if a.ndim != 1 or v.ndim != 1:
        raise ShapeError(f"two vectors are needed, not {a.type} and {v.type}")
    if isinstance(a.size, int) and isinstance(v.size, int) and v.size > a.size:
        a, v = v, a
    (taps,) = _known_taps(v)
    widths = {"full": (taps - 1, taps - 1), "same": (taps // 2, (taps - 1) // 2), "valid": (0, 0)}
    if mode not in widths:
        raise ShapeError(f'a mode is "full", "same" or "valid", not {mode!r}')
    rows, kernel = reshape(a, (1, 1, a.size)), reshape(flip(v, 0), (1, 1, taps))
    return reshape(conv(rows, kernel, padding=[widths[mode]]), -1)


def _operands(x: TensorLike, w: TensorLike) -> tuple[Tensor, Tensor]:
    dtype = common_dtype("conv", (x, w))
    dtype = floating_of(dtype) if dtype is bool_ else dtype
    return as_tensor(as_operand(x, dtype)), as_tensor(as_operand(w, dtype))


def _spatial(x: Tensor, w: Tensor) -> int:
    if x.ndim != w.ndim or x.ndim < 3:
        raise ShapeError(
            f"images (N, C, *sizes) and kernels (O, C, *taps) are needed, not {x.type} and {w.type}"
        )
    return x.ndim - 2


def _known_taps(w: Tensor) -> tuple[int, ...]:
    taps = w.shape[2:] if w.ndim > 1 else w.shape
    if not all(isinstance(d, int) and d > 0 for d in taps):
        raise ShapeError(f"the taps of a kernel are known and at least one, not {taps}")
    return tuple(d for d in taps if isinstance(d, int))


def _check_channels(x: Tensor, needed: Dim, groups: int) -> None:
    if groups < 1:
        raise ShapeError(f"there is at least one group, not {groups}")
    if x.shape[1] != needed:
        last = x.shape[-1] == needed and x.ndim > 2
        hint = "\n  hint: gc.moveaxis(x, -1, 1) moves channels from the last axis" if last else ""
        raise ShapeError(f"x has {x.shape[1]} channels, but the kernels take {needed}{hint}")
