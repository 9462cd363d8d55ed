"""Convolutions as products of one operand with windows of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim, bounds
from graphc.ir.node import Node, Tensor
from graphc.ir.types import is_static
from graphc.ops.convolutions.axes import LETTERS, Line, letter_sizes, lettered
from graphc.ops.convolutions.depthwise import depthwise
from graphc.ops.convolutions.window_padding import View, padded
from graphc.ops.convolutions.windows import Step
from graphc.ops.copying import copy
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.linear.contraction import dot_general
from graphc.ops.reduction import sum

#: Fewer channels than these do not fill the vectors of a product.
FEW_CHANNELS = 12
#: Channels in multiples of this are read vector by vector.
MANY_CHANNELS = 16
#: Fewer channels than these may be read where they lie, which takes zeros beyond the edges.
UNPACKED_CHANNELS = 65
#: The same where what is read are lines of taps, too short to be packed at speed.
UNPACKED_LINES = 129

#: Axes by name: letters of channels, then "s" for each position and "t" for each tap.
Names = list[str]
Named = tuple[Tensor, Names]


def composed(role: str, takes: Sequence[str], node: Node) -> Tensor:
    """The tensor of a role, from those of `takes`, by a product summed over what it lacks."""
    lines, groups = node.attrs["lines"], node.attrs["groups"]
    sizes = letter_sizes(takes, [x.type for x in node.inputs], groups)
    known = {r: lettered(x, sizes, r) for r, x in zip(takes, node.inputs, strict=True)}
    seen = "y" if role == "x" else "x"
    one_each = groups != 1 and sizes["i"] == 1 and sizes["o"] == 1
    given = dict(zip(takes, node.inputs, strict=True))
    if role != "w" and fills_vectors(given["w"], groups, lines):
        w, x = given["w"], given[seen]
        return depthwise(x, w, node.attrs["extent"], _steps(lines, role))
    (other,) = (r for r in takes if r != seen)
    ours, theirs, result = (
        [c for c in LETTERS[r] if c != "g" or groups != 1] for r in (seen, other, role)
    )
    extent, b = node.attrs["extent"], known[other]
    seen_by, one = b.shape[len(theirs) :], (1,) * len(lines)
    # Windows that are a product's columns take known lengths.
    few = _is_few(role, sizes) and (role == "w" or is_static(extent) or seen_by == one)
    a = _laid(known[seen], len(ours), few)
    axes, positions = tuple(range(len(ours), a.ndim)), [f"s{k}" for k in range(len(lines))]
    taps = [f"t{k}" for k in range(len(lines))]
    view = View(axes, extent, seen_by, _steps(lines, role))
    channels = a.shape[len(ours) - 1]
    in_lines = isinstance(channels, int) and channels % MANY_CHANNELS == 0
    if _is_few(role, sizes, UNPACKED_CHANNELS if in_lines else UNPACKED_LINES):
        a, view = padded(a, view)
    wide = view.of(a)
    ours, theirs, result = [*ours, *positions, *taps], [*theirs, *taps], [*result, *positions]
    if one_each:
        return reshape(_summed(wide, ours, b, theirs, result), node.types[0].shape)
    pairs = ((b, theirs), (wide, ours)) if few else ((wide, ours), (b, theirs))
    if role == "w" and _is_smaller(node):
        each = _multiplied(*pairs, ["n", *result])
        return reshape(sum(each, axis=0, dtype=each.dtype), node.types[0].shape)
    return reshape(_multiplied(*pairs, result), node.types[0].shape)


def fills_vectors(w: Tensor, groups: Dim, lines: Sequence[Line]) -> bool:
    """Whether these are kernels of groups of one channel each, which together fill vectors."""
    one_each = groups != 1 and w.shape[:2] == (groups, 1)
    return one_each and len(lines) > 1 and _are_many(groups)


def _steps(lines: Sequence[Line], role: str) -> tuple[Step, ...]:
    return tuple(Line(*line).steps(role) for line in lines)


def _is_smaller(node: Node) -> bool:
    """Whether the kernels are no larger than what they are made of for one sample: then each
    sample's share is a task of its own.
    """
    x, y = node.inputs
    of_one = product(x.shape[1:]) + product(y.shape[1:])
    _, most = bounds(node.types[0].size - of_one)
    return most is not None and most <= 0


def _is_few(role: str, sizes: Mapping[str, Dim], limit: int = FEW_CHANNELS) -> bool:
    """Whether the channels of the result do not fill the vectors of a product."""
    channels = sizes["i" if role == "x" else "o"]
    return isinstance(channels, int) and channels < limit


def _are_many(channels: Dim) -> bool:
    """Whether channels, as many as are known, fill vectors."""
    return isinstance(channels, int) and channels >= FEW_CHANNELS


def _laid(x: Tensor, spatial: int, few: bool) -> Tensor:
    """x as products read it best: its channels, if many, are neighbours in memory; else positions.

    `spatial` is its first spatial axis.
    """
    if few:
        return copy(x)
    channels = x.shape[spatial - 1]
    if not isinstance(channels, int) or channels % MANY_CHANNELS:
        return x
    order = (*range(spatial - 1), *range(spatial, x.ndim), spatial - 1)
    return transpose(copy(transpose(x, order)), [order.index(k) for k in range(x.ndim)])


def _multiplied(left: Named, right: Named, result: Names) -> Tensor:
    """The product as a contraction."""
    (a, ours), (b, theirs) = left, right
    batch = [c for c in ours if c in theirs and c in result]
    inner = [c for c in ours if c not in result]
    summed = dot_general(
        a,
        b,
        (_places(batch, ours), _places(batch, theirs)),
        (_places(inner, ours), _places(inner, theirs)),
    )
    found = [*batch, *(c for x in (ours, theirs) for c in x if c in result and c not in batch)]
    return transpose(summed, _places(result, found))


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
