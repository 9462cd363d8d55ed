"""Fourier transforms of the last axis that are too long for one kernel, made of shorter ones."""

from __future__ import annotations

from math import isqrt

import numpy as np

from graphc.ir.node import Tensor
from graphc.ops.fourier.columns import LONGEST, column_spectra
from graphc.ops.fourier.lines import Pair, spectrum
from graphc.ops.fourier.plan import chirp_table, convolved_length, is_smooth, table_waves
from graphc.ops.indexing.slicing import narrow
from graphc.ops.layout import reshape
from graphc.ops.linear.matrices import mt
from graphc.ops.padding import pad
from graphc.ops.source import constant

#: Complex numbers of a line that a cache holds beside its copies.
LINE = 8192


def is_long(n: int) -> bool:
    """Whether an axis is too long for one kernel."""
    return (n if is_smooth(n) else convolved_length(n)) > LINE


def any_spectrum(re: Tensor, im: Tensor, inverse: bool = False, scale: float = 1.0) -> Pair:
    """The spectrum of a last axis of known length, times `scale`; `inverse`: the other sign."""
    n = re.shape[-1]
    assert isinstance(n, int), "an axis of known length"
    if not is_long(n):
        return spectrum(re, im, inverse, scale)
    if inverse:
        b, a = any_spectrum(im, re, scale=scale)
        return a, b
    a, b = _in_rows(re, im, n) if is_smooth(n) else _by_convolution(re, im, n)
    return (a, b) if scale == 1 else (a * scale, b * scale)


def _in_rows(re: Tensor, im: Tensor, n: int) -> Pair:
    """As a table of rows: columns, turned, then what were the rows."""
    p = max(d for d in range(1, isqrt(n) + 1) if n % d == 0)
    q, lead = n // p, re.shape[:-1]
    x, y = (reshape(z, (*lead, p, q)) for z in (re, im))
    if q <= LONGEST:
        x, y = column_spectra(*column_spectra(x, y, turned=True))
    else:
        x, y = (mt(z) for z in any_spectrum(mt(x), mt(y)))
        c, s = (constant(w, re.dtype) for w in table_waves(p, q))
        x, y = (mt(z) for z in any_spectrum(*turned(x, y, c, s)))
    return reshape(x, (*lead, n)), reshape(y, (*lead, n))


def _by_convolution(re: Tensor, im: Tensor, n: int) -> Pair:
    """As in `passes`, of arrays."""
    length = convolved_length(n)
    table = chirp_table(n)
    ends = np.cumsum([n, n, length, length])
    c, s, a, b = (constant(w, re.dtype) for w in np.split(table, ends)[:4])
    room = [(0, 0)] * (re.ndim - 1) + [(0, length - n)]
    x, y = turned(re, im, c, s)
    x, y = any_spectrum(pad(x, room), pad(y, room))
    x, y = any_spectrum(*turned(x, y, a, b), inverse=True)
    x, y = (narrow(z, z.ndim - 1, 0, n) for z in (x, y))
    return turned(x, y, c, s)


def turned(x: Tensor, y: Tensor, c: Tensor, s: Tensor) -> Pair:
    """x + i y times c - i s."""
    return x * c + y * s, y * c - x * s
