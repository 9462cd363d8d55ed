"""Axes of two shapes of as many elements, matched."""

from __future__ import annotations

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim, floordiv, mod
from graphc.ir.op import Index
from graphc.ir.types import Shape


def reshaped_index(index: Index, shape: Shape, target: Shape) -> Index:
    """The index into `target` of the element at `index` of `shape`, worked out group by group."""
    if product(shape) == 0:
        return (0,) * len(target)
    result: list[Dim] = []
    for ours, theirs in factor_groups(shape, target):
        linear: Dim = 0
        for k in ours:
            linear = linear * shape[k] + index[k]
        result += _split(linear, [target[k] for k in theirs])
    return tuple(result)


def _split(linear: Dim, extents: list[Dim]) -> list[Dim]:
    """The indices along `extents` whose row-major position is `linear`."""
    big = [k for k, d in enumerate(extents) if d != 1]
    found: list[Dim] = [0] * len(extents)
    for k in reversed(big[1:]):
        found[k] = mod(linear, extents[k])
        linear = floordiv(linear, extents[k])
    if big:
        found[big[0]] = linear
    return found


def factor_groups(shape: Shape, target: Shape) -> list[tuple[list[int], list[int]]]:
    """Consecutive axes of both shapes with provably as many elements, in the finest groups."""
    ours = [product(shape[:k]) for k in range(len(shape) + 1)]
    theirs = [product(target[:k]) for k in range(len(target) + 1)]
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    if ours[-1] != 0:
        for k in range(1, len(ours)):
            match = next((m for m in range(j, len(theirs)) if theirs[m] == ours[k]), None)
            if match is not None:
                groups.append((list(range(i, k)), list(range(j, match))))
                i, j = k, match
    return [*groups, (list(range(i, len(shape))), list(range(j, len(target))))]
