"""Graphs as plain boxes and arrows, for every format that draws or stores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from graphc.backends.program import Program
from graphc.dump.kernels import kernel_info
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import topological
from graphc.passes.pipeline import Graph
from graphc.passes.roots import base

Kind = Literal["input", "variable", "constant", "op", "kernel", "output", "update"]


@dataclass(frozen=True)
class Box:
    """Something with a name: `title` in bold, `lines` below it, `source` where the user wrote it."""

    id: str
    kind: Kind
    title: str
    lines: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class Arrow:
    """A value on its way from one box to another; `label` is its type."""

    start: str
    end: str
    label: str


@dataclass(frozen=True)
class View:
    """A drawing: boxes in an order in which arrows point forward."""

    name: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def graph_view(graph: Graph) -> View:
    """Every node of a graph as a box."""
    results = [*graph.outputs, *(new for _, new in graph.updates)]
    nodes = topological([*graph.inputs, *results])
    ids = {node: f"n{k}" for k, node in enumerate(nodes)}
    boxes = [Box(ids[n], _kind(n), _title(n), tuple(map(str, n.types)), str(n.source or "")) for n in nodes]
    arrows = [Arrow(ids[x.node], ids[n], str(x.type)) for n in nodes for x in n.inputs]
    return View(graph.name, (*boxes, *_ends(graph)), (*arrows, *_end_arrows(graph, ids)))


def _kind(node: Node) -> Kind:
    kinds: dict[str, Kind] = {"placeholder": "input", "variable": "variable", "constant": "constant"}
    return kinds.get(node.op.name, "op")


def _title(node: Node) -> str:
    label = node.outputs[0].label
    if node.op.name == "constant":
        return repr(node.attrs["value"])
    return f"{label} = {node.op.name}" if label and node.op.name not in ("placeholder", "variable") else label or node.op.name


def _ends(graph: Graph) -> list[Box]:
    boxes = [Box(f"out{k}", "output", x.label or f"output {k}", (str(x.type),)) for k, x in enumerate(graph.outputs)]
    return boxes + [
        Box(f"new{k}", "update", f"new {variable.label or 'variable'}", (str(variable.type),))
        for k, (variable, _) in enumerate(graph.updates)
    ]


def _end_arrows(graph: Graph, ids: dict[Node, str]) -> list[Arrow]:
    arrows = [Arrow(ids[x.node], f"out{k}", str(x.type)) for k, x in enumerate(graph.outputs)]
    return arrows + [Arrow(ids[new.node], f"new{k}", str(new.type)) for k, (_, new) in enumerate(graph.updates)]


def kernel_view(graph: Graph, program: Program) -> View:
    """Every kernel as a box, between inputs, variables and outputs."""
    maker: dict[Tensor, str] = {}
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    for k, x in enumerate((*program.inputs, *program.variables, *program.constants)):
        maker[x] = f"s{k}"
        boxes.append(Box(maker[x], _kind(x.node), x.label or x.node.op.name, (str(x.type),), str(x.node.source or "")))
    for k, body in enumerate(program.bodies):
        info = kernel_info(k, body)
        names = list(dict.fromkeys(n for n in info.ops if n not in _QUIET)) or list(dict.fromkeys(info.ops))
        lines = (f"{len(info.ops)} ops: {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}", f"{info.flops} flops")
        boxes.append(Box(f"k{k}", "kernel", info.name, lines))
        arrows += [Arrow(maker[base(x)], f"k{k}", f"{x.label or ''} {x.type}".strip()) for x in body.inputs]
        maker.update({x: f"k{k}" for x in body.outputs})
    boxes += _ends(graph)
    news = [new for _, new in graph.updates]
    ends = [f"out{k}" for k in range(len(program.outputs))] + [f"new{k}" for k in range(len(news))]
    for end, x in zip(ends, [*program.outputs, *news], strict=True):
        if base(x) in maker:
            arrows.append(Arrow(maker[base(x)], end, str(x.type)))
    return View(graph.name, tuple(boxes), tuple(arrows))


_QUIET = {"broadcast", "reshape", "transpose", "cast", "copy", "iota"}


def without_lonely(view: View) -> View:
    """The view without boxes that no arrow touches."""
    touched = {end for arrow in view.arrows for end in (arrow.start, arrow.end)}
    return View(view.name, tuple(b for b in view.boxes if b.id in touched), view.arrows)


def by_id(boxes: Sequence[Box]) -> dict[str, Box]:
    return {box.id: box for box in boxes}
