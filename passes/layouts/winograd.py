"""Convolutions of 3 x 3 taps in steps of 1 become Winograd's, where these take less time.

Derivatives have been taken by then, so the gradients of convolutions, which are convolutions too,
are treated alike. Leave the pass out (`disable=["winograd"]`) for sums as they are defined.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dim_values import evaluate, sizes
from graphc.ir.dims import Dim, bounds
from graphc.ir.dtypes import float32
from graphc.ir.node import Node, Tensor
from graphc.ir.types import Shape
from graphc.ir.walk import blame, rebuild
from graphc.ops.convolutions.convolution import Convolution
from graphc.ops.convolutions.winograd import (
    divide_up,
    transformed_kernels,
    winograd,
    winograd_kernels,
)
from graphc.ops.convolutions.winograd_matrices import POINTS, TAPS, transforms
from graphc.ops.copying import copy
from graphc.ops.layout import transpose
from graphc.ops.recipes import made
from graphc.ops.reduction import sum
from graphc.ops.source import is_constant
from graphc.passes.graph import Graph, Pass

#: Channels come in multiples of this.
CHANNELS = 16
#: Multiply-adds in the time in which memory gives a weight.
WEIGHT = 12
#: The transforms of a channel of a tile take the time of so many multiply-adds a point.
TRANSFORM = 8
#: Numbers of a transformed tile, so that there is room for some.
NUMBERS = 15360
#: What a named size is taken to be.
UNKNOWN = 8
#: The time of Winograd's way over that of the direct one at most.
GAIN = 0.9

LAST = (0, 2, 3, 1)
FIRST = (0, 3, 1, 2)


def by_winograd(graph: Graph) -> Graph:
    """The graph with such convolutions replaced."""
    return graph.with_results(rebuild(graph.results, _visit))


def _visit(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
    if not isinstance(node.op, Convolution) or not _is_plain(node, node.op):
        return None
    op = node.op
    known = dict(zip([*op.takes, op.role], [*inputs, *node.outputs], strict=True))
    weight = WEIGHT if is_constant(known["w"]) else 2 * WEIGHT
    results = tile_for(known["w"].shape, known["y"].shape, weight)
    if results is None or (op.role == "w" and not _is_smaller(node)):
        return None
    result = {"y": _result, "x": _image, "w": _kernels}[op.role](node, known, results)
    blame(result, node)
    return (result,)


def _is_plain(node: Node, op: Convolution) -> bool:
    """Whether kernels of 3 x 3 taps move by single steps, in float32."""
    taps = node.inputs[op.takes.index("w")].shape[2:] if "w" in op.takes else node.attrs["extent"]
    steps = [(stride, dilation, spread) for stride, dilation, _, spread in node.attrs["lines"]]
    if node.types[0].dtype is not float32 or node.attrs["groups"] != 1:
        return False
    return tuple(taps) == (TAPS, TAPS) and steps == [(1, 1, 1)] * 2


def tile_for(w: Shape, y: Shape, weight: int = WEIGHT) -> int | None:
    """The positions of a tile along each axis for kernels and results of these shapes; None where
    the direct sum is as quick. `weight` is the time that each number of the kernels takes.
    """
    outputs, channels = w[:2]
    if not isinstance(outputs, int) or not isinstance(channels, int):
        return None
    if outputs % CHANNELS or channels % CHANNELS or outputs * channels == 0:
        return None
    direct = TAPS**2 * channels * outputs * (likely(y[0] * y[2] * y[3]) + weight)
    times = {
        m: _time(m, channels * outputs, channels + outputs, y, weight)
        for m in POINTS
        if transforms(m).reach ** 2 * max(channels, outputs) <= NUMBERS
    }
    best = min(times, key=times.__getitem__, default=None)
    return best if best is not None and times[best] < GAIN * direct else None


def _time(results: int, weights: int, channels: int, y: Shape, weight: int) -> int:
    """The time with tiles of so many positions each way, in that of multiply-adds."""
    tiles = likely(y[0] * divide_up(y[2], results) * divide_up(y[3], results))
    points = transforms(results).reach ** 2
    return points * (weights * (tiles + weight) + TRANSFORM * tiles * channels)


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


def _result(node: Node, known: dict[str, Tensor], results: int) -> Tensor:
    """The convolution of images."""
    before = tuple(line[2] for line in node.attrs["lines"])
    return _convolved(node, known["x"], known["w"], (2, 3, 1, 0), before, results)


def _image(node: Node, known: dict[str, Tensor], results: int) -> Tensor:
    """Its gradient for the images: a convolution with the taps in reverse order."""
    before = tuple(TAPS - 1 - line[2] for line in node.attrs["lines"])
    return _convolved(node, known["y"], known["w"], (2, 3, 0, 1), before, results, turned=True)


def _convolved(
    node: Node,
    x: Tensor,
    w: Tensor,
    order: tuple[int, ...],
    before: tuple[Dim, ...],
    results: int,
    turned: bool = False,
) -> Tensor:
    kernels = _arranged(w, order)
    spatial = tuple(node.attrs["extent"])
    pair = (before[0], before[1])
    u = _transformed(kernels, results, turned)
    y = winograd(copy(transpose(x, LAST)), u, kernels, spatial, pair, results, turned)
    return transpose(y, FIRST)


def _arranged(w: Tensor, order: tuple[int, ...]) -> Tensor:
    """The kernels with their axes in this order, in memory of their own."""
    if not is_constant(w):
        return copy(transpose(w, order))
    return made("arranged", w, order)


def _transformed(kernels: Tensor, results: int, turned: bool) -> Tensor:
    """The transformed kernels; of constants, a constant."""
    if is_constant(kernels):
        return made("transformed", kernels, results, turned)
    return transformed_kernels(kernels, results, turned)


def _kernels(node: Node, known: dict[str, Tensor], results: int) -> Tensor:
    """Its gradient for the kernels."""
    before = tuple(line[2] for line in node.attrs["lines"])
    x, y = (copy(transpose(known[r], LAST)) for r in "xy")
    each = winograd_kernels(x, y, (before[0], before[1]), results)
    return transpose(sum(each, axis=0, dtype=each.dtype), (3, 2, 0, 1))


WINOGRAD = Pass("winograd", by_winograd, "no convolution is left that Winograd's way makes faster")
