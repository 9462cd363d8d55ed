"""Rules of layout: chains of transpositions, reshapes and broadcasts become one."""

from __future__ import annotations

from graphc.ir.node import Tensor
from graphc.ir.types import Shape
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.passes.rule import Sides, rule


@rule(examples=[{"x": (2, 3, 4), "first": (1, 2, 0), "second": (1, 0, 2)}])
def transpose_of_transpose(x: Tensor, first: tuple[int, ...], second: tuple[int, ...]) -> Sides:
    """Two orders of axes are one."""
    return transpose(transpose(x, first), second), transpose(x, [first[k] for k in second])


@rule(examples=[{"x": (2, 6), "first": (3, 4), "second": (12,)}])
def reshape_of_reshape(x: Tensor, first: Shape, second: Shape) -> Sides:
    """Only the last shape matters."""
    return reshape(reshape(x, first), second), reshape(x, second)


@rule(
    examples=[
        {"x": (3,), "first": (2, 3), "inner": (1,), "second": (2, 5, 3), "outer": (0, 2)},
    ]
)
def broadcast_of_broadcast(
    x: Tensor, first: Shape, inner: tuple[int, ...], second: Shape, outer: tuple[int, ...]
) -> Sides:
    """Two repetitions are one."""
    return (
        broadcast(broadcast(x, first, inner), second, outer),
        broadcast(x, second, tuple(outer[k] for k in inner)),
    )
