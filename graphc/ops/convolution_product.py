"""Convolutions as products of one operand with windows of the other."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dims import product
from graphc.ir.node import Node, Tensor
from graphc.ops.contraction import dot_general
from graphc.ops.convolution_axes import LETTERS, Line, letter_sizes, lettered
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.reduction import sum
from graphc.ops.windows import windows

#: Fewer channels than these do not fill the vectors of a product.
FEW_CHANNELS = 12

#: Axes by name: letters of channels, then "s" for each position and "t" for each tap.
Names = list[str]


def composed(role: str, takes: Sequence[str], node: Node) -> Tensor:
    """The tensor of a role, from those of `takes`, by a product summed over what it lacks."""
    lines, groups = node.attrs["lines"], node.attrs["groups"]
    sizes = letter_sizes(takes, [x.type for x in node.inputs], groups)
    known = {r: lettered(x, sizes, r) for r, x in zip(takes, node.inputs, strict=True)}
    seen = "y" if role == "x" else "x"
    (other,) = (r for r in takes if r != seen)
    ours, theirs, result = (
        [c for c in LETTERS[r] if c != "g" or groups != 1] for r in (seen, other, role)
    )
    a, b = known[seen], known[other]
    axes, positions = tuple(range(len(ours), a.ndim)), [f"s{k}" for k in range(len(lines))]
    taps = [f"t{k}" for k in range(len(lines))]
    steps = tuple(Line(*line).steps(role) for line in lines)
    wide = windows(a, axes, tuple(node.attrs["extent"]), b.shape[len(theirs) :], steps)
    ours, theirs, result = [*ours, *positions, *taps], [*theirs, *taps], [*result, *positions]
    one_each = groups != 1 and sizes["i"] == 1 and sizes["o"] == 1
    how = _summed if one_each else _multiplied
    return reshape(how(wide, ours, b, theirs, result), node.types[0].shape)


def _multiplied(a: Tensor, ours: Names, b: Tensor, theirs: Names, result: Names) -> Tensor:
    """The product as a contraction; few channels come first, so that neighbours are positions."""
    batch = [c for c in ours if c in theirs and c in result]
    inner = [c for c in ours if c not in result]
    if _is_few(b, [theirs.index(c) for c in theirs if c in result and c not in batch]):
        a, ours, b, theirs = b, theirs, a, ours
    summed = dot_general(
        a,
        b,
        (_places(batch, ours), _places(batch, theirs)),
        (_places(inner, ours), _places(inner, theirs)),
    )
    found = [*batch, *(c for x in (ours, theirs) for c in x if c in result and c not in batch)]
    return transpose(summed, _places(result, found))


def _is_few(x: Tensor, axes: Sequence[int]) -> bool:
    count = product(x.shape[k] for k in axes)
    return isinstance(count, int) and count < FEW_CHANNELS


def _summed(a: Tensor, ours: Names, b: Tensor, theirs: Names, result: Names) -> Tensor:
    """The product element by element, then a sum; for groups of one channel each."""
    inner = [c for c in ours if c not in result]
    names = [*result, *inner]
    shape = tuple(a.shape[ours.index(c)] if c in ours else b.shape[theirs.index(c)] for c in names)
    x, y = (
        broadcast(
            transpose(z, _places([c for c in names if c in own], own)),
            shape,
            _places([c for c in names if c in own], names),
        )
        for z, own in ((a, ours), (b, theirs))
    )
    return sum(x * y, axis=tuple(range(len(result), len(names))), dtype=a.dtype)


def _places(wanted: Names, names: Names) -> tuple[int, ...]:
    return tuple(names.index(c) for c in wanted)
