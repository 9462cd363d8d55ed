"""Lengths that sizes may make negative, as those of an image that a kernel does not fit into, what
they are divided by, and elements that there must be some of, as a maximum needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from graphc.ir.demand import Demand, of_divisor, of_elements, of_length
from graphc.ir.dim_values import atoms, product
from graphc.ir.dims import Dim, DimExpr, bounds, maximum, terms_of
from graphc.ir.node import Node, Tensor
from graphc.ir.op import Op
from graphc.ir.subgraph import Subgraph
from graphc.ir.walk import topological
from graphc.ops.loops.control import SWITCH, WHILE, Control


def doubtful_lengths(results: Sequence[Tensor]) -> tuple[Demand, ...]:
    """Divisors that are not proven to be at least 1, lengths of what results are made of that are
    not proven to be at least 0, and elements that may be too few. What only a branch makes is left
    out, as it may not be the one taken, and so are elements that are needed in the steps of a while
    loop, of which there may be none.
    """
    lengths = (of_length(d, y) for y in _tensors(results) for d in y.shape)
    return _doubtful((*_divisors(results), *lengths, *_elements(results, 1)))


def demands_within(op: Op, body: Subgraph) -> tuple[Demand, ...]:
    """What a body of an op refuses that may not run at all; all else is refused before a call
    begins.
    """
    if body.lengths is not None:
        return body.lengths
    if op is SWITCH:
        return doubtful_lengths(body.outputs)
    return _doubtful(_elements(body.outputs, 1)) if op is WHILE else ()


def _divisors(results: Sequence[Tensor]) -> Iterator[Demand]:
    """Of what lengths are divided by, those within others first."""
    for x in _tensors(results):
        for d in (*x.shape, *_lengths_in(tuple(x.node.attrs.values()))):
            for divisor in _divisors_of(d):
                yield of_divisor(divisor, x)


def _lengths_in(attribute: Any) -> Iterator[DimExpr]:
    if isinstance(attribute, DimExpr):
        yield attribute
    elif isinstance(attribute, tuple):
        for item in attribute:
            yield from _lengths_in(item)


def _divisors_of(d: Dim) -> Iterator[Dim]:
    for monomial, _ in terms_of(d):
        for a in monomial:
            for operand in a.args:
                yield from _divisors_of(operand)
            if a.kind in ("floordiv", "mod"):
                yield a.args[1]


def _doubtful(demands: Sequence[Demand]) -> tuple[Demand, ...]:
    found: dict[Dim, Demand] = {}
    for demand in demands:
        if isinstance(demand.number, DimExpr):
            found.setdefault(demand.number, demand)
    return tuple(demand for d, demand in found.items() if _is_doubtful(d))


def _is_doubtful(d: Dim) -> bool:
    low, _ = bounds(d)
    known = all(a.kind not in ("index", "dynamic") for a in atoms(d))
    return known and (low is None or low < 0)


def _tensors(results: Sequence[Tensor]) -> Iterator[Tensor]:
    for node in topological(results):
        yield from node.outputs
        for body in _bodies(node):
            yield from _tensors(body.outputs)


def _elements(results: Sequence[Tensor], steps: Dim) -> tuple[Demand, ...]:
    """What nodes need that run so many times: elements, where they have results and there are
    steps.
    """
    found: list[Demand] = []
    for node in topological(results):
        for count, what in node.op.counts(node):
            values = product(node.types[0].shape) * steps
            found.append(of_elements(maximum(count, 1 - values), node.outputs[0], what))
        bodies = _bodies(node)[:1] if node.op is WHILE else _bodies(node)
        for body in bodies:
            found += _elements(body.outputs, steps * node.attrs.get("length", 1))
    return tuple(found)


def _bodies(node: Node) -> Sequence[Subgraph]:
    if not isinstance(node.op, Control) or node.op is SWITCH:
        return ()
    return node.op.bodies(node.attrs)
