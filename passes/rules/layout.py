"""Rules of layout: chains of transpositions, reshapes and broadcasts become one; what repeats goes
last, so that the rest is done to as few elements as there are.
"""

from __future__ import annotations

from graphc.ir.dim_values import is_unit
from graphc.ir.dims import size
from graphc.ir.node import Node, Tensor
from graphc.ir.types import Shape
from graphc.ops.axis_groups import factor_groups
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.source import iota, is_scalar_constant, placeholder
from graphc.passes.rule import Sides, procedure, rule
from graphc.passes.rules.facts import made_by, moves_units, without_units

ROWS = size("rows")


@rule("transpose", examples=[{"x": (2, 3, 4), "first": (1, 2, 0), "second": (1, 0, 2)}])
def transpose_of_transpose(x: Tensor, first: tuple[int, ...], second: tuple[int, ...]) -> Sides:
    """Two orders of axes are one."""
    return transpose(transpose(x, first), second), transpose(x, [first[k] for k in second])


@rule("reshape", examples=[{"x": (2, 6), "first": (3, 4), "second": (12,)}])
def reshape_of_reshape(x: Tensor, first: Shape, second: Shape) -> Sides:
    """Only the last shape matters."""
    return reshape(reshape(x, first), second), reshape(x, second)


@rule(
    "broadcast",
    examples=[
        {"x": (3,), "first": (2, 3), "inner": (1,), "second": (2, 5, 3), "outer": (0, 2)},
    ],
)
def broadcast_of_broadcast(
    x: Tensor, first: Shape, inner: tuple[int, ...], second: Shape, outer: tuple[int, ...]
) -> Sides:
    """Two repetitions are one."""
    return (
        broadcast(broadcast(x, first, inner), second, outer),
        broadcast(x, second, tuple(outer[k] for k in inner)),
    )


def _matrix() -> Tensor:
    return placeholder("x", (3, "rows"))


def _column() -> Tensor:
    return placeholder("x", ("rows", 1))


@procedure("broadcast", examples=[lambda: broadcast(_matrix(), (3, 1, ROWS), (0, 2))])
def broadcast_along_axes_of_one(node: Node) -> Tensor | None:
    """Repeating once is reshaping."""
    shape = node.types[0].shape
    (x,) = node.inputs
    if without_units(shape) != without_units(x.shape) or is_scalar_constant(x):
        return None  # numbers are always written as repeated
    return reshape(x, shape)


@procedure(
    "broadcast",
    examples=[lambda: broadcast(reshape(_matrix(), (3, 1, "rows")), (5, 3, 1, ROWS), (1, 2, 3))],
)
def broadcast_of_added_axes(node: Node) -> Tensor | None:
    """Axes of length 1 need not be there before others are repeated."""
    (y,) = node.inputs
    if not moves_units(y) or y.ndim <= y.node.inputs[0].ndim:
        return None
    (x,) = y.node.inputs
    kept = _matched(x.shape, y.shape)
    if kept is None:
        return None
    return broadcast(x, node.types[0].shape, tuple(node.attrs["axes"][k] for k in kept))


def _matched(shape: Shape, longer: Shape) -> list[int] | None:
    """Where the axes of a shape are among those of one with more axes of length 1."""
    found: list[int] = []
    for d in shape:
        start = found[-1] + 1 if found else 0
        match = next((k for k in range(start, len(longer)) if longer[k] == d), None)
        if match is None or any(not is_unit(e) for e in longer[start:match]):
            return None
        found.append(match)
    return found


@procedure(
    "transpose",
    examples=[lambda: transpose(broadcast(_matrix(), (2, 3, ROWS), (1, 2)), (2, 0, 1))],
)
def transpose_of_repeated(node: Node) -> Tensor | None:
    """What is repeated is turned first: there is less of it."""
    (y,) = node.inputs
    if not made_by(y, "broadcast"):
        return None
    order, (x,) = node.attrs["axes"], y.node.inputs
    places = [order.index(a) for a in y.node.attrs["axes"]]
    turned = transpose(x, sorted(range(x.ndim), key=places.__getitem__))
    return broadcast(turned, node.types[0].shape, tuple(sorted(places)))


@procedure("transpose", examples=[lambda: transpose(reshape(_matrix(), (1, 3, "rows")), (1, 0, 2))])
def transpose_of_axes_of_one(node: Node) -> Tensor | None:
    """Moving axes of length 1 is reshaping, which costs nothing and joins other reshapes."""
    (x,) = node.inputs
    order = [a for a in node.attrs["axes"] if not is_unit(x.shape[a])]
    return reshape(x, node.types[0].shape) if order == sorted(order) else None


@procedure(
    "reshape",
    examples=[
        lambda: reshape(broadcast(_column(), (4, ROWS, 1, 2), (1, 2)), (2, 2, "rows", 1, 2)),
        lambda: reshape(broadcast(placeholder("x", ()), (3, 4), ()), (2, 6)),
        lambda: reshape(broadcast(placeholder("x", (6,)), (5, 6), (1,)), (5, 2, 3)),
    ],
)
def reshape_of_repeated(node: Node) -> Tensor | None:
    """What is repeated is reshaped first: there is less of it."""
    return reshaped_repeat(node.inputs[0], node.types[0].shape)


def reshaped_repeat(y: Tensor, shape: Shape) -> Tensor | None:
    """A broadcast reshaped, written as a broadcast; None if it cannot be."""
    if not made_by(y, "broadcast"):
        return None
    (x,), kept = y.node.inputs, y.node.attrs["axes"]
    inner: list[int] = []
    for ours, theirs in factor_groups(y.shape, shape):
        big = [k for k in ours if not is_unit(y.shape[k])]
        if all(k in kept for k in big):
            inner += [k for k in theirs if not is_unit(shape[k])] if big else []
        elif any(k in kept for k in big):
            return None
    return broadcast(reshape(x, tuple(shape[k] for k in inner)), shape, tuple(inner))


@procedure("iota", examples=[lambda: iota((2, 4, 3), 1)])
def iota_along_one_axis(node: Node) -> Tensor | None:
    """What is counted along one axis is the same along the others; so is what follows from it."""
    shape, axis = node.types[0].shape, node.attrs["axis"]
    if len(shape) == 1:
        return None
    line = iota((shape[axis],), 0, node.types[0].dtype)
    return broadcast(line, shape, (axis,))
