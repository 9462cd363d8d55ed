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
from graphc.ops.source import constant_value
from graphc.passes.differentiate import zeros_like
from graphc.passes.graph import Graph, Pass
from graphc.passes.pattern import literal

Axes = tuple[int, ...]
#: Elements below which a second reading costs less than a kernel of its own.
FEW = 2**15
COMBINES = frozenset({"sum", "prod", "min", "max", "and", "or"})


def share_reductions(graph: Graph) -> Graph:
    """The graph with such reductions replaced."""
    known: dict[object, list[Axes]] = {}
    for node in topological(graph.results):
        key = _key(node)
        if key is not None:
            known.setdefault(key, []).append(node.attrs["axes"])
    if all(len(axes) < 2 for axes in known.values()):
        return graph
    smaller = _Smaller(known)
    return graph.with_results(rebuild(graph.results, smaller.visit))


def _key(node: Node) -> object | None:
    """What reductions of the same thing have in common, along whichever axes; None for others."""
    if not isinstance(node.op, Reduction) or node.op.combine not in COMBINES:
        return None
    (x,) = node.inputs
    size = product(x.shape)
    if (isinstance(size, int) and size < FEW) or (x.dtype.is_float and x.dtype.bits < 32):
        return None  # of short floats the partial results would be rounded
    return ("exponentials", _parts(x)[0]) if _is_shifted(node) else (node.op, x)


def _is_shifted(node: Node) -> bool:
    """Whether this is sum(exp(x - m)), where m is the largest x along the sum's axes, or 0 where
    that is infinite.
    """
    (e,) = node.inputs
    if node.op.name != "sum" or e.node.op.name != "exp":
        return False
    (d,) = e.node.inputs
    if d.node.op.name != "subtract" or d.node.inputs[1].node.op.name != "broadcast":
        return False
    x, m = _parts(e)
    axes = node.attrs["axes"]
    kept = tuple(k for k in range(x.ndim) if k not in axes)
    if d.node.inputs[1].node.attrs["axes"] != kept or m.node.op.name != "where":
        return False
    finite, largest, otherwise = m.node.inputs
    number = literal(otherwise)
    return (
        largest is reduce_max(x, axes)
        and finite.node.op.name == "isfinite"
        and finite.node.inputs[0] is largest
        and number is not None
        and constant_value(number) == 0
    )


def _parts(e: Tensor) -> tuple[Tensor, Tensor]:
    """x and m of exp(x - repeated m)."""
    x, repeated = e.node.inputs[0].node.inputs
    return x, repeated.node.inputs[0]


class _Smaller:
    def __init__(self, known: dict[object, list[Axes]]):
        self.known = known

    def visit(self, node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        """The output of a reduction by way of a smaller one."""
        found = self.known.get(_key(node), ())
        nested = [axes for axes in found if set(axes) < set(node.attrs["axes"])]
        if not nested:
            return None
        # The smallest, since it stays as it is: what is made here is that very node.
        parts = min(nested, key=len)
        left = _renumbered(node.attrs["axes"], parts)
        if _is_shifted(node):
            whole = reduce_sum(_rescaled(*_parts(inputs[0]), parts, left), left)
        else:
            partial = apply(node.op, *inputs, axes=parts).outputs[0]
            whole = apply(node.op, partial, axes=left).outputs[0]
        blame(whole, node)
        return (whole,)


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
