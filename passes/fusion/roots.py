"""Which values are computed as such (roots) and which are recomputed where they are read."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from graphc.ir.dims import Dim, DimExpr
from graphc.ir.node import Node, Tensor
from graphc.ir.types import Shape
from graphc.ir.walk import topological
from graphc.machine import TYPICAL
from graphc.ops.axis_groups import factor_groups
from graphc.ops.convolutions.packed import sees_each_once
from graphc.ops.convolutions.windows import overlap
from graphc.ops.elementwise import Elementwise
from graphc.ops.layout import Reshape

#: Scalar operations that are worth a store and a load of the result.
EXPENSIVE = TYPICAL.again
#: What one element that is repeated counts as.
LITERAL = 1
#: An expression of more nodes or operations than this is cut: recomputation and recursion stay
#: bounded.
LARGEST_CONE, CONE_OPERATIONS = 60, 128

_LAYOUT = {"broadcast", "reshape", "transpose", "slice", "flip"}


def is_buffer(x: Tensor) -> bool:
    """Whether x lies in memory before any kernel runs: an input, variable or constant array."""
    if x.node.op.lowering == "source":
        return True
    return x.node.op.name == "constant" and x.type.shape != ()


def is_view(node: Node) -> bool:
    """Whether the outputs are other views of the inputs' memory: of a barrier, and of a reshape
    that mixes axes, so that its index map would need divisions.
    """
    if not isinstance(node.op, Reshape):
        return node.op.name == "barrier"
    return _mixes_axes(node.inputs[0].shape, node.types[0].shape)


@functools.lru_cache(maxsize=4096)
def _mixes_axes(shape: Shape, target: Shape) -> bool:
    return any(
        sum(shape[k] != 1 for k in ours) > 1 or sum(target[k] != 1 for k in theirs) > 1
        for ours, theirs in factor_groups(shape, target)
    )


def base(x: Tensor) -> Tensor:
    """The tensor whose memory x is a view of; x itself if it is no view."""
    while is_view(x.node):
        x = x.node.inputs[x.index]
    return x


def choose_roots(outputs: Sequence[Tensor]) -> tuple[set[Tensor], dict[Tensor, int]]:
    """The tensors to compute as such, and how many operations an element of a tensor takes that is
    made of those.
    """
    chosen = _Chooser(outputs)
    return chosen.roots, chosen.flops


class _Chooser:
    def __init__(self, outputs: Sequence[Tensor]):
        self.roots: set[Tensor] = set(outputs)
        self.order = topological(outputs)
        self.readers: dict[Tensor, int] = {}
        self.flops: dict[Tensor, int] = {}
        self.nodes: dict[Tensor, int] = {}
        self.parts: set[Tensor] = set()
        for node in self.order:
            for x in dict.fromkeys(node.inputs):
                self.readers[x] = self.readers.get(x, 0) + 1
        products = [node for node in self.order if node.op.name == "convolution_packed"]
        taken = {node: self._taken_in(node) for node in products}
        self.taking = {node for node, found in taken.items() if found is not None}
        self.taken = set(taken.values())
        for node in self.order:
            self._visit(node)

    def _visit(self, node: Node) -> None:
        if node.op.lowering in ("loops", "control", "contraction", "reduce"):
            self.roots.update(node.outputs)
            if node.op.lowering != "reduce":
                for x in node.inputs:
                    if node.op.lowering == "contraction":
                        self._operand(node, x)
                    else:
                        self._force(x)
            return
        if node.op.lowering != "read":
            return
        if node.op.name == "checked_place":
            self.roots.update(node.outputs)
        if is_view(node):
            for x in node.inputs:
                self._force(x)
            self.roots.update(node.outputs)
            return
        self._keep_inputs(node)
        if node.op.name == "depthwise" and node not in self.taken:
            self.roots.update(node.outputs)
        for x in node.outputs:
            self._weigh(node, x)

    def _keep_inputs(self, node: Node) -> None:
        """Inputs that an op reads more than once for each element are kept where that is better."""
        if node.op.name == "broadcast":
            self._keep_if_expensive(node.inputs[0])
            self._keep_if_turned(node.inputs[0])
            self._keep_if_of_parts(node.inputs[0])
        if node.op.name == "gather":
            self._keep_if_expensive(node.inputs[0])
        if node.op.name == "depthwise" or (node.op.name == "windows" and overlap(node)):
            self._keep_if_computed(node.inputs[0])
        if node.op.name == "transpose" and node.inputs[0].node.op.name == "untile":
            self.roots.add(node.inputs[0])  # by lines first, then by squares
        if node.op.name == "depthwise":
            for x in node.inputs:
                self._keep_if_turned(x)

    def _force(self, x: Tensor) -> None:
        if not is_buffer(x):
            self.roots.add(x)

    def _operand(self, by: Node, x: Tensor) -> None:
        """What a product reads in place is in memory: x, or what x is windows of."""
        y = x
        while y.node.op.name in ("transpose", "broadcast", "windows") and y not in self.roots:
            if y.node.op.name == "windows":
                self._force(y.node.inputs[0])
                return
            y = y.node.inputs[0]
        if by in self.taking and x is by.inputs[0]:
            return
        if by.op.name == "convolution_packed" and x is by.inputs[1]:
            self._force(x)  # kernels are read in the order in which they lie
            return
        if not self._lies(x):
            self._force(x)

    def _lies(self, x: Tensor) -> bool:
        """Whether x is a transposition of something in memory, which a product reads in place,
        or the same in a narrower dtype.
        """
        while x not in self.roots and (x.node.op.name in ("transpose", "broadcast") or _widens(x)):
            x = x.node.inputs[0]
        return is_buffer(x) or x in self.roots

    def _taken_in(self, node: Node) -> Node | None:
        """The depthwise convolution that a packed one computes while it takes its images in: where
        it sees each of their elements once, and nothing else reads them or what they are made of.
        """
        x, seen_once = node.inputs[0], sees_each_once(node)
        while seen_once and x not in self.roots and self.readers[x] == 1:
            if x.node.op.name == "depthwise":
                return x.node
            wide = [y for y in x.node.inputs if y.node.op.name != "broadcast" and not is_buffer(y)]
            if not isinstance(x.node.op, Elementwise) or len(wide) != 1:
                return None
            (x,) = wide
        return None

    def _keep_if_expensive(self, x: Tensor) -> None:
        """What is repeated many times is not recomputed when that costs more than a load."""
        if (
            x.node.op.lowering == "read"
            and self.flops.get(x, 0) >= EXPENSIVE
            and not _is_one(x.type.shape)
        ):
            self.roots.add(x)

    def _keep_if_turned(self, x: Tensor) -> None:
        """What is repeated after it was put into another order is read in that order."""
        while x.node.op.name == "reshape" and x not in self.roots:
            x = x.node.inputs[0]
        if x.node.op.name == "copy":
            self.roots.add(x)

    def _keep_if_of_parts(self, x: Tensor) -> None:
        """What is repeated, read elsewhere too and computed from parts of something larger is kept:
        those lie far apart and are no longer in the cache when they are read again.
        """
        again = x in self.parts and self.readers[x] > 1 and self.flops[x] > 1
        if again and not _is_one(x.type.shape):
            self.roots.add(x)

    def _keep_if_computed(self, x: Tensor) -> None:
        """What several taps see is not recomputed for each."""
        if self.flops.get(x, 0) > 0:
            self.roots.add(x)

    def _weigh(self, node: Node, x: Tensor) -> None:
        parts = [y for y in dict.fromkeys(node.inputs) if y not in self.roots and not is_buffer(y)]
        own = getattr(node.op, "flops", 0 if node.op.name in _LAYOUT else 1)
        self.flops[x] = own + sum(self.flops.get(y, 0) for y in parts)
        if node.op.name == "broadcast" and _is_one(node.inputs[0].type.shape):
            # Computed once, before all loops, however it comes about.
            self.flops[x] = min(self.flops[x], LITERAL)
        self.nodes[x] = 1 + sum(self.nodes.get(y, 0) for y in parts)
        if node.op.name == "slice" or not self.parts.isdisjoint(parts):
            self.parts.add(x)
        if x in self.roots:
            return
        several = self.readers.get(x, 0) > 1
        large = self.nodes[x] > LARGEST_CONE or self.flops[x] > CONE_OPERATIONS
        if large or (several and self.flops[x] >= EXPENSIVE):
            self.roots.add(x)


def _widens(x: Tensor) -> bool:
    """Whether x is made of numbers of at most 16 bits, which take less time to read."""
    return x.node.op.name == "cast" and x.node.inputs[0].dtype.bits <= 16 < x.dtype.bits


def _is_one(shape: tuple[Dim, ...]) -> bool:
    return all(not isinstance(d, DimExpr) and d == 1 for d in shape)
