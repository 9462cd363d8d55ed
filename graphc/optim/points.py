"""Gradients at other points than where the parameters are, and parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from graphc.ir.node import Tensor
from graphc.ir.walk import substitute
from graphc.ops.convert import cast
from graphc.ops.joining import concat
from graphc.ops.layout import reshape
from graphc.passes.derivatives.differentiate import grad


def moved(
    outputs: Sequence[Tensor], parameters: Mapping[str, Tensor], points: Mapping[str, Tensor]
) -> list[Tensor]:
    """The outputs as they are when the parameters have the values `points`."""
    return substitute(outputs, {p: cast(points[name], p.dtype) for name, p in parameters.items()})


def gradients_at(
    loss: Tensor, parameters: Mapping[str, Tensor], points: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The gradients of the loss, by name, where the parameters have the values `points`."""
    grads = grad(loss, list(parameters.values()))
    return dict(zip(parameters, moved(grads, parameters, points), strict=True))


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """All elements in one vector, one tensor after the other."""
    return concat([reshape(x, (elements(x),)) for x in tensors])


def parted(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """The parts of a vector that `joined` would have made of tensors shaped as `like`."""
    parts, begin = [], 0
    for x in like:
        end = begin + elements(x)
        parts.append(cast(reshape(vector[begin:end], x.shape), x.dtype))
        begin = end
    return parts


def elements(x: Tensor) -> int:
    """The number of elements of a tensor of known size."""
    return math.prod(d for d in x.shape if isinstance(d, int))


def along(loss: Tensor, parameters: Sequence[Tensor], vector: Tensor) -> Tensor:
    """The loss where the parameters, joined, are `vector`."""
    return substitute([loss], dict(zip(parameters, parted(vector, parameters), strict=True)))[0]
