"""Graphs as plain boxes and arrows, for every format that draws or stores them."""

from __future__ import annotations

from typing import Literal

from graphc.backends.lower.kernel import Buffer, Call, Nested
from graphc.backends.memory import holder
from graphc.backends.program import Program
from graphc.dump.kernels import fused_nodes, kernel_info, title_of
from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.ir.walk import topological
from graphc.passes.fusion.body import Body
from graphc.passes.fusion.roots import base
from graphc.passes.pipeline import Graph

LONGEST = 44

Kind = Literal["input", "variable", "constant", "op", "kernel", "output", "update"]


@dataclass(frozen=True)
class Box:
    """Something with a name: `title` in bold, `lines` below it, `source` its place in the code."""

    id: str
    kind: Kind
    title: str
    lines: tuple[str, ...] = ()
    source: str = ""

    @property
    def shown(self) -> tuple[str, ...]:
        """The title and the lines, each cut where it would make the box too wide."""
        texts = (self.title, *self.lines)
        return tuple(s if len(s) <= LONGEST else s[: LONGEST - 1] + "…" for s in texts)


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
    """Every node of a graph as a box; numbers are written into the ops that read them."""
    ids = node_ids(graph)
    boxes = [_node_box(node, name) for node, name in ids.items()]
    arrows = [
        Arrow(ids[x.node], name, str(x.type))
        for node, name in ids.items()
        for x in node.inputs
        if x.node in ids
    ]
    return View(graph.name, (*boxes, *_ends(graph)), (*arrows, *_end_arrows(graph, ids)))


def node_ids(graph: Graph) -> dict[Node, str]:
    """The nodes that have boxes, inputs before users, and the names of those."""
    results = [*graph.outputs, *(new for _, new in graph.updates)]
    kept = {x.node for x in results}
    nodes = topological([*graph.inputs, *results])
    return {n: f"n{k}" for k, n in enumerate(nodes) if n in kept or number_of(n.outputs[0]) is None}


def number_of(x: Tensor) -> str | None:
    """The number that a tensor repeats everywhere, as text; None if it is no such tensor."""
    while x.node.op.name == "broadcast":
        (x,) = x.node.inputs
    literal = x.node.attrs["value"] if x.node.op.name == "constant" else None
    return str(literal.array.reshape(())[()]) if literal is not None and x.size == 1 else None


def _node_box(node: Node, name: str) -> Box:
    lines = [*map(str, node.types), *attributes(node)]
    return Box(name, _kind(node), _title(node), tuple(lines), str(node.source or ""))


def attributes(node: Node) -> list[str]:
    """The attributes of an op in a line; none for what brings values into a graph."""
    if node.op.lowering == "source" or node.op.name == "constant" or not node.attrs:
        return []
    return [", ".join(f"{name}={value}" for name, value in node.attrs.items())]


def _kind(node: Node) -> Kind:
    kinds: dict[str, Kind] = {
        "placeholder": "input",
        "variable": "variable",
        "constant": "constant",
    }
    return kinds.get(node.op.name, "op")


def _title(node: Node) -> str:
    label, name = node.outputs[0].label, node.op.name
    if name in ("placeholder", "variable"):
        return name_of(node.outputs[0])
    if name == "constant":
        return repr(node.attrs["value"])
    numbers = [number_of(x) for x in node.inputs]
    if any(numbers):
        name += f"({', '.join(n or '·' for n in numbers)})"
    return f"{label} = {name}" if label else name


def name_of(x: Tensor) -> str:
    """What a value is called: a variable of a layer by its path there."""
    state = x.node.attrs.get("state")
    path: str = state.path if state is not None else ""
    return path or x.label or x.node.op.name


def _ends(graph: Graph) -> list[Box]:
    boxes = [
        Box(f"out{k}", "output", x.label or f"output {k}", (str(x.type),))
        for k, x in enumerate(graph.outputs)
    ]
    return boxes + [
        Box(f"new{k}", "update", f"new {name_of(variable)}", (str(variable.type),))
        for k, (variable, _) in enumerate(graph.updates)
    ]


def _end_arrows(graph: Graph, ids: dict[Node, str]) -> list[Arrow]:
    arrows = [Arrow(ids[x.node], f"out{k}", str(x.type)) for k, x in enumerate(graph.outputs)]
    return arrows + [
        Arrow(ids[new.node], f"new{k}", str(new.type)) for k, (_, new) in enumerate(graph.updates)
    ]


def kernel_view(graph: Graph, program: Program) -> View:
    """Every kernel as a box, between inputs, variables and outputs.

    A variable that one kernel alone reads and steps on belongs to that kernel's box.
    """
    kernels = _Kernels(graph, program)
    ends = [b for b in _ends(graph) if b.kind == "output"]
    arrows = list(kernels.arrows)
    for end, x in zip(ends, program.outputs, strict=True):
        arrows.append(Arrow(kernels.maker[base(x)], end.id, str(x.type)))
    return View(graph.name, (*kernels.sources, *kernels.boxes, *ends), tuple(arrows))


class _Kernels:
    """Boxes and arrows of the kernels of a program."""

    def __init__(self, graph: Graph, program: Program):
        self.program = program
        self.steps = variable_steps(graph, program)
        self.maker: dict[Tensor, str] = {}
        self.sources = self._sources()
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []
        for k, body in enumerate(program.bodies):
            self._kernel(k, body)

    def _sources(self) -> list[Box]:
        program = self.program
        readers: dict[Tensor, set[int]] = {}
        for j, body in enumerate(program.bodies):
            for x in body.inputs:
                readers.setdefault(base(x), set()).add(j)
        found: list[Box] = []
        for k, x in enumerate((*program.inputs, *program.variables, *program.constants)):
            if x in readers and readers[x] == {self.steps.get(x)}:
                continue
            self.maker[x] = f"s{k}"
            lines, source = (str(x.type),), str(x.node.source or "")
            found.append(Box(f"s{k}", _kind(x.node), name_of(x), lines, source))
        return found

    def _kernel(self, k: int, body: Body) -> None:
        info = kernel_info(k, body)
        nodes = list(fused_nodes(body))
        lines = [f"{len(nodes)} op{'s' * (len(nodes) != 1)}, {info.flops} flops"]
        mine = [x for x, j in self.steps.items() if j == k]
        mine.sort(key=lambda x: not x.node.attrs["state"].trainable)
        stepped = [name_of(x) for x in mine]
        lines += [f"updates {', '.join(stepped)}"] if stepped else []
        source = next((str(n.source) for n in reversed(nodes) if n.source), "")
        self.boxes.append(Box(f"k{k}", "kernel", title_of(nodes), tuple(lines), source))
        self.arrows += [
            Arrow(self.maker[base(x)], f"k{k}", f"{x.label or ''} {x.type}".strip())
            for x in body.inputs
            if base(x) in self.maker
        ]
        self.maker.update(dict.fromkeys(body.outputs, f"k{k}"))


def variable_steps(graph: Graph, program: Program) -> dict[Tensor, int]:
    """For each variable that is updated, the kernel that writes its new value."""
    found: dict[Tensor, int] = {}
    for call, owner in zip(program.calls, program.owners, strict=True):
        for buffer in _written(call):
            place = program.plan.places[holder(buffer)]
            if place.kind == "variable":
                found[program.variables[place.number]] = owner
    return found


def _written(call: Call | Nested) -> list[Buffer]:
    if isinstance(call, Nested):
        return list(call.node.outputs)
    pairs = zip(call.kernel.buffers, call.arguments, strict=True)
    return [buffer for param, buffer in pairs if param.writes]


def without_lonely(view: View) -> View:
    """The view without boxes that no arrow touches, kernels apart."""
    touched = {end for arrow in view.arrows for end in (arrow.start, arrow.end)}
    kept = tuple(b for b in view.boxes if b.id in touched or b.kind in ("kernel", "op"))
    return View(view.name, kept, view.arrows)
