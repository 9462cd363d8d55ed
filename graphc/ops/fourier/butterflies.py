"""Transforms of a few numbers, written out: lists of pairs (real, imaginary) of expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

Complex = tuple[Any, Any]
#: a, b, c: a * b + c.
Fused = Callable[[Any, Any, Any], Any]


def butterfly(xs: Sequence[Complex], fused: Fused) -> list[Complex]:
    """The spectrum of as many numbers."""
    if len(xs) == 1:
        return list(xs)
    if len(xs) == 2:
        return [_plus(*xs), _minus(*xs)]
    if len(xs) == 4:
        return _four(xs)
    if len(xs) == 8:
        return _eight(xs)
    return _odd(xs, fused)


def turned(x: Complex, c: Any, s: Any, fused: Fused) -> Complex:
    """x times c - i s."""
    re, im = x
    return fused(re, c, im * s), fused(im, c, -(re * s))


def _plus(a: Complex, b: Complex) -> Complex:
    return a[0] + b[0], a[1] + b[1]


def _minus(a: Complex, b: Complex) -> Complex:
    return a[0] - b[0], a[1] - b[1]


def _quarter(a: Complex) -> Complex:
    """a times -i."""
    return a[1], -a[0]


def _four(xs: Sequence[Complex]) -> list[Complex]:
    a, b = _plus(xs[0], xs[2]), _minus(xs[0], xs[2])
    c, d = _plus(xs[1], xs[3]), _minus(xs[1], xs[3])
    third = b[0] - d[1], b[1] + d[0]
    return [_plus(a, c), (b[0] + d[1], b[1] - d[0]), _minus(a, c), third]


def _eight(xs: Sequence[Complex]) -> list[Complex]:
    even, odd = _four(xs[::2]), _four(xs[1::2])
    half = math.sqrt(0.5)
    first = (odd[1][0] + odd[1][1]) * half, (odd[1][1] - odd[1][0]) * half
    third = (odd[3][1] - odd[3][0]) * half, (odd[3][0] + odd[3][1]) * -half
    odd = [odd[0], first, _quarter(odd[2]), third]
    pairs = list(zip(even, odd, strict=True))
    return [*(_plus(a, b) for a, b in pairs), *(_minus(a, b) for a, b in pairs)]


def _odd(xs: Sequence[Complex], fused: Fused) -> list[Complex]:
    """An odd number of them: those that mirror each other share their products."""
    n = len(xs)
    half = range(1, n // 2 + 1)
    sums = [_plus(xs[j], xs[n - j]) for j in half]
    gaps = [_minus(xs[j], xs[n - j]) for j in half]
    first = xs[0]
    for pair in sums:
        first = _plus(first, pair)
    out = [first] * n
    for k in half:
        c = [math.cos(2 * math.pi * (j * k % n) / n) for j in half]
        s = [math.sin(2 * math.pi * (j * k % n) / n) for j in half]
        even = [_weighted(c, [a[part] for a in sums], xs[0][part], fused) for part in (0, 1)]
        odd = [_weighted(s, [a[part] for a in gaps], None, fused) for part in (0, 1)]
        out[k] = even[0] + odd[1], even[1] - odd[0]
        out[n - k] = even[0] - odd[1], even[1] + odd[0]
    return out


def _weighted(weights: Sequence[float], xs: Sequence[Any], start: Any, fused: Fused) -> Any:
    """The sum of start (nothing: None) and weights times xs."""
    total = start
    for w, x in zip(weights, xs, strict=True):
        total = x * w if total is None else fused(x, w, total)
    return total
