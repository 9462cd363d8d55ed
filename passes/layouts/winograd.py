"""Convolutions of 3 x 3 taps in steps of 1 become Winograd's, where these take less time.

Numbers of 16 bits are made float32 before. Derivatives have been taken by then, so the gradients
of convolutions, which are convolutions too, are treated alike. Results of convolutions that are
trained come from short tiles, which err the least: their rounding decides on which side of zero the
argument of a relu falls, and gradients jump there. Leave the pass out (`disable=["winograd"]`) for
sums as they are defined.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from graphc.ir.dim_values import evaluate, sizes
from graphc.ir.dims import Dim, bounds, minimum
from graphc.ir.dtypes import bfloat16, float16, float32
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.walk import blame, rebuild, topological, with_inputs
from graphc.ops.convert import cast
from graphc.ops.convolutions.convolution import Convolution
from graphc.ops.convolutions.packed import panel_of
from graphc.ops.convolutions.winograd import (
    Ways,
    transformed_kernels,
    winograd,
    winograd_kernels,
)
from graphc.ops.convolutions.winograd_matrices import TAPS
from graphc.ops.convolutions.word_kernels import GROUPS
from graphc.ops.copying import copy
from graphc.ops.layout import transpose
from graphc.ops.loops.control import Control
from graphc.ops.recipes import made
from graphc.ops.reduction import sum
from graphc.ops.source import is_constant
from graphc.passes.graph import Graph, Pass
from graphc.passes.layouts.narrow import narrow_operands
from graphc.passes.layouts.winograd_ways import EXACT, LONGEST, WEIGHT, ways_for

#: What a named size is taken to be.
UNKNOWN = 8
#: Chunks, as which sums for kernels are taken where there are samples enough; channels of a chunk.
CHUNKS, CHUNK_CHANNELS = 16, 64

#: Dtypes of convolutions whose sums are float32.
SUMMED = (float32, float16, bfloat16)

LAST = (0, 2, 3, 1)
FIRST = (0, 3, 1, 2)


def by_winograd(graph: Graph) -> Graph:
    """The graph with such convolutions replaced."""
    longest = EXACT if graph.trained and not graph.relaxed else LONGEST
    return graph.with_results(rebuild(graph.results, partial(_visit, graph.relaxed, longest)))


def takes_kernel_gradients(results: Sequence[Tensor]) -> bool:
    """Whether gradients of convolutions' kernels are among what these are made of, in loops and
    branches too.
    """
    for node in topological(results):
        if isinstance(node.op, Convolution) and node.op.role == "w":
            return True
        bodies = node.op.bodies(node.attrs) if isinstance(node.op, Control) else ()
        if any(takes_kernel_gradients(body.outputs) for body in bodies):
            return True
    return False


def _visit(
    relaxed: bool, longest: int, node: Node, inputs: tuple[Tensor, ...]
) -> Sequence[Tensor] | None:
    if not isinstance(node.op, Convolution) or not _is_plain(node, node.op):
        return None
    op, node = node.op, with_inputs(node, inputs)
    own = node.types[0].dtype
    words = relaxed and (op.role == "y" or (op.role == "x" and own is bfloat16))
    at_once = _at_once(node) if words else 1
    if own is not float32:
        (wide,) = apply(op, *(cast(x, float32) for x in node.inputs), **node.attrs).outputs
        node = wide.node
    known = dict(zip([*op.takes, op.role], [*node.inputs, *node.outputs], strict=True))
    weight = WEIGHT if is_constant(known["w"]) else 2 * WEIGHT
    longest = longest if op.role == "y" else LONGEST
    ways = ways_for(known["w"].shape, known["y"].shape, weight, at_once, longest)
    if not ways or (op.role == "w" and not _parts(node)):
        return None
    result = {"y": _result, "x": _image, "w": _kernels}[op.role](node, known, ways)
    result = cast(result, own)
    blame(result, node)
    return (result,)


def _at_once(node: Node) -> int:
    """How many summands the direct sum takes at once, where there are instructions for it."""
    operands = narrow_operands(node)
    return GROUPS[operands[0].dtype, operands[1].dtype] if operands else 1


def _is_plain(node: Node, op: Convolution) -> bool:
    """Whether kernels of 3 x 3 taps move by single steps, with sums in float32."""
    taps = node.inputs[op.takes.index("w")].shape[2:] if "w" in op.takes else node.attrs["extent"]
    steps = [(stride, dilation, spread) for stride, dilation, _, spread in node.attrs["lines"]]
    if node.types[0].dtype not in SUMMED or node.attrs["groups"] != 1:
        return False
    return tuple(taps) == (TAPS, TAPS) and steps == [(1, 1, 1)] * 2


def likely(d: Dim) -> int:
    """A length, with a guess for each named size."""
    return max(evaluate(d, dict.fromkeys(sizes(d), UNKNOWN)), 0)


def _parts(node: Node) -> Dim:
    """The runs of samples that have sums of their own: each sample, if the kernels are no larger
    than its image and cotangent; some, if sizes are not known.
    """
    x, y = node.inputs
    per_sample = x.shape[1] * x.shape[2] * x.shape[3] + y.shape[1] * y.shape[2] * y.shape[3]
    _, most = bounds(node.types[0].size - per_sample)
    if most is not None and most <= 0:
        return x.shape[0]
    if not sizes(per_sample):
        return 0
    channels, outputs = x.shape[1], y.shape[1]
    assert isinstance(channels, int) and isinstance(outputs, int)
    chunks = -(-channels // CHUNK_CHANNELS) * (outputs // panel_of(outputs))
    return minimum(x.shape[0], -(-CHUNKS // chunks))


def _result(node: Node, known: dict[str, Tensor], ways: Ways) -> Tensor:
    """The convolution of images."""
    before = tuple(line[2] for line in node.attrs["lines"])
    return _convolved(node, known["x"], known["w"], (2, 3, 1, 0), before, ways)


def _image(node: Node, known: dict[str, Tensor], ways: Ways) -> Tensor:
    """Its gradient for the images: a convolution with the taps in reverse order."""
    before = tuple(TAPS - 1 - line[2] for line in node.attrs["lines"])
    return _convolved(node, known["y"], known["w"], (2, 3, 0, 1), before, ways, turned=True)


def _convolved(
    node: Node,
    x: Tensor,
    w: Tensor,
    order: tuple[int, ...],
    before: tuple[Dim, ...],
    ways: Ways,
    turned: bool = False,
) -> Tensor:
    kernels = _arranged(w, order)
    spatial = tuple(node.attrs["extent"])
    pair = (before[0], before[1])
    u = [_transformed(kernels, *way, turned) for way in ways]
    y = winograd(copy(transpose(x, LAST)), u, kernels, spatial, pair, ways, turned)
    return transpose(y, FIRST)


def _arranged(w: Tensor, order: tuple[int, ...]) -> Tensor:
    """The kernels with their axes in this order, in memory of their own."""
    if not is_constant(w):
        return copy(transpose(w, order))
    return made("arranged", w, order)


def _transformed(kernels: Tensor, results: int, taken: Dim, turned: bool) -> Tensor:
    """The transformed kernels; of constants, a constant."""
    if is_constant(kernels):
        return made("transformed", kernels, results, turned)
    return transformed_kernels(kernels, results, turned, taken)


def _kernels(node: Node, known: dict[str, Tensor], ways: Ways) -> Tensor:
    """Its gradient for the kernels."""
    before = tuple(line[2] for line in node.attrs["lines"])
    x, y = (copy(transpose(known[r], LAST)) for r in "xy")
    each = winograd_kernels(x, y, (before[0], before[1]), ways, _parts(node))
    return transpose(sum(each, axis=0, dtype=each.dtype), (3, 2, 0, 1))


WINOGRAD = Pass("winograd", by_winograd, "no convolution is left that Winograd's way makes faster")
