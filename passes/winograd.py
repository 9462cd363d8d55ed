"""Convolutions of 3 x 3 taps in steps of 1 become Winograd's, where these take less time.

Derivatives have been taken by then, so the gradients of convolutions, which are convolutions too,
are treated alike. Leave the pass out (`disable=["winograd"]`) for sums as they are defined.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.ir.dims import Dim, bounds, evaluate, sizes
from graphc.ir.dtypes import float32
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import blame, rebuild
from graphc.ops.convolution import Convolution
from graphc.ops.convolution_axes import Line
from graphc.ops.copying import copy
from graphc.ops.layout import transpose
from graphc.ops.reduction import sum
from graphc.ops.source import constant, constant_value
from graphc.ops.winograd import divide_up, transformed_kernels, winograd, winograd_kernels
from graphc.ops.winograd_matrices import TAPS, transforms
from graphc.passes.graph import Graph, Pass

#: Positions of a tile along each axis.
RESULTS = 2
#: Channels come in multiples of this.
CHANNELS = 16
#: Multiply-adds in the time in which memory gives a weight.
WEIGHT = 24
#: Operations on a channel of a tile in the time of so many multiply-adds.
TRANSFORM = 80
#: What a named size is taken to be.
UNKNOWN = 8
#: The time of Winograd's way over that of the direct one at most.
GAIN = 0.85

LAST = (0, 2, 3, 1)
FIRST = (0, 3, 1, 2)


def by_winograd(graph: Graph) -> Graph:
    """The graph with such convolutions replaced."""
    return graph.with_results(rebuild(graph.results, _visit))


def _visit(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
    if not isinstance(node.op, Convolution) or not _serves(node):
        return None
    known = dict(zip(node.op.takes, inputs, strict=True))
    result = {"y": _result, "x": _image, "w": _kernels}[node.op.role](node, known)
    blame(result, node)
    return (result,)


def _serves(node: Node) -> bool:
    """Whether sizes and options are such that transforms pay."""
    op, lines = node.op, node.attrs["lines"]
    assert isinstance(op, Convolution)
    known = dict(zip([*op.takes, op.role], [*node.inputs, *node.outputs], strict=True))
    w, y = known["w"], known["y"]
    plain = all(tuple(line) == tuple(Line(before=line.before)) for line in map(_line, lines))
    if w.dtype is not float32 or not plain or node.attrs["groups"] != 1:
        return False
    return w.shape[2:] == (TAPS, TAPS) and _pays(w, y) and (op.role != "w" or _is_smaller(node))


def _line(line: Sequence[Dim]) -> Line:
    return Line(*line)  # type: ignore[arg-type]


def _pays(w: Tensor, y: Tensor) -> bool:
    """Whether fewer multiplications outweigh transforms and larger weights."""
    outputs, channels = w.shape[:2]
    if not isinstance(outputs, int) or not isinstance(channels, int):
        return False
    if outputs % CHANNELS or channels % CHANNELS:
        return False
    positions = likely(y.shape[0] * y.shape[2] * y.shape[3])
    tiles = likely(y.shape[0] * divide_up(y.shape[2], RESULTS) * divide_up(y.shape[3], RESULTS))
    weights, points = channels * outputs, transforms(RESULTS).reach ** 2
    direct = TAPS**2 * weights * (positions + WEIGHT)
    ours = points * weights * (tiles + WEIGHT) + TRANSFORM * tiles * (channels + outputs)
    return ours < GAIN * direct


def likely(d: Dim) -> int:
    """A length, with a guess for each named size."""
    return max(evaluate(d, dict.fromkeys(sizes(d), UNKNOWN)), 0)


def _is_smaller(node: Node) -> bool:
    """Whether the kernels are no larger than the image and cotangent of a sample, which has sums of
    its own.
    """
    x, y = node.inputs
    per_sample = x.shape[1] * x.shape[2] * x.shape[3] + y.shape[1] * y.shape[2] * y.shape[3]
    _, most = bounds(node.types[0].size - per_sample)
    return most is not None and most <= 0


def _result(node: Node, known: dict[str, Tensor]) -> Tensor:
    """The convolution of images."""
    before = tuple(line[2] for line in node.attrs["lines"])
    return _convolved(node, known["x"], known["w"], (2, 3, 1, 0), before, turned=False)


def _image(node: Node, known: dict[str, Tensor]) -> Tensor:
    """Its gradient for the images: a convolution with the taps in reverse order."""
    before = tuple(TAPS - 1 - line[2] for line in node.attrs["lines"])
    return _convolved(node, known["y"], known["w"], (2, 3, 0, 1), before, turned=True)


def _convolved(
    node: Node,
    x: Tensor,
    w: Tensor,
    order: tuple[int, ...],
    before: tuple[Dim, ...],
    *,
    turned: bool,
) -> Tensor:
    kernels = _arranged(w, order)
    spatial = tuple(node.attrs["extent"])
    pair = (before[0], before[1])
    u = _transformed(kernels, turned)
    y = winograd(copy(transpose(x, LAST)), u, kernels, spatial, pair, RESULTS, turned)
    return transpose(y, FIRST)


def _arranged(w: Tensor, order: tuple[int, ...]) -> Tensor:
    """The kernels with their axes in this order, in memory of their own."""
    value = constant_value(w)
    if value is None:
        return copy(transpose(w, order))
    return constant(np.ascontiguousarray(value.transpose(order)))


def _transformed(kernels: Tensor, turned: bool) -> Tensor:
    """The transformed kernels; of constants, a constant."""
    u = transformed_kernels(kernels, RESULTS, turned)
    value = constant_value(kernels)
    if value is None:
        return u
    return constant(u.node.op.reference(value, **u.node.attrs))


def _kernels(node: Node, known: dict[str, Tensor]) -> Tensor:
    """Its gradient for the kernels."""
    before = tuple(line[2] for line in node.attrs["lines"])
    x, y = (copy(transpose(known[r], LAST)) for r in "xy")
    each = winograd_kernels(x, y, (before[0], before[1]), RESULTS)
    return transpose(sum(each, axis=0, dtype=each.dtype), (3, 2, 0, 1))


WINOGRAD = Pass("winograd", by_winograd, "no convolution is left that Winograd's way makes faster")
