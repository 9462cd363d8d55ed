"""One self-contained HTML page about a compiled function: kernels to pan, zoom and click, with their code."""

from __future__ import annotations

import json
from html import escape

from graphc.dump import code, drawing, views
from graphc.dump.kernels import fused_nodes, kernel_info
from graphc.dump.template import TEMPLATE
from graphc.executable import Executable
from graphc.ir.errors import GraphError


def page(executable: Executable) -> str:
    """The page's text."""
    program = executable.program
    if program is None:
        raise GraphError(f"the target {executable.target!r} has no kernels to show")
    view = views.without_lonely(views.kernel_view(executable.graph, program))
    data = {"kernels": _kernels(executable), "values": {b.id: [b.title, *b.lines, b.source] for b in view.boxes if b.kind != "kernel"}}
    memory = executable.memory
    facts = [
        ("function", str(executable.signature)), ("target", executable.target), ("kernels", str(len(program.bodies))),
        ("operations", str(executable.cost.flops)), ("arena bytes", str(memory.arena)), ("variable bytes", str(memory.variables)),
    ]  # fmt: skip
    rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts)
    legend = "".join(
        f'<span style="background:{colour}">{escape(kind)}</span>' for kind, colour in drawing.COLOURS.items() if kind != "op"
    )
    texts = {"graph": _graph_text(executable), "memory": code.memory_text(program)}
    return (
        TEMPLATE.replace("{{title}}", escape(f"{executable.name}: what graphc made of it"))
        .replace("{{facts}}", rows)
        .replace("{{legend}}", legend)
        .replace("{{svg}}", drawing.svg(view))
        .replace("{{graph}}", escape(texts["graph"]))
        .replace("{{memory}}", escape(texts["memory"]))
        .replace("{{data}}", json.dumps(data).replace("</", "<\\/"))
    )


def _graph_text(executable: Executable) -> str:
    from graphc.dump import dump_executable

    return str(dump_executable(executable, "optimised", "text"))


def _kernels(executable: Executable) -> dict[str, dict[str, object]]:
    """For each kernel: facts, the ops with their lines, and its code at each stage."""
    from graphc.backends.llvm.module import module_of
    from graphc.backends.loops.text import kernel_text

    program = executable.program
    assert program is not None
    names = module_of(program).kernels
    assembly = code.assembly_of_kernels(program)
    found: dict[str, dict[str, object]] = {}
    for k, body in enumerate(program.bodies):
        info = kernel_info(k, body)
        mine = [n for n, owner in enumerate(program.owners) if owner == k]
        found[f"k{k}"] = {
            "name": info.name,
            "facts": [["operations", str(info.flops)], ["bytes", str(info.bytes)], ["domain", f"[{', '.join(map(str, body.domain))}]"]],
            "ops": [[n.op.name, str(n.types[0]), str(n.source or "")] for n in fused_nodes(body)],
            "reads": [f"{x.label or x.node.op.name}: {x.type}" for x in body.inputs],
            "writes": [f"{x.label or x.node.op.name}: {x.type}" for x in body.outputs],
            "loops": "\n".join(kernel_text(program.calls[n].kernel) for n in mine),
            "assembly": "\n\n".join(f"{names[n]}:\n{assembly.get(names[n], '')}" for n in mine),
        }
    return found
