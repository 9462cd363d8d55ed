"""Dimensions: integers, or expressions over named sizes, and what is known of their values."""

from __future__ import annotations

from functools import lru_cache
from math import gcd, lcm

from graphc.ir.polynomials import (
    Atom,
    Dim,
    DimExpr,
    Monomial,
    atom,
    divide,
    floordiv,
    mod,
    of_terms,
    terms_of,
)

__all__ = [
    "Atom", "Dim", "DimExpr", "Monomial", "atom", "bounds", "divide", "dynamic", "floordiv",
    "index", "maximum", "minimum", "mod", "of_terms", "size", "terms_of",
]  # fmt: skip


def size(name: str) -> DimExpr:
    """The named size `name`: an unknown integer, at least 0."""
    return DimExpr({(Atom("size", name),): 1})


def index(name: str) -> DimExpr:
    """The loop variable `name` as an index expression."""
    return DimExpr({(Atom("index", name),): 1})


def dynamic(name: str) -> DimExpr:
    """An index that is computed while the code runs, at least 0."""
    return DimExpr({(Atom("dynamic", name),): 1})


def minimum(a: Dim, b: Dim) -> Dim:
    """The smaller of two dimensions."""
    return _extreme("min", a, b)


def maximum(a: Dim, b: Dim) -> Dim:
    """The larger of two dimensions."""
    return _extreme("max", a, b)


def _extreme(kind: str, a: Dim, b: Dim) -> Dim:
    difference = a - b
    low, high = bounds(difference)
    if low is not None and low >= 0:
        return b if kind == "min" else a
    if high is not None and high <= 0:
        return a if kind == "min" else b
    first, second = sorted((a, b), key=str)
    return atom(kind, first, second)


@lru_cache(maxsize=2**14)
def bounds(d: Dim) -> tuple[int | None, int | None]:
    """Proven (lowest, highest) value of a dimension, None where there is no bound. Sizes and
    indices are >= 0.
    """
    low, high = _term_bounds(d)
    if low is None or high is None:
        other, times = _by_remainders(d)
        if other is not d:
            lo, hi = bounds(other)
            if low is None and lo is not None:
                low = -(-lo // times)
            if high is None and hi is not None:
                high = hi // times
    if low is None or high is None:
        lo, hi = _by_extremes(d)
        low, high = (lo if low is None else low), (hi if high is None else high)
    return low, high


def _by_extremes(d: Dim) -> tuple[int | None, int | None]:
    """The bounds that d has since one of its minima or maxima is one of its two arguments, and no
    more, or no less, than the other.
    """
    for monomial, c in terms_of(d):
        if len(monomial) == 1 and monomial[0].kind in ("min", "max"):
            (extreme,) = monomial
            rest = d - c * DimExpr({monomial: 1})
            ends = zip(*(bounds(rest + c * x) for x in extreme.args), strict=True)
            lows, highs = ([x for x in pair if x is not None] for pair in ends)
            largest = (extreme.kind == "max") == (c > 0)
            pick, needed = (max, (1, 2)) if largest else (min, (2, 1))
            return (
                pick(lows) if len(lows) >= needed[0] else None,
                pick(highs) if len(highs) >= needed[1] else None,
            )
    return None, None


def _by_remainders(d: Dim) -> tuple[Dim, int]:
    """A multiple of d with a - a % b for each b * (a // b), which may cancel, and how many times d
    it is: once if d has such terms as it is.
    """
    quotients = [
        (c, *monomial[0].args)
        for monomial, c in terms_of(d)
        if len(monomial) == 1 and monomial[0].kind == "floordiv"
    ]
    divided = [(c, a, b) for c, a, b in quotients if isinstance(b, int) and b > 0]
    whole = [(c, a, b) for c, a, b in divided if c % b == 0] or divided
    times = lcm(*(b // gcd(b, c) for c, _, b in whole))
    result = d * times if whole else d
    for c, a, b in whole:
        result = result + c * times // b * (a - mod(a, b) - b * floordiv(a, b))
    return result, times


def _term_bounds(d: Dim) -> tuple[int | None, int | None]:
    """The bounds of the terms, added up."""
    low: int | None = 0
    high: int | None = 0
    for monomial, c in terms_of(d):
        lo, hi = 1, 1 if not monomial else None
        for factor in monomial:
            flo, fhi = _atom_bounds(factor)
            if flo is None or flo < 0:
                return _whole_bounds(d)
            lo = lo * flo
            hi = fhi if len(monomial) == 1 else None
        term_low = lo * c if c > 0 else (None if hi is None else hi * c)
        term_high = (None if hi is None else hi * c) if c > 0 else lo * c
        low = None if low is None or term_low is None else low + term_low
        high = None if high is None or term_high is None else high + term_high
    return low, high


def _whole_bounds(d: Dim) -> tuple[int | None, int | None]:
    return (d, d) if isinstance(d, int) else (None, None)


def _atom_bounds(a: Atom) -> tuple[int | None, int | None]:
    if a.bounds is None:
        a.bounds = _found_bounds(a) if a.args else (0, None)
    return a.bounds


def _found_bounds(a: Atom) -> tuple[int | None, int | None]:
    (lo1, hi1), (lo2, hi2) = bounds(a.args[0]), bounds(a.args[1])
    if a.kind == "mod":
        return 0, None if hi2 is None else hi2 - 1
    if a.kind == "floordiv":
        positive = lo1 is not None and lo1 >= 0 and lo2 is not None and lo2 >= 0
        return (0 if positive else None), (hi1 if positive else None)
    if a.kind == "min":
        low = None if lo1 is None or lo2 is None else min(lo1, lo2)
        highs = [h for h in (hi1, hi2) if h is not None]
        return low, min(highs) if highs else None
    lows = [x for x in (lo1, lo2) if x is not None]
    return (max(lows) if lows else None), (None if hi1 is None or hi2 is None else max(hi1, hi2))
