"""Inverses of rows leave the sums along them, which need not wait for them.

    sum(x * repeated r)  becomes  sum(x) * r

where r is made of a sum along the same row: with r behind them, both sums go in one loop. Taken out
are inverses of sums of exp(x - max(x)), which are at least 1, and of roots of a mean square and a
positive number, as norms divide by: neither is ever infinite, and only roundings change. Before the
inverse of a softmax, whose sums may be larger than any of the results, another one of small parts
is there for those that overflow. What is divided by a norm is taken to be so far from the ends of
its range that its products and their sums keep to that. Other factors stay where they are, and so
do 16-bit floats, whose range is short. A sum of nothing is 0, whatever a norm of no elements is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from graphc.ir.dim_values import product
from graphc.ir.dtypes import float32, float64
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import blame, rebuild
from graphc.ops.arithmetic import multiply
from graphc.ops.classify import isfinite
from graphc.ops.extent import extent
from graphc.ops.layout import broadcast
from graphc.ops.reduction import sum as reduce_sum
from graphc.ops.select import where
from graphc.ops.source import constant_value
from graphc.passes.derivatives.differentiate import zeros_like
from graphc.passes.graph import Graph, Pass
from graphc.passes.pattern import literal
from graphc.passes.reciprocate import is_sum_of_shifted_exponentials

#: Products inside each other that are searched for factors.
DEPTH = 4
#: A part, exactly, of which no sum of what is finite overflows.
SMALL = 2.0**-80
#: The least number beside a mean square whose inverse root may wait: products with what is small
#: would be too small without it.
LEAST = 1e-13
Axes = tuple[int, ...]


def factor_inverses(graph: Graph) -> Graph:
    """The graph with such sums replaced."""
    return graph.with_results(rebuild(graph.results, _visit))


def _visit(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
    if node.op.name != "sum" or node.types[0].dtype not in (float32, float64):
        return None
    axes: Axes = node.attrs["axes"]
    found: list[Tensor] = []
    rest = _without(inputs[0], axes, found, DEPTH)
    if not found or rest is None:
        return None
    kept = [k for k in range(rest.ndim) if k not in axes]
    places = [tuple(kept.index(a) for a in y.node.attrs["axes"]) for y in found]
    plain = reduce_sum(rest, axes)
    inverses = [
        broadcast(y.node.inputs[0], plain.shape, k) for y, k in zip(found, places, strict=True)
    ]
    total = reduce(multiply, inverses, plain)
    if any(y.node.inputs[0].node.op.name == "reciprocal" for y in found):
        spare = reduce_sum(rest * SMALL, axes)
        total = where(isfinite(plain), total, reduce(multiply, inverses, spare) * (1 / SMALL))
    count = product(rest.shape[a] for a in axes)
    if not isinstance(count, int):
        total = where(broadcast(extent(count), total.shape, ()) > 0, total, zeros_like(total))
    blame(total, node)
    return (total,)


def _without(x: Tensor, axes: Axes, found: list[Tensor], depth: int) -> Tensor | None:
    """x without its factors that are inverses repeated along these axes, which join those that have
    been found; None if nothing is left.
    """
    if _is_inverse(x, axes):
        found.append(x)
        return None
    if x.node.op.name != "multiply" or not depth:
        return x
    a, b = x.node.inputs
    left, right = (_without(y, axes, found, depth - 1) for y in (a, b))
    if left is a and right is b:
        return x
    if left is None or right is None:
        return left if right is None else right
    return left * right


def _is_inverse(x: Tensor, axes: Axes) -> bool:
    """Whether x repeats an inverse that may be taken out along these axes."""
    if x.node.op.name != "broadcast" or set(axes) & set(x.node.attrs["axes"]):
        return False
    inverse = x.node.inputs[0].node
    if inverse.op.name == "reciprocal":
        return is_sum_of_shifted_exponentials(inverse.inputs[0])
    return inverse.op.name == "rsqrt" and _is_positive(inverse.inputs[0])


def _is_positive(v: Tensor) -> bool:
    """Whether v is a mean square and a number that is not tiny."""
    if v.node.op.name != "add":
        return False
    for mean, more in (v.node.inputs, v.node.inputs[::-1]):
        number = literal(more)
        value = None if number is None else constant_value(number)
        if value is not None and LEAST < value < np.inf and _is_mean_square(mean):
            return True
    return False


def _is_mean_square(y: Tensor) -> bool:
    """Whether y is a sum of squares, over its size or times the inverse of that."""
    if y.node.op.name not in ("multiply", "divide"):
        return False
    s, by = y.node.inputs
    if by.node.op.name == "broadcast":
        (by,) = by.node.inputs
    value = constant_value(by)
    known = by.node.op.name == "extent" or (value is not None and bool(value > 0))
    return known and s.node.op.name == "sum" and s.node.inputs[0].node.op.name == "square"


FACTOR_INVERSES = Pass(
    "factor_inverses", factor_inverses, "no sum of a row waits for what its elements are divided by"
)
