"""The text form of graphs: one line a node, the same text for the same graph.

    graph step
      input %x: f32[batch, 3]  # train.py:4
      variable %w: f32[3]  # train.py:5
      %2: f32[batch] = dot_general(%x, %w) {batch=((), ()), contract=((1,), (0,))}  # train.py:7
      %3: f32[] = constant {value=f32(2.0)}
      output %2
      update %w = %9

A value is called by its label, or by its place in the order of the nodes. Attributes are written
as Python writes them; dimensions as expressions of named sizes, a dtype as `dtype.f32`, an array as
its dtype called with its elements (row by row, with `shape=`), a big one as `array("digest")`, and
a graph inside a node as `graph.NAME`: it stands before the graph that uses it.
`graphc.passes.parse` reads it back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from graphc.ir.dims import DimExpr
from graphc.ir.dtypes import DType, as_dtype
from graphc.ir.node import Node, Tensor
from graphc.ir.subgraph import Subgraph
from graphc.ir.walk import topological

#: Arrays of more elements are written as a digest.
LONGEST = 16


class GraphLike(Protocol):
    """What has a text form."""

    @property
    def inputs(self) -> tuple[Tensor, ...]: ...
    @property
    def outputs(self) -> tuple[Tensor, ...]: ...
    @property
    def updates(self) -> tuple[tuple[Tensor, Tensor], ...]: ...
    @property
    def name(self) -> str: ...


def to_text(graph: GraphLike, sources: bool = True) -> str:
    """The graph as text; `sources` adds the user's line to each node."""
    printer = _Printer(sources)
    printer.graph(graph.name, graph.inputs, graph.outputs, graph.updates)
    return "\n".join(printer.lines) + "\n"


def arrays_of(graph: GraphLike) -> dict[str, np.ndarray]:
    """What the text leaves out: big constants by digest, and the variables' values by name."""
    found: dict[str, np.ndarray] = {}
    results = [*graph.outputs, *(x for pair in graph.updates for x in pair)]
    names = names_of(topological([*graph.inputs, *results]))
    for node, value in _attributes(topological(results)):
        if node.op.name == "variable":
            found[names[node.outputs[0]]] = value.array.copy()
        elif is_big(value):
            found[value.digest.hex()] = value.array
    return found


def is_big(value: Any) -> bool:
    """Whether an attribute is an array that its text gives by digest."""
    return hasattr(value, "digest") and value.array.size > LONGEST


def names_of(nodes: Sequence[Node]) -> dict[Tensor, str]:
    """A name for every output: its label if no other has it, else its place in the order."""
    tensors = [x for node in nodes for x in node.outputs]
    taken: set[str] = set()
    names: dict[Tensor, str] = {}
    for place, x in enumerate(tensors):
        label = re.sub(r"[^A-Za-z0-9_.]", "_", x.label or "")
        named = label and not label[0].isdigit() and label not in taken
        names[x] = label if named else str(place)
        taken.add(names[x])
    return names


def _attributes(nodes: Sequence[Node]) -> list[tuple[Node, Any]]:
    """Every attribute, those in graphs inside nodes too."""
    found: list[tuple[Node, Any]] = []
    for node in nodes:
        for value in node.attrs.values():
            for part in value if isinstance(value, tuple) else (value,):
                found.append((node, part))
                if isinstance(part, Subgraph):
                    found += _attributes(topological(part.outputs))
    return found


class _Printer:
    def __init__(self, sources: bool):
        self.sources = sources
        self.lines: list[str] = []
        self.inner: dict[Subgraph, str] = {}

    def graph(
        self,
        name: str,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        updates: Sequence[tuple[Tensor, Tensor]] = (),
    ) -> None:
        """Adds the lines of the graphs inside, then those of the graph."""
        nodes = topological([*inputs, *outputs, *(x for pair in updates for x in pair)])
        names = names_of(nodes)
        lines = [f"graph {name}"]
        lines += [f"  {self._node(node, names)}" for node in nodes]
        lines += [f"  output %{names[x]}" for x in outputs]
        lines += [f"  update %{names[variable]} = %{names[new]}" for variable, new in updates]
        self.lines += lines

    def _node(self, node: Node, names: dict[Tensor, str]) -> str:
        left = ", ".join(f"%{names[x]}" for x in node.outputs)
        types = ", ".join(map(str, node.types))
        source = f"  # {node.source}" if self.sources and node.source else ""
        if node.op.name == "placeholder":
            return f"input {left}: {types}{source}"
        if node.op.name == "variable":
            fixed = "" if node.attrs["state"].trainable else " fixed"
            return f"variable {left}: {types}{fixed}{source}"
        inputs = ", ".join(f"%{names[x]}" for x in node.inputs)
        call = f"{node.op.name}({inputs})" if node.inputs else node.op.name
        attrs = ", ".join(f"{key}={self._value(value)}" for key, value in node.attrs.items())
        return f"{left}: {types} = {call}{f' {{{attrs}}}' if attrs else ''}{source}"

    def _value(self, value: Any) -> str:
        if isinstance(value, tuple):
            items = ", ".join(map(self._value, value))
            return f"({items},)" if len(value) == 1 else f"({items})"
        if isinstance(value, DType):
            return f"dtype.{value}"
        if isinstance(value, Subgraph):
            return f"graph.{self._inner(value)}"
        if hasattr(value, "digest"):
            return _array(value.array, value.digest.hex())
        if value is None or isinstance(value, (bool, int, float, str, DimExpr)):
            return repr(value)
        return f"<{type(value).__name__}>"

    def _inner(self, graph: Subgraph) -> str:
        """The name of a graph inside a node, printed when it is first met."""
        if graph not in self.inner:
            self.inner[graph] = f"inner{len(self.inner)}"
            self.graph(self.inner[graph], graph.inputs, graph.outputs)
        return self.inner[graph]


def _array(array: np.ndarray, digest: str) -> str:
    if array.size > LONGEST:
        return f'array("{digest}")'
    kind = as_dtype(array.dtype)
    elements = [str(x.item() if kind.kind != "f" else x) for x in array.ravel()]
    if array.shape == ():
        return f"{kind}({elements[0]})"
    shape = f"({', '.join(map(str, array.shape))}{',' if array.ndim == 1 else ''})"
    return f"{kind}([{', '.join(elements)}], shape={shape})"
