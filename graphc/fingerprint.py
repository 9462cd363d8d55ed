"""A name for what a graph computes: equal for equal graphs, in every process."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graphc.ir.node import Node, Tensor
from graphc.ir.op import Op
from graphc.ir.subgraph import Subgraph
from graphc.ir.walk import topological
from graphc.ops.source import Literal, State
from graphc.passes.pipeline import Graph


def fingerprint(graph: Graph, *more: str) -> str | None:
    """A hash of the graph, of `more`, and of graphc's own code; None for a graph whose ops are not
    all graphc's own.
    """
    results = [*graph.outputs, *(new for _, new in graph.updates)]
    digest = hashlib.sha256(_own_code())
    for part in (*more, graph.name, str(graph.relaxed)):
        digest.update(part.encode() + b"\0")
    number: dict[Node, int] = {}
    for node in topological(
        [*graph.inputs, *results, *(variable for variable, _ in graph.updates)]
    ):
        if not _is_own(node.op):
            return None
        number[node] = len(number)
        digest.update(_line(node, number).encode())
    for tensors in (graph.inputs, graph.outputs, *graph.updates):
        digest.update(("|" + ",".join(_reference(x, number) for x in tensors)).encode())
    return digest.hexdigest()


def _line(node: Node, number: dict[Node, int]) -> str:
    inputs = ",".join(_reference(x, number) for x in node.inputs)
    attrs = ";".join(f"{name}={_canonical(value)}" for name, value in sorted(node.attrs.items()))
    types = ",".join(map(str, node.types))
    where = str(node.source) if node.attrs.get("mode") == "error" else ""
    return f"{node.op.name}({inputs}){{{attrs}}}:{types}{where}\n"


def _reference(x: Tensor, number: dict[Node, int]) -> str:
    return f"{number[x.node]}.{x.index}"


def _canonical(value: Any) -> str:
    if isinstance(value, Literal):
        return value.digest.hex()
    if isinstance(value, State):
        return f"state {value.trainable}"
    if isinstance(value, Subgraph):
        return _body(value)
    if isinstance(value, (tuple, list)):
        return f"({','.join(map(_canonical, value))})"
    return type(value).__name__ if callable(value) else repr(value)


def _body(body: Subgraph) -> str:
    """The lines of a graph inside a node."""
    number: dict[Node, int] = {}
    lines: list[str] = []
    for node in topological([*body.inputs, *body.outputs]):
        number[node] = len(number)
        lines.append(_line(node, number) if _is_own(node.op) else os.urandom(16).hex())
    ends = (
        ",".join(_reference(x, number) for x in tensors) for tensors in (body.inputs, body.outputs)
    )
    return "".join(lines) + "|".join(ends)


@functools.lru_cache(maxsize=4096)
def _is_own(op: Op) -> bool:
    """Whether the code of an op is part of graphc, so that graphc's version stands for it."""
    parts: Iterable[Any] = (type(op), *vars(op).values())
    return all(
        str(getattr(p, "__module__", "graphc")).split(".")[0] in _KNOWN
        for p in parts
        if callable(p)
    )


_KNOWN = {
    "graphc",
    "numpy",
    "scipy",
    "builtins",
    "functools",
    "operator",
    "_operator",
    "math",
    "None",
}


@functools.cache
def _own_code() -> bytes:
    """Names, sizes and times of graphc's source files: changes whenever the compiler does."""
    top = Path(__file__).parent
    lines: list[str] = []
    for folder, _, files in os.walk(top, followlinks=True):
        for file in sorted(files):
            if file.endswith(".py"):
                found = os.stat(os.path.join(folder, file))
                lines.append(f"{folder}/{file} {found.st_size} {found.st_mtime_ns}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).digest()
