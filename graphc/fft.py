"""Discrete Fourier transforms, with gradients.

There are no complex dtypes: a spectrum is a pair (real, imaginary) of tensors of one float dtype.
Signs, orders and scales are those of numpy.fft: X[k] = sum over n of x[n] exp(-2 pi i k n / N).

An axis of known length is transformed divisor by divisor, each of at most 31 (Cooley and Tukey,
1965); what has none is a convolution of a length that has (Bluestein, 1970). An axis whose length
is only named takes one product with a matrix, of N squared operations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.ir.dims import Dim, floordiv
from graphc.ir.dtypes import float64, int64
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Tensor
from graphc.ops.axes import moveaxis
from graphc.ops.convert import TensorLike, as_operand, as_tensor, cast
from graphc.ops.creation import zeros_like
from graphc.ops.extent import extent
from graphc.ops.indexing.slicing import flip, narrow
from graphc.ops.joining import concat
from graphc.ops.layout import normal_axis, reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.located import locate_errors
from graphc.ops.padding import pad
from graphc.ops.source import constant, iota
from graphc.ops.trigonometric import cos, sin

Pair = tuple[Tensor, Tensor]
_LARGEST = 31  # the divisor up to which a product with a matrix is as quick as several smaller ones


@locate_errors
def fft(re: TensorLike, im: TensorLike | None = None, axis: int = -1) -> Pair:
    """The spectrum (real, imaginary) of an axis of re + i im, of a real array without im."""
    x, y = _pair(re, im)
    axis = normal_axis(axis, x.ndim)
    moved = None if y is None else moveaxis(y, axis, -1)
    found = _forward(moveaxis(x, axis, -1), moved)
    return moveaxis(found[0], -1, axis), moveaxis(found[1], -1, axis)


@locate_errors
def ifft(re: TensorLike, im: TensorLike, axis: int = -1) -> Pair:
    """What has this spectrum: the reverse of `fft`."""
    x, y = _pair(re, im)
    assert y is not None
    # A transform with the other sign is that of the number with its parts exchanged, exchanged.
    b, a = fft(y, x, axis)
    scale = 1 / extent(x.shape[normal_axis(axis, x.ndim)], x.dtype)
    return a * scale, b * scale


@locate_errors
def rfft(x: TensorLike, axis: int = -1) -> Pair:
    """The first N // 2 + 1 elements of the spectrum of a real axis; the others mirror them."""
    re, im = fft(x, None, axis)
    axis = normal_axis(axis, re.ndim)
    half = floordiv(re.shape[axis], 2) + 1
    return narrow(re, axis, 0, half), narrow(im, axis, 0, half)


@locate_errors
def irfft(re: TensorLike, im: TensorLike, n: Dim, axis: int = -1) -> Tensor:
    """The real axis of length n that has this first half of a spectrum: the reverse of `rfft`."""
    x, y = _pair(re, im)
    axis = normal_axis(axis, x.ndim)
    if y is None or x.shape[axis] != floordiv(n, 2) + 1:
        raise ShapeError(f"{n} elements have {floordiv(n, 2) + 1} in the half, not {x.shape[axis]}")
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


def good_length(least: int) -> int:
    """The smallest length from `least` on whose only prime factors are 2, 3 and 5."""
    n = max(least, 1)
    while True:
        rest = n
        for p in (2, 3, 5):
            while rest % p == 0:
                rest //= p
        if rest == 1:
            return n
        n += 1


def _pair(re: TensorLike, im: TensorLike | None) -> tuple[Tensor, Tensor | None]:
    x = as_tensor(re)
    if not x.dtype.is_float or x.ndim == 0:
        raise DTypeError(f"transforms are of axes of floats, not {x.type}")
    y = None if im is None else as_operand(im, x.dtype)
    if y is not None and y.shape != x.shape:
        raise ShapeError(f"real and imaginary parts of one shape are needed, not {x} and {y}")
    return x, y


def _forward(re: Tensor, im: Tensor | None) -> Pair:
    """The transform of the last axis."""
    n = re.shape[-1]
    if not isinstance(n, int):
        return _by_matrix(re, im, *_named_waves(n, re))
    if n <= _LARGEST:
        table = _table(np.outer(np.arange(n), np.arange(n)), n, re)
        return _by_matrix(re, im, *table) if n > 1 else (re, zeros_like(re) if im is None else im)
    first = max(k for k in range(1, _LARGEST + 1) if n % k == 0)
    return _bluestein(re, im, n) if first == 1 else _split(re, im, first, n // first)


def _table(turns: np.ndarray, n: int, like: Tensor) -> Pair:
    """Cosines and sines of 2 pi turns / n."""
    angles = 2 * np.pi * (turns % n) / n
    return constant(np.cos(angles), like.dtype), constant(np.sin(angles), like.dtype)


def _named_waves(n: Dim, like: Tensor) -> Pair:
    size = extent(n, int64)
    turns = (iota((n, n), 0) * iota((n, n), 1)) % size
    angles = cast(turns, float64) * (2 * np.pi / cast(size, float64))
    return cast(cos(angles), like.dtype), cast(sin(angles), like.dtype)


def _by_matrix(re: Tensor, im: Tensor | None, c: Tensor, s: Tensor) -> Pair:
    """(re + i im) times the symmetric matrix c - i s."""
    if im is None:
        return matmul(re, c), -matmul(re, s)
    return matmul(re, c) + matmul(im, s), matmul(im, c) - matmul(re, s)


def _turned(re: Tensor, im: Tensor | None, c: Tensor, s: Tensor) -> Pair:
    """(re + i im)(c - i s), element by element."""
    if im is None:
        return re * c, -re * s
    return re * c + im * s, im * c - re * s


def _split(re: Tensor, im: Tensor | None, p: int, q: int) -> Pair:
    """A length of p q: transforms of p elements q apart, turned, then of q neighbours."""
    lead = re.shape[:-1]
    table = _table(np.outer(np.arange(p), np.arange(p)), p, re)
    x, y = (None if z is None else _swapped(reshape(z, (*lead, p, q))) for z in (re, im))
    assert x is not None
    x, y = (_swapped(z) for z in _by_matrix(x, y, *table))
    x, y = _turned(x, y, *_table(np.outer(np.arange(p), np.arange(q)), p * q, re))
    x, y = (_swapped(z) for z in _forward(x, y))
    return reshape(x, (*lead, p * q)), reshape(y, (*lead, p * q))


def _swapped(x: Tensor) -> Tensor:
    return moveaxis(x, -1, -2)


def _bluestein(re: Tensor, im: Tensor | None, n: int) -> Pair:
    """With k m = (k² + m² - (k - m)²) / 2, a convolution with exp(pi i k² / n)."""
    turns = np.arange(n) ** 2
    c, s = _table(turns, 2 * n, re)
    x, y = _turned(re, im, c, s)
    length = good_length(2 * n - 1)
    wave = np.zeros(length, complex)
    wave[:n] = np.exp(1j * np.pi * (turns % (2 * n)) / n)
    wave[length - n + 1 :] = wave[1:n][::-1]
    spectrum = np.fft.fft(wave)
    room = [(0, 0)] * (re.ndim - 1) + [(0, length - n)]
    a, b = _forward(pad(x, room), pad(y, room))
    a, b = _turned(a, b, *(constant(z, re.dtype) for z in (spectrum.real, -spectrum.imag)))
    b, a = _forward(b, a)
    x, y = (narrow(z, z.ndim - 1, 0, n) / length for z in (a, b))
    return _turned(x, y, c, s)
