"""Which nodes can be computed for some rows only: those that keep the first axis of an operand
apart, and those that add it up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.types import Shape
from graphc.ops.elementwise import Elementwise
from graphc.ops.layout import broadcast, reshape
from graphc.ops.linear.contraction import free_axes

#: Ops that are told the shape of what they give, and by which attribute.
_SHAPED = MappingProxyType({"slice": "sizes", "place": "shape"})


def row_operands(node: Node, length: Dim) -> tuple[Tensor, ...] | None:
    """The operands whose rows a node needs to compute rows of its output, None where that needs
    more of them. Rows are indices of the first axis, of `length`.
    """
    shape = node.types[0].shape
    if len(node.outputs) > 1 or not shape or shape[0] != length:
        return None
    name, x = node.op.name, node.inputs[0] if node.inputs else None
    if isinstance(node.op, Elementwise):
        return node.inputs
    if name == "broadcast" and x is not None:
        return node.inputs if 0 in node.attrs["axes"] else ()
    if name == "reshape" and x is not None:
        return node.inputs if x.shape and x.shape[0] == length else None
    if name == "transpose":
        return node.inputs if node.attrs["axes"][0] == 0 else None
    if name == "dot_general":
        return _rows_of_product(node)
    return None


def strip_operands(node: Node, height: Dim) -> tuple[Tensor, ...] | None:
    """The same, also of what rearranges or adds up within each row."""
    known = row_operands(node, height)
    if known is not None or len(node.outputs) > 1 or not node.inputs:
        return known
    shape, attrs, x = node.types[0].shape, node.attrs, node.inputs[0]
    if not shape or shape[0] != height or not x.shape or x.shape[0] != height:
        return None
    if node.op.name in ("slice", "place"):
        whole = attrs["starts"][0] == 0 and attrs["steps"][0] == 1
        return node.inputs if whole and 0 not in attrs.get("checked", ()) else None
    if node.op.name == "concat":
        return node.inputs if attrs["axis"] > 0 else None
    if node.op.lowering == "reduce":
        return node.inputs if 0 not in attrs["axes"] else None
    return None


def _rows_of_product(node: Node) -> tuple[Tensor, ...] | None:
    a, b = node.inputs
    (ba, bb), (ca, _) = node.attrs["batch"], node.attrs["contract"]
    if ba:
        return node.inputs if ba[0] == bb[0] == 0 else None
    free = free_axes(a.ndim, ba, ca)
    return (a,) if free and free[0] == 0 and a is not b else None


def summed_operands(node: Node) -> tuple[Tensor, ...] | None:
    """The operands over whose rows a node sums, None if it does not. What has 16 bits is summed in
    more, which parts of a sum would lose.
    """
    if node.types[0].dtype.bits < 32:
        return None
    if node.op.name == "sum":
        return node.inputs if 0 in node.attrs["axes"] else None
    if node.op.name == "dot_general":
        pairs = zip(*node.attrs["contract"], strict=True)
        return node.inputs if (0, 0) in pairs else None
    return None


def of_block(node: Node, inputs: Sequence[Tensor], rows: Dim) -> Tensor:
    """A node's output for a block of rows, from operands for that block."""
    if node.op.name == "broadcast":
        return broadcast(inputs[0], _with_rows(node, rows), node.attrs["axes"])
    if node.op.name == "reshape":
        return reshape(inputs[0], _with_rows(node, rows))
    if node.op.name in _SHAPED:
        attrs = {**node.attrs, _SHAPED[node.op.name]: _with_rows(node, rows)}
        return apply(node.op, *inputs, **attrs).outputs[0]
    return apply(node.op, *inputs, **node.attrs).outputs[0]


def _with_rows(node: Node, rows: Dim) -> Shape:
    return (rows, *node.types[0].shape[1:])


def part_of(
    nodes: Sequence[Node],
    known: Mapping[Tensor, Tensor],
    length: Dim,
    rows: Dim,
    summed: Collection[Node] = (),
) -> dict[Tensor, Tensor]:
    """What `nodes`, in order, compute from a block of rows; `known` has the blocks of what they
    read by rows. All else that they read is the same for all blocks.
    """
    found = dict(known)
    for node in nodes:
        by_rows = summed_operands(node) if node in summed else strip_operands(node, length)
        cut = set(by_rows or ())
        inputs = [found[x] if x in cut else x for x in node.inputs]
        if node in summed:
            found[node.outputs[0]] = apply(node.op, *inputs, **node.attrs).outputs[0]
        else:
            found[node.outputs[0]] = of_block(node, inputs, rows)
    return found
