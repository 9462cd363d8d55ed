"""Discrete Fourier transforms, with gradients.

There are no complex dtypes: a spectrum is a pair (real, imaginary) of tensors of one float dtype.
Signs, orders and scales are those of numpy.fft: X[k] = sum over n of x[n] exp(-2 pi i k n / N).

An axis of known length takes of the order of N log N operations (`graphc.ops.fourier.plan` says
which), a real one half of them. An axis whose length is only named takes a few times as many, which
grow with N squared where it has more than some ten thousand elements.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim, floordiv
from graphc.ir.dtypes import float32
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Tensor
from graphc.ops.axes import moveaxis
from graphc.ops.convert import TensorLike, as_operand, as_tensor, cast
from graphc.ops.creation import zeros_like
from graphc.ops.extent import extent
from graphc.ops.fourier.columns import LONGEST, column_spectra
from graphc.ops.fourier.lines import FLOATS, Pair
from graphc.ops.fourier.long import any_spectrum, is_long
from graphc.ops.fourier.named import named_spectrum
from graphc.ops.fourier.plan import good_length, is_smooth
from graphc.ops.fourier.real import from_half, real_spectrum
from graphc.ops.indexing.slicing import flip, is_nonnegative, narrow
from graphc.ops.joining import concat
from graphc.ops.layout import normal_axis, reshape
from graphc.ops.located import locate_errors

__all__ = [
    "fft", "fftn", "good_length", "ifft", "ifftn", "irfft", "irfftn", "rfft", "rfftn",
]  # fmt: skip
#: Neighbours that are worth transforming side by side where they lie.
FEWEST = 8


@locate_errors
def fft(re: TensorLike, im: TensorLike | None = None, axis: int = -1) -> Pair:
    """The spectrum (real, imaginary) of an axis of re + i im, of a real array without im."""
    x, y = _pair(re, im)
    return _along(x, y, normal_axis(axis, x.ndim), inverse=False)


@locate_errors
def ifft(re: TensorLike, im: TensorLike | None = None, axis: int = -1) -> Pair:
    """What has this spectrum, a real one without im: the reverse of `fft`."""
    x, y = _pair(re, im)
    y = zeros_like(x) if y is None else y
    return _along(x, y, normal_axis(axis, x.ndim), inverse=True)


@locate_errors
def rfft(x: TensorLike, axis: int = -1) -> Pair:
    """The first N // 2 + 1 elements of the spectrum of a real axis; the others mirror them.

    An axis without elements is an error.
    """
    x, _ = _pair(x, None)
    axis = normal_axis(axis, x.ndim)
    n = x.shape[axis]
    if n == 0:
        raise ShapeError(f"there are no elements along axis {axis} of {x.type}")
    if _is_one_line(n):
        return _back(real_spectrum(_last(x, axis)), axis, x)
    re, im = _along(x, None, axis, inverse=False)
    return _half(re, axis), _half(im, axis)


@locate_errors
def irfft(re: TensorLike, im: TensorLike, n: Dim, axis: int = -1) -> Tensor:
    """The real axis of length n that has this first half of a spectrum: the reverse of `rfft`."""
    x, y = _pair(re, im)
    axis = normal_axis(axis, x.ndim)
    if y is None or x.shape[axis] != floordiv(n, 2) + 1:
        raise ShapeError(f"{n} elements have {floordiv(n, 2) + 1} in the half, not {x.shape[axis]}")
    if _is_one_line(n):
        assert isinstance(n, int)
        a, b = (_last(_wide(z), axis) for z in (x, y))
        return cast(moveaxis(from_half(a, b, n), -1, axis), x.dtype)
    rest = n - x.shape[axis]
    mirrored = (flip(narrow(part, axis, 1, rest), axis) for part in (x, y))
    whole = concat([x, next(mirrored)], axis), concat([y, -next(mirrored)], axis)
    return ifft(*whole, axis)[0]


def fftn(re: TensorLike, im: TensorLike | None, axes: Sequence[int]) -> Pair:
    """`fft` of several axes."""
    x, y = fft(re, im, axes[-1])
    for axis in reversed(axes[:-1]):
        x, y = fft(x, y, axis)
    return x, y


def ifftn(re: TensorLike, im: TensorLike, axes: Sequence[int]) -> Pair:
    """`ifft` of several axes."""
    x, y = ifft(re, im, axes[0])
    for axis in axes[1:]:
        x, y = ifft(x, y, axis)
    return x, y


def rfftn(x: TensorLike, axes: Sequence[int]) -> Pair:
    """`rfft` of the last of these axes, then `fft` of the others."""
    re, im = rfft(x, axes[-1])
    return fftn(re, im, axes[:-1]) if len(axes) > 1 else (re, im)


def irfftn(re: TensorLike, im: TensorLike, sizes: Sequence[Dim], axes: Sequence[int]) -> Tensor:
    """The reverse of `rfftn`; only the last of the sizes is not known already."""
    if len(axes) > 1:
        re, im = ifftn(re, im, axes[:-1])
    return irfft(re, im, sizes[-1], axes[-1])


def _pair(re: TensorLike, im: TensorLike | None) -> tuple[Tensor, Tensor | None]:
    x = as_tensor(re)
    if not x.dtype.is_float or x.ndim == 0:
        raise DTypeError(f"transforms are of axes of floats, not {x.type}")
    y = None if im is None else as_operand(im, x.dtype)
    if y is not None and y.shape != x.shape:
        raise ShapeError(f"real and imaginary parts of one shape are needed, not {x} and {y}")
    return x, y


def _is_one_line(n: Dim) -> bool:
    """Whether an axis of that length is transformed by one kernel."""
    return isinstance(n, int) and n > 0 and not is_long(n)


def _wide(x: Tensor) -> Tensor:
    """x in a dtype that transforms are computed in."""
    return x if x.dtype in FLOATS else cast(x, float32)


def _last(x: Tensor, axis: int) -> Tensor:
    return moveaxis(_wide(x), axis, -1)


def _back(pair: Pair, axis: int, like: Tensor) -> Pair:
    re, im = (cast(moveaxis(x, -1, axis), like.dtype) for x in pair)
    return re, im


def _half(x: Tensor, axis: int) -> Tensor:
    n = x.shape[axis]
    return narrow(x, axis, 0, floordiv(n, 2) + 1, checked=not is_nonnegative(n - 1))


def _along(re: Tensor, im: Tensor | None, axis: int, inverse: bool) -> Pair:
    """The transform of an axis, or its reverse."""
    n = re.shape[axis]
    if n == 0:
        return re, re
    if not isinstance(n, int):
        return _back(
            _named(_last(re, axis), None if im is None else _last(im, axis), inverse), axis, re
        )
    scale = 1 / n if inverse else 1.0
    side = product(re.shape[axis + 1 :])
    if im is None and not is_long(n):
        return _back(real_spectrum(_last(re, axis), whole=True), axis, re)
    other = zeros_like(re) if im is None else im
    if n > LONGEST or not is_smooth(n) or (isinstance(side, int) and side < FEWEST):
        return _back(any_spectrum(_last(re, axis), _last(other, axis), inverse, scale), axis, re)
    shape = (*re.shape[: axis + 1], side)
    x, y = (reshape(_wide(z), shape) for z in (re, other))
    a, b = (reshape(z, re.shape) for z in column_spectra(x, y, inverse, scale))
    return cast(a, re.dtype), cast(b, re.dtype)


def _named(re: Tensor, im: Tensor | None, inverse: bool) -> Pair:
    """The transform of a last axis of named length, or its reverse."""
    if not inverse:
        return named_spectrum(re, im)
    assert im is not None
    b, a = named_spectrum(im, re)
    scale = 1 / extent(re.shape[-1], re.dtype)
    return a * scale, b * scale
