"""A name for what a graph computes: equal for equal graphs, in every process.

Large constants are told of by their types alone: most are operands, on whose values no code
depends, and hashing them may take longer than all else that a process does with compiled code.
"""

from __future__ import annotations

import functools
import hashlib
import os

from graphc.ir.node import Node
from graphc.ir.walk import topological
from graphc.ops.literal import LARGE, Literal
from graphc.passes.identity import is_own, line_of, reference
from graphc.passes.pipeline import Graph


def fingerprint(graph: Graph, *more: str) -> str | None:
    """A hash of the graph but for the values of its `literals`, of `more`, and of graphc's code;
    None for a graph whose ops are not all graphc's own.
    """
    digest = hashlib.sha256(own_code())
    for part in (*more, graph.name, str(graph.relaxed)):
        digest.update(part.encode() + b"\0")
    number: dict[Node, int] = {}
    for node in _nodes(graph):
        if not is_own(node.op):
            return None
        number[node] = len(number)
        value = _large(node)
        line = line_of(node, number) if value is None else f"{value.dtype.str} {value.shape}\n"
        digest.update(line.encode())
    for tensors in (graph.inputs, graph.outputs, *graph.updates):
        digest.update(("|" + ",".join(reference(x, number) for x in tensors)).encode())
    return digest.hexdigest()


def literals(graph: Graph) -> list[Literal]:
    """The large constants of a graph, in an order that graphs of equal names share."""
    return [value for value in map(_large, _nodes(graph)) if value is not None]


def _nodes(graph: Graph) -> list[Node]:
    results = [*graph.outputs, *(new for _, new in graph.updates)]
    return topological([*graph.inputs, *results, *(variable for variable, _ in graph.updates)])


def _large(node: Node) -> Literal | None:
    """The value of a node that is a large constant."""
    value = node.attrs.get("value")
    return value if isinstance(value, Literal) and value.nbytes >= LARGE else None


@functools.cache
def own_code() -> bytes:
    """Names, sizes and times of graphc's source files: changes whenever the compiler does."""
    lines = sorted(_files(os.path.dirname(__file__)))
    return hashlib.sha256("\n".join(lines).encode()).digest()


def _files(folder: str) -> list[str]:
    """A line for each source file below a folder; links are followed."""
    lines: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                found = entry.stat()
                lines.append(f"{entry.path} {found.st_size} {found.st_mtime_ns}")
            elif entry.name != "__pycache__" and entry.is_dir():
                lines += _files(entry.path)
    return lines
