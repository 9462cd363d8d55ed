"""Convolutions with packed kernels, and Winograd's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from graphc.backends.lower.convolutions.packed import lower_packed
from graphc.backends.lower.convolutions.winograd import lower_winograd
from graphc.backends.lower.convolutions.winograd_kernels import lower_kernels
from graphc.backends.lower.kernel import Call, Schedule
from graphc.ir.node import Node
from graphc.passes.fusion.body import Body

_LOWERINGS: Mapping[str, Callable[..., list[Call]]] = MappingProxyType(
    {
        "winograd": lower_winograd,
        "winograd_kernels": lower_kernels,
        "convolution_packed": lower_packed,
    }
)


def lower_convolution(
    body: Body, schedule: Schedule, fail: Callable[[Node, str], int]
) -> list[Call]:
    """The kernels of a convolution, and the maps over its result."""
    return _LOWERINGS[body.node.op.name](body, schedule, fail)
