"""Scans by strips of rows: where rows never meet in a scan's body, as in a recurrent network, some
of them go through all steps before others do, or on another thread, with no hand-over at any step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.dims import Dim, maximum, minimum
from graphc.ir.node import Node, Tensor
from graphc.ir.subgraph import Subgraph
from graphc.ir.types import TensorType
from graphc.ir.walk import rebuild, topological
from graphc.ops.loops.control import SCAN
from graphc.ops.loops.strips import strip_rows, strips_node
from graphc.passes.derivatives.branch_gradients import like
from graphc.passes.graph import Graph, Pass
from graphc.passes.loops.row_parts import part_of, strip_operands

#: Rows of a strip, at least and at most, and strips for as many threads, if there are enough rows.
FEWEST, MOST = 5, 16
ENOUGH = 4
#: Where the number of rows is not known, or strips cannot have as many: rows of one at most, which
#: products read in place, and of each of two strips at least.
EVEN_MOST, LEAST = 8, 2
ROWS = "_strip"
#: Elements of what all rows are multiplied by, at most: a second cache has room for them, and they
#: are read again for each strip. Where sizes are unknown that is asked when the program runs: all
#: rows are one strip if there are more.
IN_CACHE = 2**17
#: Floating-point operations of a whole loop of which parts are worth a thread.
WORK = 2**21


def strips(graph: Graph) -> Graph:
    """The graph with scans run by strips of rows where that pays."""
    name = graph.new_size(ROWS)
    return graph.with_results(rebuild(graph.results, lambda n, xs: _by_strips(n, xs, name)))


def _by_strips(scan: Node, inputs: tuple[Tensor, ...], name: str) -> Sequence[Tensor] | None:
    """The scan's outputs from one by strips, on new inputs; None where it stays whole. `name`: of a
    strip's height.
    """
    height = _height(scan) if scan.op is SCAN else None
    if height is None:
        return None
    body: Subgraph = scan.attrs["body"]
    own = scan.attrs["carries"] + scan.attrs["stacks"]
    cut = _row_nodes(body, own, height)
    fits = 0 if cut is None else _pays(scan, cut)
    cutting = _cutting(height, name, fits)
    if cut is None or cutting is None:
        return None
    rows = strip_rows(cutting)
    symbols = {
        x: like(TensorType(x.dtype, (rows, *x.shape[1:])), x.node.attrs["name"])
        for x in body.inputs[:own]
    }
    known = part_of(cut, symbols, height, rows)
    outputs = tuple(known[y] for y in body.outputs)
    inner = Subgraph((*symbols.values(), *body.inputs[own:]), outputs)
    return strips_node(inputs, {**scan.attrs, **cutting, "body": inner, "height": height})


def _height(scan: Node) -> Dim | None:
    """The rows of all carries, of elements of stacks and of outputs, if they have as many."""
    body: Subgraph = scan.attrs["body"]
    own = scan.attrs["carries"] + scan.attrs["stacks"]
    heights = {x.shape[0] if x.shape else None for x in (*body.inputs[:own], *body.outputs)}
    return heights.pop() if len(heights) == 1 else None


def _cutting(height: Dim, name: str, fits: Dim) -> dict[str, Any] | None:
    """The attributes that tell how rows are cut into strips, None where they stay together; `fits`
    is 1 where that pays, else 0.
    """
    rows = _rows(height) if isinstance(height, int) else None
    if rows is not None and fits == 1:
        return {"count": height // rows, "most": rows, "rows": None}
    count = maximum(1, fits * _count(height))
    if count == 1:
        return None
    most = EVEN_MOST if fits == 1 else (height + count - 1) // count
    return {"count": count, "most": most, "rows": name}


def _count(height: Dim) -> Dim:
    """Strips of about as many rows: a multiple of `ENOUGH`, or two where these hold all, or
    one where two were too low.
    """
    whole = ENOUGH * EVEN_MOST
    more_than_two = 2 * (height // (2 * EVEN_MOST + 1))  # 0, or more than what it limits
    several = ENOUGH * minimum(more_than_two, (height + whole - 1) // whole)
    return maximum(maximum(1, minimum(height // LEAST, 2)), several)


def _rows(height: int) -> int | None:
    """Rows of a strip, the most that all rows are whole strips of; None where that is too few."""
    whole = [n for n in range(MOST, FEWEST - 1, -1) if height % n == 0 and n < height]
    return next((n for n in whole if height // n >= ENOUGH), next(iter(whole), None))


def _row_nodes(body: Subgraph, own: int, height: Dim) -> list[Node] | None:
    """The nodes that make rows from rows, in order; None where rows of the outputs need others."""
    rows = set(body.inputs[:own])
    found: list[Node] = []
    for node in topological(body.outputs):
        meets = rows.intersection(node.inputs)
        if not meets and node.op.name != "broadcast":
            continue
        operands = strip_operands(node, height)
        if operands is not None and meets == set(operands):
            found.append(node)
            rows.update(node.outputs)
        elif meets:
            return None
    return found if rows.issuperset(body.outputs) else None


def _pays(scan: Node, cut: list[Node]) -> Dim:
    """1 where rows are multiplied by little, but often enough, else 0."""
    shared = [n.inputs[1] for n in cut if n.op.name == "dot_general" and not _has_batch(n)]
    work: Dim = scan.op.cost(scan)
    if not shared or (isinstance(work, int) and work < WORK):
        return 0
    elements = sum((x.size for x in dict.fromkeys(shared)), 0)
    if isinstance(elements, int):
        return int(elements <= IN_CACHE)
    enough = minimum(1, work // max(1, WORK))
    return enough * minimum(1, IN_CACHE // maximum(1, elements))


def _has_batch(product: Node) -> bool:
    return bool(product.attrs["batch"][0])


STRIPS = Pass("strips", strips, "scans whose rows never meet run by strips of rows")
