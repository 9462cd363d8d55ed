"""A reduction over some axes is made of one over fewer axes that the graph has anyway.

    sum(x, (0, 1))            becomes  sum(sum(x, 0), 0)
    sum(exp(x - repeated m))  becomes  sum(s * exp(k - m)), where s = sum(exp(x - repeated k), 0)

so that x is read, and exp computed, once for both. Only roundings change: the partial sums are
those of the other result.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.ir.dim_values import product
from graphc.ir.dtypes import float32, float64
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op
from graphc.ir.walk import blame, rebuild, topological
from graphc.machine import TYPICAL
from graphc.ops.arithmetic import minimum
from graphc.ops.classify import isfinite
from graphc.ops.convert import cast
from graphc.ops.exponential import exp
from graphc.ops.extent import extent
from graphc.ops.layout import broadcast
from graphc.ops.powers import square
from graphc.ops.reducing import Reduction
from graphc.ops.reduction import largest
from graphc.ops.reduction import sum as reduce_sum
from graphc.ops.select import where
from graphc.ops.source import constant_value
from graphc.passes.derivatives.differentiate import zeros_like
from graphc.passes.graph import Graph, Pass
from graphc.passes.pattern import literal

Axes = tuple[int, ...]
#: Elements below which a second reading costs less than a kernel of its own.
FEW = TYPICAL.twice_read // 2
COMBINES = frozenset({"sum", "prod", "min", "max", "and", "or"})


def share_reductions(graph: Graph) -> Graph:
    """The graph with such reductions replaced."""
    known: dict[object, list[Axes]] = {}
    means: dict[tuple[Tensor, Axes], Tensor] = {}
    for node in topological(graph.results):
        key = _key(node)
        if key is not None:
            known.setdefault(key, []).append(node.attrs["axes"])
        x = None if key is None else squared(node)
        if x is not None:
            means[x, node.attrs["axes"]] = _pivot(node.inputs[0])
    if all(len(axes) < 2 for axes in known.values()):
        return graph
    smaller = _Smaller(known, means)
    return graph.with_results(rebuild(graph.results, smaller.visit))


def _key(node: Node) -> object | None:
    """What reductions of the same thing have in common, along whichever axes; None for others."""
    if not isinstance(node.op, Reduction) or node.op.combine not in COMBINES:
        return None
    (x,) = node.inputs
    size = product(x.shape)
    if (isinstance(size, int) and size < FEW) or (x.dtype.is_float and x.dtype.bits < 32):
        return None  # of short floats the partial results would be rounded
    if is_shifted(node):
        return "exponentials", shifted_parts(x)[0]
    base = squared(node)
    return (node.op, x) if base is None else ("squares", base)


def is_shifted(node: Node) -> bool:
    """Whether this is sum(exp(x - m)), where m is the largest x along the sum's axes, or 0 where
    that is infinite.
    """
    (e,) = node.inputs
    if node.op.name != "sum" or e.node.op.name != "exp":
        return False
    (d,) = e.node.inputs
    if d.node.op.name != "subtract" or d.node.inputs[1].node.op.name != "broadcast":
        return False
    x, m = shifted_parts(e)
    axes = node.attrs["axes"]
    kept = tuple(k for k in range(x.ndim) if k not in axes)
    if d.node.inputs[1].node.attrs["axes"] != kept or m.node.op.name != "where":
        return False
    finite, top, otherwise = m.node.inputs
    number = literal(otherwise)
    return (
        top.node.op.name == "max"
        and top.node.inputs[0] is x
        and top.node.attrs["axes"] == axes
        and finite.node.op.name == "isfinite"
        and finite.node.inputs[0] is top
        and number is not None
        and constant_value(number) == 0
    )


def shifted_parts(e: Tensor) -> tuple[Tensor, Tensor]:
    """x and m of exp(x - repeated m)."""
    x, repeated = e.node.inputs[0].node.inputs
    return x, repeated.node.inputs[0]


def squared(node: Node) -> Tensor | None:
    """The x of sum(square(x - repeated k)), where k is the mean of x along the sum's axes; None for
    other nodes.
    """
    (y,) = node.inputs
    if node.op.name != "sum" or y.node.op.name != "square":
        return None
    return centred(y.node.inputs[0], node.attrs["axes"])


def centred(d: Tensor, axes: Axes) -> Tensor | None:
    """The x of d = x - repeated k, where k is the mean of x along these axes; None for others."""
    if d.node.op.name != "subtract" or d.node.inputs[1].node.op.name != "broadcast":
        return None
    x, repeated = d.node.inputs
    kept = tuple(a for a in range(x.ndim) if a not in axes)
    same = repeated.node.attrs["axes"] == kept and _is_mean(repeated.node.inputs[0], x, axes)
    return x if same else None


def _is_mean(k: Tensor, x: Tensor, axes: Axes) -> bool:
    """Whether k is a sum of x along these axes, over their size or times its inverse; or the sum of
    that of some of them.
    """
    if k.node.op.name not in ("multiply", "divide"):
        return False
    s, by = k.node.inputs
    if by.node.op.name == "broadcast":
        (by,) = by.node.inputs
    size = product(x.shape[a] for a in axes)
    if by.node.op.name == "extent":
        right = k.node.op.name == "divide" and by.node.attrs["extent"] == size
    else:
        value = constant_value(by)
        if value is None or not isinstance(size, int) or size == 0:
            return False
        wanted = size if k.node.op.name == "divide" else 1 / size
        right = bool(value == np.asarray(wanted, x.dtype.numpy))
    return right and _is_sum(s, x, axes)


def _is_sum(s: Tensor, x: Tensor, axes: Axes) -> bool:
    """Whether s is the sum of x along these axes, at once or along some of them first."""
    if s.node.op.name != "sum":
        return False
    if s.node.inputs[0] is x:
        return bool(s.node.attrs["axes"] == axes)
    (part,) = s.node.inputs
    first = part.node.attrs["axes"] if part.node.op.name == "sum" else axes
    return (
        set(first) < set(axes)
        and part.node.inputs[0] is x
        and s.node.attrs["axes"] == _renumbered(axes, first)
    )


class _Smaller:
    def __init__(self, known: dict[object, list[Axes]], means: dict[tuple[Tensor, Axes], Tensor]):
        self.known, self.means = known, means

    def visit(self, node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        """The output of a reduction by way of a smaller one."""
        found = self.known.get(_key(node), ())
        nested = [axes for axes in found if set(axes) < set(node.attrs["axes"])]
        if not nested:
            return None
        # The smallest, since it stays as it is: what is made here is that very node.
        parts = min(nested, key=len)
        left = _renumbered(node.attrs["axes"], parts)
        if is_shifted(node):
            whole = reduce_sum(rescaled(*shifted_parts(inputs[0]), parts, left), left)
        elif squared(node) is not None:
            x = inputs[0].node.inputs[0].node.inputs[0]
            if (x, parts) not in self.means:
                return None  # something in x has been replaced
            whole = _moved(x, _pivot(inputs[0]), self.means[x, parts], parts, left)
        else:
            partial = apply(node.op, *inputs, axes=parts).outputs[0]
            whole = _whole(node.op, partial, left)
        blame(whole, node)
        return (whole,)


def _whole(op: Op, parts: Tensor, left: Axes) -> Tensor:
    """The reduction of what parts gave: sums in float64, since parts are few and large."""
    if op.name != "sum" or parts.dtype is not float32:
        return apply(op, parts, axes=left).outputs[0]
    return cast(reduce_sum(cast(parts, float64), left), float32)


def rescaled(x: Tensor, m: Tensor, parts: Axes, left: Axes) -> Tensor:
    """The sums of exp(x - m) along `parts`, from those of exp(x - k) with k the largest of each."""
    top = largest(x, parts)
    k = where(isfinite(top), top, zeros_like(top))
    kept = tuple(a for a in range(x.ndim) if a not in parts)
    s = reduce_sum(exp(x - broadcast(k, x.shape, kept)), parts)
    shift = k - broadcast(m, k.shape, tuple(a for a in range(k.ndim) if a not in left))
    # Where k is not the largest but 0 since all are infinite, k - m may be above 0.
    return s * exp(minimum(shift, zeros_like(k)))


def _pivot(y: Tensor) -> Tensor:
    """The k of y = square(x - repeated k)."""
    k: Tensor = y.node.inputs[0].node.inputs[1].node.inputs[0]
    return k


def _moved(x: Tensor, k: Tensor, mean: Tensor, parts: Axes, left: Axes) -> Tensor:
    """sum(square(x - repeated k)), from sums along `parts` about the means there."""
    kept = tuple(a for a in range(x.ndim) if a not in parts)
    d = x - broadcast(mean, x.shape, kept)
    others = tuple(a for a in range(mean.ndim) if a not in left)
    shift = mean - broadcast(k, mean.shape, others)
    n = broadcast(extent(product(x.shape[a] for a in parts), x.dtype), mean.shape, ())
    moved = squares_about(shift, reduce_sum(square(d), parts), reduce_sum(d, parts), n)
    return reduce_sum(moved, left)


def squares_about(shift: Tensor, squares: Tensor, total: Tensor, n: Tensor) -> Tensor:
    """The sum of square(d + shift), given those of the squares and of the n elements d. The latter
    is not left out, though it be but what rounding a mean leaves: it counts as often as the shift
    is larger.
    """
    return squares + shift * (2 * total + n * shift)


def _renumbered(axes: Axes, gone: Axes) -> Axes:
    """What is left of `axes` when those of `gone` have been reduced."""
    return tuple(a - sum(g < a for g in gone) for a in axes if a not in gone)


SHARE_REDUCTIONS = Pass(
    "share_reductions", share_reductions, "no two reductions of one tensor have nested axes"
)
