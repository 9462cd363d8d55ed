"""Kernels of convolutions are laid out in the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dtypes import bfloat16, float32
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import blame, rebuild, with_inputs
from graphc.ops.convert import cast
from graphc.ops.convolutions.axes import Line
from graphc.ops.convolutions.convolution import Convolution, sum_of
from graphc.ops.convolutions.packed import packed_convolution, panel_of
from graphc.ops.copying import copy
from graphc.ops.elementwise import Elementwise
from graphc.ops.indexing.slicing import flip
from graphc.ops.layout import reshape, transpose
from graphc.ops.recipes import made
from graphc.ops.source import is_constant
from graphc.passes.graph import Graph, Pass
from graphc.passes.layouts.narrow import (
    Operands,
    narrow_operands,
    offset_of,
    without_offset,
    words_of,
)
from graphc.passes.layouts.winograd import likely

#: Fewer channels than these do not fill vectors.
FEW_CHANNELS = 16
#: Positions in which a product of one tap does not wait for its kernels.
MANY_POSITIONS = 256
#: Summands after which finishing a sum in registers gains something.
FEW_SUMMANDS = 64


def pack_kernels(graph: Graph) -> Graph:
    """The graph with convolutions by such kernels replaced."""
    return graph.with_results(rebuild(graph.results, _visit))


def _visit(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
    if not isinstance(node.op, Convolution) or node.op.role == "w":
        return None
    role, node = node.op.role, with_inputs(node, inputs)
    if role == "x":
        return _image(node)
    (x, w), lines = inputs, node.attrs["lines"]
    if len(lines) != 2 or node.attrs["groups"] != 1:
        return None
    if any((dilation, spread) != (1, 1) for _, dilation, _, spread in lines):
        return None
    result = _of_words(node)
    if result is None and w.dtype is float32:
        taken_in = _is_product(node) and _is_depthwise(x)
        as_product = _is_product(node) and _is_long(node) and not taken_in
        u = None if as_product else _packed(w, least=8 if taken_in else 16)
        result = None if u is None else _convolved(node, x, u)
    if result is None:
        return None
    blame(result, node)
    return (result,)


def _image(node: Node) -> Sequence[Tensor] | None:
    """The gradient of narrow numbers for images, by steps of one: the convolution of the cotangent
    with kernels whose taps are in reverse order.
    """
    (w, y), lines = node.inputs, node.attrs["lines"]
    if w.dtype is not bfloat16 or len(lines) != 2 or node.attrs["groups"] != 1:
        return None
    if any((stride, dilation, spread) != (1, 1, 1) for stride, dilation, _, spread in lines):
        return None
    taps = w.shape[2:]
    turned = transpose(flip(w, (2, 3)), (1, 0, 2, 3))
    back = tuple(Line(before=k - 1 - line[2]) for k, line in zip(taps, lines, strict=True))
    image = sum_of("y", {"x": y, "w": turned}, back, node.attrs["extent"], 1)
    result = _of_words(image.node)
    if result is None:
        return None
    blame(result, node)
    return (result,)


def _of_words(node: Node) -> Tensor | None:
    """The convolution of narrow numbers in words, where they are and there is something to gain."""
    operands = narrow_operands(node)
    if operands is None:
        return None
    x, w = operands
    outputs, channels = w.shape[:2]
    if not isinstance(outputs, int) or not isinstance(channels, int):
        return None
    if outputs == 0 or channels == 0 or outputs % 16:
        return None
    if _is_product(node) and not is_constant(w):
        return None
    if x.dtype is bfloat16 and (_is_few(w) or channels % 2):
        return None  # what lies behind a line's end may be no number
    u = words_of(operands, _is_few(w))
    return _convolved(node, x, u, operands)


def _convolved(node: Node, x: Tensor, u: Tensor, operands: Operands | None = None) -> Tensor:
    """The images x convolved with these packed kernels; the operands if they are narrow numbers."""
    w, lines = node.inputs[1], node.attrs["lines"]
    first, taps = _is_few(w), (w.shape[2], w.shape[3])
    extent, strides = tuple(node.attrs["extent"]), tuple(line[0] for line in lines)
    before = tuple(line[2] for line in lines)
    seen = x if first else copy(transpose(x, (0, 2, 3, 1)))
    added = offset_of(operands) if operands else 0
    y = packed_convolution(seen, u, extent, strides, taps, before, first, added)
    if operands:
        y = cast(without_offset(y, operands), node.types[0].dtype)
    return transpose(y, (0, 3, 1, 2))


def _is_product(node: Node) -> bool:
    """Whether this is a product of images and kernels as they lie."""
    return node.inputs[1].shape[2:] == (1, 1) and all(line[0] == 1 for line in node.attrs["lines"])


def _is_long(node: Node) -> bool:
    """Whether such a product is better taken as one: of many positions, and summands so many that
    what is done with a sum counts for little.
    """
    (_, w), (y,) = node.inputs, node.outputs
    many = likely(y.shape[0] * y.shape[2] * y.shape[3]) >= MANY_POSITIONS
    return many and likely(w.shape[1]) > FEW_SUMMANDS


def _is_depthwise(x: Tensor) -> bool:
    """Whether images are functions of those of a convolution channel by channel: then they are
    computed as they are taken in.
    """
    while isinstance(x.node.op, Elementwise):
        wide = [y for y in x.node.inputs if y.node.op.name != "broadcast"]
        if len(wide) != 1:
            return False
        (x,) = wide
    op = x.node.op
    return isinstance(op, Convolution) and op.role == "y" and x.node.inputs[1].shape[1] == 1


def _is_few(w: Tensor) -> bool:
    """Whether channels do not fill vectors."""
    channels = w.shape[1]
    return isinstance(channels, int) and channels < FEW_CHANNELS


def _packed(w: Tensor, least: int) -> Tensor | None:
    """The kernels as they are read, of channels in multiples of the least number; None where there
    is nothing to be gained.
    """
    outputs, channels = w.shape[:2]
    if not isinstance(outputs, int) or not isinstance(channels, int):
        return None
    if outputs == 0 or channels == 0 or outputs % least:
        return None
    if is_constant(w):
        return made("kernels", w, _is_few(w))
    if _is_few(w) or w.shape[2:] == (1, 1):
        return None
    width = panel_of(outputs)
    panels = reshape(w, (outputs // width, width, *w.shape[1:]))
    u = copy(transpose(panels, (0, *range(3, panels.ndim), 2, 1)))
    return reshape(u, (outputs // width, -1, width))


PACK_KERNELS = Pass("pack_kernels", pack_kernels, "kernels of plain convolutions lie as read")
