"""Fourier transforms of a last axis of named length, as convolutions of an axis that is longer and
goes into rows of known length (Bluestein, 1970).
"""

from __future__ import annotations

import numpy as np

from graphc.ir.dims import Dim, floordiv
from graphc.ir.dtypes import float64, int64
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import minimum
from graphc.ops.convert import cast
from graphc.ops.extent import extent
from graphc.ops.fourier.lines import Pair, spectrum
from graphc.ops.fourier.long import turned
from graphc.ops.indexing.slicing import narrow
from graphc.ops.layout import reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.padding import place
from graphc.ops.source import iota
from graphc.ops.trigonometric import cos, sin

#: The length of rows; the columns, of a length that only the call knows, go through a matrix.
ROW = 256


def named_spectrum(re: Tensor, im: Tensor | None) -> Pair:
    """The spectrum of a last axis of named length, of a real one without im."""
    n = re.shape[-1]
    table = _Table(floordiv(2 * n + ROW - 2, ROW))
    wave = _chirp(iota((n,)), n)
    a, b = table.forward(*_chirp(table.nearest, n))
    a, b = (cast(x / extent(table.size, float64), re.dtype) for x in (a, -b))
    c, s = (cast(x, re.dtype) for x in wave)
    x, y = (re * c, -(re * s)) if im is None else turned(re, im, c, s)
    x, y = table.forward(table.laid_out(x), table.laid_out(y))
    x, y = table.backward(*turned(x, y, a, b))
    return turned(table.line(x, n), table.line(y, n), c, s)


class _Table:
    """An axis in rows. Its spectrum lies along the columns first."""

    def __init__(self, rows: Dim):
        self.rows, self.size = rows, rows * ROW
        shape = (rows, ROW)
        self.nearest = minimum(at := iota((self.size,)), extent(self.size, int64) - at)
        self.nearest = reshape(self.nearest, shape)
        self.columns = _waves(iota((rows, rows), 0) * iota((rows, rows), 1), rows)
        self.between = _waves(iota(shape, 0) * iota(shape, 1), self.size)

    def laid_out(self, x: Tensor) -> Tensor:
        """Lines, with zeros after them, as tables."""
        zero, one = (0,) * x.ndim, (1,) * x.ndim
        return reshape(
            place(x, (*x.shape[:-1], self.size), zero, one), (*x.shape[:-1], self.rows, ROW)
        )

    def line(self, x: Tensor, n: Dim) -> Tensor:
        """The first n elements of tables."""
        return narrow(reshape(x, (*x.shape[:-2], self.size)), x.ndim - 2, 0, n)

    def forward(self, x: Tensor, y: Tensor) -> Pair:
        """The spectrum."""
        (c, s), between = self._factors(x)
        x, y = matmul(c, x) + matmul(s, y), matmul(c, y) - matmul(s, x)
        return spectrum(*turned(x, y, *between))

    def backward(self, x: Tensor, y: Tensor) -> Pair:
        """What has this spectrum, times its length."""
        (c, s), between = self._factors(x)
        x, y = spectrum(x, y, inverse=True)
        y, x = turned(y, x, *between)
        return matmul(c, x) - matmul(s, y), matmul(c, y) + matmul(s, x)

    def _factors(self, like: Tensor) -> tuple[Pair, Pair]:
        (a, b), (c, d) = self.columns, self.between
        c, d = cast(c, like.dtype), cast(d, like.dtype)
        return (cast(a, like.dtype), cast(b, like.dtype)), (c, d)


def _chirp(k: Tensor, n: Dim) -> Pair:
    """Cosines and sines of pi k² / n."""
    return _waves(k * k, 2 * n)


def _waves(turns: Tensor, n: Dim) -> Pair:
    """Cosines and sines of 2 pi turns / n, in float64."""
    size = extent(n, int64)
    angles = cast(turns % size, float64) * (2 * np.pi / cast(size, float64))
    return cos(angles), sin(angles)
