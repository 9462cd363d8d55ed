"""Networks from architectures that are data (see `graphc.search.architectures`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.nn.convolution import conv2d
from graphc.nn.layer import Layer
from graphc.nn.options import options_of
from graphc.ops.activations import relu
from graphc.ops.convolutions.pooling import average_pool, max_pool
from graphc.ops.creation import zeros_like
from graphc.ops.joining import concat

Operation = Callable[[Tensor], Tensor]
Make = Callable[[int], Operation]


class Drawn(Protocol):
    """What an architecture tells: how many values are given, and each node's (source, operation)
    edges.
    """

    @property
    def inputs(self) -> int:
        """The number of values that are given."""

    @property
    def nodes(self) -> tuple[tuple[tuple[int, str], ...], ...]:
        """The edges of each node."""

    @property
    def ends(self) -> tuple[int, ...]:
        """The values that are the output."""


class Wiring(Layer):
    """The network of an architecture: the sum of operations at each node, and the nodes that no
    other reads joined along `axis`.

    operations: for each name a function of a stride that makes the operation, with weights of its
    own for each edge. In a `reduction` the edges from inputs have stride 2, all others 1. Weights
    are called after node, source and operation, so that `inherit_weights` finds them again.
    """

    def __init__(
        self,
        architecture: Drawn,
        operations: Mapping[str, Make],
        reduction: bool = False,
        axis: int = 1,
    ):
        self.architecture, self.axis = architecture, axis
        self.edges: dict[str, Operation] = {}
        for k, edges in enumerate(architecture.nodes):
            for e, (source, op) in enumerate(edges):
                if op not in operations:
                    raise GraphError(f"there is no operation {op!r}; there are {[*operations]}")
                stride = 2 if reduction and source < architecture.inputs else 1
                self.edges[f"{k}_{e}_{source}_{op}"] = operations[op](stride)

    def __call__(self, *inputs: Tensor) -> Tensor:
        a = self.architecture
        if len(inputs) != a.inputs:
            raise GraphError(f"the architecture has {a.inputs} inputs, not {len(inputs)}")
        values = list(inputs)
        for k, edges in enumerate(a.nodes):
            parts = [
                self.edges[f"{k}_{e}_{source}_{op}"](values[source])
                for e, (source, op) in enumerate(edges)
            ]
            values.append(sum(parts[1:], parts[0]))
        ends = [values[v] for v in a.ends]
        return ends[0] if len(ends) == 1 else concat(ends, axis=self.axis)


@options_of(Wiring)
def why_rejected(
    architecture: Drawn, operations: Mapping[str, Make], *inputs: Tensor, **options: Any
) -> str | None:
    """Why the architecture cannot be built on these inputs, in a sentence; None if it can."""
    try:
        Wiring(architecture, operations, **options)(*inputs)
    except GraphError as error:
        return str(error)
    return None


@options_of(conv2d)
def image_operations(channels: int, **options: Any) -> dict[str, Make]:
    """Operations on images (N, channels, H, W) that keep the channels, and with stride 2 halve H
    and W: 3 x 3 convolution (of the ReLU of its input), pooling, identity, zero.
    """

    def thinned(x: Tensor, stride: int) -> Tensor:
        return x if stride == 1 else x[:, :, ::stride, ::stride]

    def convolved(stride: int) -> Operation:
        layer = conv2d(channels, channels, 3, stride=stride, padding="same", **options)
        return _Activated(layer)

    return {
        "conv3": convolved,
        "max_pool3": lambda stride: lambda x: max_pool(x, 3, stride, "same"),
        "average_pool3": lambda stride: lambda x: average_pool(x, 3, stride, "same"),
        "identity": lambda stride: lambda x: thinned(x, stride),
        "zero": lambda stride: lambda x: zeros_like(thinned(x, stride)),
    }


class _Activated(Layer):
    """A layer on the ReLU of its input."""

    def __init__(self, layer: Layer):
        self.layer = layer

    def __call__(self, x: Tensor) -> Tensor:
        return self.layer(relu(x))


def inherit_weights(child: Layer, parent: Layer) -> list[str]:
    """Gives a layer the arrays of another that have the same name, shape and dtype; their names."""
    mine, theirs = child.state_dict(), parent.state_dict()
    same = [
        name
        for name, array in mine.items()
        if name in theirs
        and theirs[name].shape == array.shape
        and theirs[name].dtype == array.dtype
    ]
    child.load_state_dict(mine | {name: np.asarray(theirs[name]) for name in same})
    return same
