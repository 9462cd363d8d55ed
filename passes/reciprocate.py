"""Divisions of whole rows by one number become products with its inverse.

A division costs several products. The quotient may differ by a rounding, so only divisors are
taken whose inverse neither overflows nor vanishes where the quotient does not: roots (of any
number: the root of the smallest is far from the smallest), and sums of exp(x - max(x)), which are
at least 1. It comes after simplification, whose rules know divisions.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.node import Node, Tensor
from graphc.ir.walk import blame, rebuild
from graphc.ops.arithmetic import reciprocal
from graphc.ops.layout import broadcast
from graphc.ops.powers import rsqrt
from graphc.passes.graph import Graph, Pass


def reciprocate(graph: Graph) -> Graph:
    """The graph with such divisions replaced."""
    return graph.with_results(rebuild(graph.results, _visit))


def _visit(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
    if node.op.name != "divide" or not node.types[0].dtype.is_float:
        return None
    x, by = inputs
    if by.node.op.name != "broadcast" or by.node.inputs[0].shape == by.shape:
        return None
    inverse = _inverse(by.node.inputs[0])
    if inverse is None:
        return None
    product = x * broadcast(inverse, by.shape, by.node.attrs["axes"])
    blame(product, node)
    return (product,)


def _inverse(s: Tensor) -> Tensor | None:
    """1 / s where that is safe."""
    if s.node.op.name == "sqrt":
        return rsqrt(s.node.inputs[0])
    return reciprocal(s) if is_sum_of_shifted_exponentials(s) else None


def is_sum_of_shifted_exponentials(s: Tensor) -> bool:
    """Whether s is sum(exp(x - max(x))) along the same axes, which holds a term exp(0)."""
    e = s.node.inputs[0] if s.node.op.name == "sum" else None
    if e is None or e.node.op.name != "exp" or e.node.inputs[0].node.op.name != "subtract":
        return False
    x, shift = e.node.inputs[0].node.inputs
    if shift.node.op.name != "broadcast":
        return False
    axes = s.node.attrs["axes"]
    kept = tuple(k for k in range(x.ndim) if k not in axes)
    largest = _without_infinities(shift.node.inputs[0])
    return (
        shift.node.attrs["axes"] == kept
        and largest.node.op.name == "max"
        and largest.node.attrs["axes"] == axes
        and largest.node.inputs[0] is x
    )


def _without_infinities(m: Tensor) -> Tensor:
    """The m of where(isfinite(m), m, 0)."""
    if m.node.op.name == "where" and m.node.inputs[0].node.op.name == "isfinite":
        (tested,) = m.node.inputs[0].node.inputs
        if tested is m.node.inputs[1]:
            return tested
    return m


RECIPROCATE = Pass("reciprocate", reciprocate, "no row is divided by a root of one number")
