"""One self-contained HTML page about a compiled function: its kernels and its graph as pictures
to pan, zoom and click, with the code of every kernel.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from graphc.backends.program import Program
from graphc.dump import code, drawing, views
from graphc.dump.kernels import fused_nodes, kernel_info, title_of
from graphc.dump.script import SCRIPT
from graphc.dump.template import TEMPLATE
from graphc.executable import Executable
from graphc.ir.errors import GraphError
from graphc.ir.node import Node, Tensor
from graphc.ir.subgraph import Subgraph
from graphc.ops.loops.control import Control
from graphc.passes.graph import Graph

LONGEST = 100


def page(executable: Executable) -> str:
    """The page's text."""
    program = executable.program
    if program is None:
        raise GraphError(f"the target {executable.target!r} has no kernels to show")
    found = {"kernels": views.kernel_view(executable.graph, program)}
    inner = {"kernels": _bodies_of_kernels(executable.graph, program)}
    _add_graph("graph", executable.graph, found, inner)
    pictures = {name: views.without_lonely(view) for name, view in found.items()}
    data = {
        "kernels": _kernels(executable, program),
        "bodies": inner,
        "boxes": {
            name: {box.id: [box.title, *box.lines, box.source] for box in view.boxes}
            for name, view in pictures.items()
        },
    }
    parts = {
        "title": escape(f"{executable.name}: what graphc made of it"),
        "facts": _facts(executable, program),
        "legend": _legend(),
        "pictures": "".join(map(_picture, pictures, pictures.values(), range(len(pictures)))),
        "memory": escape(code.memory_text(program)),
        "data": json.dumps(data).replace("<", "\\u003c"),
        "script": SCRIPT,
    }
    return _filled(TEMPLATE, parts)


Bodies = dict[str, list[str]]
"""The pictures of the bodies of a loop or of branches, by the box that has them."""


def _add_graph(
    name: str, graph: Graph, pictures: dict[str, views.View], inner: dict[str, Bodies]
) -> None:
    """Adds the picture of a graph, and those of the bodies in it."""
    pictures[name] = views.graph_view(graph)
    inner[name] = {}
    for node, box in views.node_ids(graph).items():
        if not isinstance(node.op, Control):
            continue
        for inside, body in _named_bodies(node, box).items():
            path = inside if name == "graph" else f"{name} / {inside}"
            inner[name].setdefault(box, []).append(path)
            _add_graph(path, Graph(body.inputs, body.outputs, name=path), pictures, inner)


def _bodies_of_kernels(graph: Graph, program: Program) -> Bodies:
    """The same for kernels that are loops or branches."""
    ids = views.node_ids(graph)
    found: Bodies = {}
    for k, body in enumerate(program.bodies):
        if isinstance(body.node.op, Control) and body.node in ids:
            found[f"k{k}"] = list(_named_bodies(body.node, ids[body.node]))
    return found


def _named_bodies(node: Node, box: str) -> dict[str, Subgraph]:
    """The bodies of the loop or the branches in a box."""
    assert isinstance(node.op, Control)
    names = {"while": ["condition", "body"]}.get(node.op.name, ["body"])
    bodies = node.op.bodies(node.attrs)
    if len(names) != len(bodies):
        names = [f"branch {k}" for k in range(len(bodies))]
    return {f"{node.op.name} {box}: {n}": b for n, b in zip(names, bodies, strict=True)}


def _picture(name: str, view: views.View, number: int) -> str:
    """A picture in a frame of its own, hidden but for the first."""
    picture = drawing.svg(view, f"tip{number}")
    hidden = "" if name == "kernels" else " hidden"
    return f'<div data-picture="{escape(name)}"{hidden}>{picture}</div>'


def _filled(template: str, parts: dict[str, str]) -> str:
    """The template with every {{name}} replaced; what replaces it is not looked at again."""
    head, *rest = template.split("{{")
    pieces = [head]
    for piece in rest:
        name, _, text = piece.partition("}}")
        pieces += [parts[name], text]
    return "".join(pieces)


def _facts(executable: Executable, program: Program) -> str:
    memory, cost = executable.memory, executable.cost
    facts = [
        ("function", str(executable.signature)),
        ("target", executable.target),
        ("kernels", str(len(program.bodies))),
        ("operations", str(cost.flops)),
        ("bytes moved at least", str(cost.bytes)),
        ("bytes between kernels", str(memory.arena)),
        ("bytes of variables", str(memory.variables)),
    ]
    return "".join(f"<tr><th>{escape(k)}</th>{_cell(v)}</tr>" for k, v in facts)


def _cell(text: str) -> str:
    """A table's cell; what is long is cut, and whole where the pointer rests on it."""
    if len(text) <= LONGEST:
        return f"<td>{escape(text)}</td>"
    return f'<td title="{escape(text)}">{escape(text[:LONGEST])}…</td>'


def _legend() -> str:
    shown = {kind: colour for kind, colour in drawing.COLOURS.items() if kind != "op"}
    return "".join(
        f'<span style="background:{colour}">{escape(kind)}</span>' for kind, colour in shown.items()
    )


def _kernels(executable: Executable, program: Program) -> dict[str, dict[str, Any]]:
    """For each kernel: facts, the ops with their lines, and its code at each stage."""
    assembly = code.assembly_of_calls(program)
    ids = views.node_ids(executable.graph)
    found: dict[str, dict[str, Any]] = {}
    for k, body in enumerate(program.bodies):
        info, nodes = kernel_info(k, body), list(fused_nodes(body))
        calls = [n for n, owner in enumerate(program.owners) if owner == k]
        found[f"k{k}"] = {
            "title": f"{k}: {title_of(nodes)}",
            "facts": [
                ["operations", str(info.flops)],
                ["bytes", str(info.bytes)],
                ["loops over", f"[{', '.join(map(str, body.domain))}]"],
                ["reads", "\n".join(map(_value, body.inputs)) or "nothing"],
                ["writes", "\n".join(map(_value, body.outputs))],
            ],
            "nodes": [ids[n] for n in nodes if n in ids],
            "ops": [_op(n) for n in nodes],
            "loops": code.calls_text([program.calls[n] for n in calls]),
            "assembly": "\n\n".join(assembly[n] for n in calls),
        }
    return found


def _op(node: Node) -> list[str]:
    label = node.outputs[0].label
    return [
        f"{node.op.name} = {label}" if label else node.op.name,
        str(node.types[0]),
        str(node.source or ""),
    ]


def _value(x: Tensor) -> str:
    return f"{x.label or x.node.op.name}: {x.type}"
