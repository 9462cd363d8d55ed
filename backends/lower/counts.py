"""How many blocks and chunks there are."""

from __future__ import annotations

from graphc.ir.dims import Dim, floordiv, maximum, minimum


def divide_up(x: Dim, y: Dim) -> Dim:
    """x / y, rounded up."""
    return floordiv(x + y - 1, y)


def even(count: Dim) -> Dim:
    """As many, or one more where that is odd; 1 stays 1."""
    return minimum(2 * floordiv(count + 1, 2), maximum(1, 2 * (count - 1)))
