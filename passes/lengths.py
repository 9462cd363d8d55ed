"""Lengths that sizes may make negative, as those of an image that a kernel does not fit into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphc.ir.dim_values import atoms
from graphc.ir.dims import Dim, DimExpr, bounds
from graphc.ir.node import Node, Tensor
from graphc.ir.subgraph import Subgraph
from graphc.ir.walk import topological
from graphc.ops.loops.control import SWITCH, Control


def doubtful_lengths(results: Sequence[Tensor]) -> tuple[tuple[Dim, Tensor], ...]:
    """Lengths of what results are made of which are not proven to be at least 0, each with one
    tensor that has it. What only a branch makes is left out, as it may not be the one taken.
    """
    found: dict[Dim, Tensor] = {}
    for y in _tensors(results):
        for d in y.shape:
            if isinstance(d, DimExpr) and d not in found:
                found[d] = y
    return tuple((d, y) for d, y in found.items() if _is_doubtful(d))


def _is_doubtful(d: Dim) -> bool:
    low, _ = bounds(d)
    known = all(a.kind not in ("index", "dynamic") for a in atoms(d))
    return known and (low is None or low < 0)


def _tensors(results: Sequence[Tensor]) -> Iterator[Tensor]:
    for node in topological(results):
        yield from node.outputs
        for body in _bodies(node):
            yield from _tensors(body.outputs)


def _bodies(node: Node) -> Sequence[Subgraph]:
    if not isinstance(node.op, Control) or node.op is SWITCH:
        return ()
    return node.op.bodies(node.attrs)
