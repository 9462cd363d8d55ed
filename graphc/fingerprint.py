"""A name for what a graph computes: equal for equal graphs, in every process."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable

from graphc.ir.node import Node
from graphc.ir.walk import topological
from graphc.ops.literal import LARGE, Literal
from graphc.passes.identity import is_own, line_of, reference
from graphc.passes.pipeline import Graph

WORTH_A_THREAD = 1 << 20
"""Constants of so many bytes take longer than it takes to tell a thread of them."""


def fingerprint(graph: Graph, *more: str) -> str | None:
    """A hash of the graph, of `more`, and of graphc's own code; None for a graph whose ops are not
    all graphc's own.
    """
    digest = hashlib.sha256(_own_code())
    for part in (*more, graph.name, str(graph.relaxed)):
        digest.update(part.encode() + b"\0")
    number: dict[Node, int] = {}
    nodes = _nodes(graph)
    _name_large_constants(nodes)
    for node in nodes:
        if not is_own(node.op):
            return None
        number[node] = len(number)
        digest.update(line_of(node, number).encode())
    for tensors in (graph.inputs, graph.outputs, *graph.updates):
        digest.update(("|" + ",".join(reference(x, number) for x in tensors)).encode())
    return digest.hexdigest()


def literals(graph: Graph) -> list[Literal]:
    """The large constants of a graph, in an order that graphs of equal names share."""
    return [v for v in _values(_nodes(graph)) if v.nbytes >= LARGE]


def _nodes(graph: Graph) -> list[Node]:
    results = [*graph.outputs, *(new for _, new in graph.updates)]
    return topological([*graph.inputs, *results, *(variable for variable, _ in graph.updates)])


def _values(nodes: Iterable[Node]) -> list[Literal]:
    values = (node.attrs.get("value") for node in nodes)
    return [v for v in values if isinstance(v, Literal)]


def _name_large_constants(nodes: Iterable[Node]) -> None:
    """Has their digests computed by several threads, for whoever asks for them next."""
    large = [v for v in _values(nodes) if v.nbytes >= WORTH_A_THREAD]
    if len(large) > 1:
        from graphc.ir.each import each

        each(lambda value: value.digest, large)


@functools.cache
def _own_code() -> bytes:
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
