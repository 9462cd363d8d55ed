"""Winograd's convolutions along an axis: r taps at m neighbouring positions, m + r - 1 products.

Results and kernels are polynomials, known by their values at some points and at infinity (Toom and
Cook): with the three matrices here, y = back @ ((of_kernels @ w) * (of_images @ x)) is the
correlation of m + r - 1 elements x with r taps w.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

from graphc.ir.record import dataclass

TAPS = 3
#: By results: the points, whose powers are exact in binary. For two results no number grows; those
#: for four keep errors lowest (found by trying).
POINTS = {
    2: (Fraction(0), Fraction(1), Fraction(-1)),
    4: (Fraction(0), Fraction(5, 8), Fraction(-5, 8), Fraction(3, 2), Fraction(-3, 2)),
}

Row = tuple[float, ...]
Matrix = tuple[Row, ...]


@dataclass(frozen=True)
class Transforms:
    """The three matrices for `results` positions, each as rows of numbers."""

    back: Matrix
    of_kernels: Matrix
    of_images: Matrix

    @property
    def results(self) -> int:
        """Positions of a tile along an axis."""
        return len(self.back)

    @property
    def reach(self) -> int:
        """Elements of a tile along an axis, and products for each channel."""
        return len(self.of_images)


@cache
def transforms(results: int) -> Transforms:
    """The matrices for so many results; for a single one the sum as it is defined."""
    if results == 1:
        each = tuple(tuple(float(i == j) for j in range(TAPS)) for i in range(TAPS))
        return Transforms(((1.0,) * TAPS,), each, each)
    points = POINTS[results]
    others = [[q for q in points if q is not p] for p in points]
    last = [Fraction(int(j == results - 1)) for j in range(results)]
    back = [[p**j for p in points] + [last[j]] for j in range(results)]
    images = [[*_polynomial(rest), Fraction(0)] for rest in others] + [_polynomial(points)]
    kernels = [
        [p**j / _product(p - q for q in rest) for j in range(TAPS)]
        for p, rest in zip(points, others, strict=True)
    ]
    kernels.append([Fraction(int(j == TAPS - 1)) for j in range(TAPS)])
    return Transforms(_floats(back), _floats(kernels), _floats(images))


def _polynomial(roots: Iterable[Fraction]) -> list[Fraction]:
    """The coefficients of the product of x - root, that of 1 first."""
    found = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *found]
        found = [a - root * b for a, b in zip(shifted, [*found, Fraction(0)], strict=True)]
    return found


def _product(factors: Iterable[Fraction]) -> Fraction:
    total = Fraction(1)
    for x in factors:
        total *= x
    return total


def _floats(rows: list[list[Fraction]]) -> Matrix:
    return tuple(tuple(float(x) for x in row) for row in rows)


Fused = Callable[[Any, Any, Any], Any]


def on_both_axes(matrix: Matrix, square: Sequence[Sequence[Any]], fused: Fused) -> list[list[Any]]:
    """The matrix applied along both axes of scalar expressions; `fused(a, b, c)` is a * b + c."""
    columns = [multiplied(matrix, column, fused) for column in zip(*square, strict=True)]
    return [multiplied(matrix, row, fused) for row in zip(*columns, strict=True)]


def multiplied(matrix: Matrix, vector: Sequence[Any], fused: Fused) -> list[Any]:
    """The matrix times a vector of scalar expressions. Rows that differ in the signs of every
    second weight alone share two sums.
    """
    found: dict[int, Any] = {}
    for k, row in enumerate(matrix):
        turned = tuple(-x if j % 2 else x for j, x in enumerate(row))
        partner = next((n for n in range(k + 1, len(matrix)) if matrix[n] == turned), None)
        if partner is not None and k not in found and sum(x != 0 for x in row) > 2:
            even = weighted([0.0 if j % 2 else x for j, x in enumerate(row)], vector, fused)
            odd = weighted([x if j % 2 else 0.0 for j, x in enumerate(row)], vector, fused)
            found[k], found[partner] = even + odd, even - odd
        elif k not in found:
            found[k] = weighted(row, vector, fused)
    return [found[k] for k in range(len(matrix))]


def weighted(weights: Sequence[float], values: Sequence[Any], fused: Fused) -> Any:
    """The sum of values times their weights, of which one is not 0."""
    pairs = [(c, x) for c, x in zip(weights, values, strict=True) if c]
    pairs.sort(key=lambda pair: pair[0] != 1)
    (c, x), *rest = pairs
    total = x if c == 1 else x * c
    for c, x in rest:
        total = total + x if c == 1 else total - x if c == -1 else fused(x, c, total)
    return total
