"""Views as SVG, DOT, JSON and networkx graphs."""

from __future__ import annotations

import json
from dataclasses import asdict
from html import escape
from typing import TYPE_CHECKING

from graphc.dump.layout import LINE, PADDING, Rectangle, place
from graphc.dump.views import Box, View

if TYPE_CHECKING:
    import networkx as nx

COLOURS = {
    "input": "#d7e8f7", "variable": "#fde7c3", "constant": "#eeeeee", "op": "#ffffff",
    "kernel": "#dff3e0", "output": "#e6dcf5", "update": "#f7d9d9",
}  # fmt: skip


def svg(view: View) -> str:
    """A picture with a legend of its own colours, in the fonts of the reader's machine."""
    at = place(view)
    width = max((r.x + r.width / 2 for r in at.values()), default=0) + PADDING
    height = max((r.y + r.height / 2 for r in at.values()), default=0) + PADDING
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#889"/></marker></defs>',
    ]
    for arrow in view.arrows:
        parts.append(_arrow(at[arrow.start], at[arrow.end], arrow.start, arrow.end, arrow.label))
    parts += [_box(box, at[box.id]) for box in view.boxes]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _arrow(start: Rectangle, end: Rectangle, a: str, b: str, label: str) -> str:
    x1, y1, x2, y2 = start.x, start.y + start.height / 2, end.x, end.y - end.height / 2
    bend = (y2 - y1) / 2
    path = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
    title = f"<title>{escape(label)}</title>"
    return f'<path class="arrow" data-start="{a}" data-end="{b}" d="{path}" fill="none" stroke="#889" marker-end="url(#tip)">{title}</path>'


def _box(box: Box, r: Rectangle) -> str:
    left, top = r.x - r.width / 2, r.y - r.height / 2
    lines = [
        f'<g class="box {box.kind}" data-id="{box.id}">',
        f"<title>{escape(box.source or box.title)}</title>",
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{r.width:.1f}" height="{r.height:.1f}" rx="5" fill="{COLOURS[box.kind]}" stroke="#667"/>',
    ]
    for k, text in enumerate((box.title, *box.lines)):
        weight = ' font-weight="bold"' if k == 0 else ' fill="#444"'
        lines.append(f'<text x="{r.x:.1f}" y="{top + LINE * (k + 1):.1f}" text-anchor="middle"{weight}>{escape(text)}</text>')
    return "".join([*lines, "</g>"])


def dot(view: View) -> str:
    """The view in Graphviz' language."""
    lines = [f"digraph {json.dumps(view.name)} {{", '  node [shape=box, style="rounded,filled", fontname=monospace];']
    for box in view.boxes:
        label = "\\n".join((box.title, *box.lines)).replace('"', '\\"')
        lines.append(f'  {box.id} [label="{label}", fillcolor="{COLOURS[box.kind]}"];')
    lines += [f"  {a.start} -> {a.end} [label={json.dumps(a.label)}];" for a in view.arrows]
    return "\n".join([*lines, "}"]) + "\n"


def as_json(view: View) -> str:
    """The boxes and arrows as JSON."""
    return json.dumps(asdict(view), indent=1)


def as_networkx(view: View) -> nx.MultiDiGraph:
    """The view as a networkx graph; node and edge attributes are the fields of boxes and arrows."""
    import networkx as nx

    graph = nx.MultiDiGraph(name=view.name)
    for box in view.boxes:
        graph.add_node(box.id, kind=box.kind, title=box.title, lines=box.lines, source=box.source)
    for arrow in view.arrows:
        graph.add_edge(arrow.start, arrow.end, label=arrow.label)
    return graph
