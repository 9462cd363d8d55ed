"""A reduction over some axes is made of one over fewer axes that the graph has anyway.

    sum(x, (0, 1))            becomes  sum(sum(x, 0), 0)
    sum(exp(x - repeated m))  becomes  sum(s * exp(k - m)), where s = sum(exp(x - repeated k), 0)

so that x is read, and exp computed, once for both. Only roundings change: the partial sums are
those of the other result.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dims import product
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.walk import blame, rebuild, topological
from graphc.ops.arithmetic import minimum
from graphc.ops.classify import isfinite
from graphc.ops.exponential import exp
from graphc.ops.layout import broadcast
from graphc.ops.reduction import Reduction
from graphc.ops.reduction import max as reduce_max
from graphc.ops.reduction import sum as reduce_sum
from graphc.ops.select import where
from graphc.passes.differentiate import zeros_like
from graphc.passes.graph import Graph, Pass

Axes = tuple[int, ...]
#: Elements below which a second reading costs less than a kernel of its own.
FEW = 2**15
COMBINES = frozenset({"sum", "prod", "min", "max", "and", "or"})


def share_reductions(graph: Graph) -> Graph:
    """The graph with such reductions replaced."""
    known: dict[object, list[Axes]] = {}
    for node in topological(graph.results):
        for key in _keys(node):
            known.setdefault(key, []).append(node.attrs["axes"])
    if all(len(axes) < 2 for axes in known.values()):
        return graph
    smaller = _Smaller(known)
    return graph.with_results(rebuild(graph.results, smaller.visit))


def _keys(node: Node) -> list[object]:
    """What reductions of the same thing have in common, along whichever axes."""
    if not isinstance(node.op, Reduction) or node.op.combine not in COMBINES:
        return []
    (x,) = node.inputs
    size = product(x.shape)
    if (isinstance(size, int) and size < FEW) or (x.dtype.is_float and x.dtype.bits < 32):
        return []  # of short floats the partial results would be rounded
    shifted = _shifted(node)
    return [(node.op, x)] if shifted is None else [("exponentials", shifted[0])]


def _shifted(node: Node) -> tuple[Tensor, Tensor] | None:
    """x and m of sum(exp(x - m repeated along the sum's axes)), where m is largest of x or 0."""
    (e,) = node.inputs
    if node.op.name != "sum" or e.node.op.name != "exp":
        return None
    (d,) = e.node.inputs
    if d.node.op.name != "subtract" or d.node.inputs[1].node.op.name != "broadcast":
        return None
    x, repeated = d.node.inputs
    (m,) = repeated.node.inputs
    kept = tuple(k for k in range(x.ndim) if k not in node.attrs["axes"])
    if repeated.node.attrs["axes"] != kept or m.node.op.name != "where":
        return None
    finite, largest, _ = m.node.inputs
    fits = finite.node.op.name == "isfinite" and finite.node.inputs[0] is largest
    return (x, m) if fits and largest.node.op.name == "max" else None


class _Smaller:
    def __init__(self, known: dict[object, list[Axes]]):
        self.known = known

    def visit(self, node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        """The output of a reduction by way of a smaller one."""
        for key in _keys(node):
            found = [a for a in self.known[key] if set(a) < set(node.attrs["axes"])]
            if not found:
                return None
            # The smallest, since it stays as it is: what is made here is that very node.
            parts = min(found, key=len)
            left = _renumbered(node.attrs["axes"], parts)
            now = apply(node.op, *inputs, **node.attrs).outputs[0].node
            shifted = _shifted(now)
            if shifted is not None:
                whole = reduce_sum(_rescaled(*shifted, parts, left), left)
            else:
                partial = apply(node.op, *inputs, axes=parts).outputs[0]
                whole = apply(node.op, partial, axes=left).outputs[0]
            blame(whole, node)
            return (whole,)
        return None


def _rescaled(x: Tensor, m: Tensor, parts: Axes, left: Axes) -> Tensor:
    """The sums of exp(x - m) along `parts`, from those of exp(x - k) with k the largest of each."""
    largest = reduce_max(x, parts)
    k = where(isfinite(largest), largest, zeros_like(largest))
    kept = tuple(a for a in range(x.ndim) if a not in parts)
    s = reduce_sum(exp(x - broadcast(k, x.shape, kept)), parts)
    shift = k - broadcast(m, k.shape, tuple(a for a in range(k.ndim) if a not in left))
    # Where k is not the largest but 0 since all are infinite, k - m may be above 0.
    return s * exp(minimum(shift, zeros_like(k)))


def _renumbered(axes: Axes, gone: Axes) -> Axes:
    """What is left of `axes` when those of `gone` have been reduced."""
    return tuple(a - sum(g < a for g in gone) for a in axes if a not in gone)


SHARE_REDUCTIONS = Pass(
    "share_reductions", share_reductions, "no two reductions of one tensor have nested axes"
)
