"""Views as SVG, DOT, JSON and networkx graphs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from typing import TYPE_CHECKING

from graphc.dump.layout import LINE, PADDING, Point, Rectangle, place
from graphc.dump.views import Arrow, Box, View

if TYPE_CHECKING:
    import networkx as nx

COLOURS = {
    "input": "#d7e8f7", "variable": "#fde7c3", "constant": "#eeeeee", "op": "#ffffff",
    "kernel": "#dff3e0", "output": "#e6dcf5", "update": "#f7d9d9",
}  # fmt: skip


def svg(view: View, tip: str = "tip") -> str:
    """A picture in the fonts of the reader's machine; `tip` names the heads of its arrows, which
    pictures on one page need apart.
    """
    placement = place(view)
    at = placement.boxes
    ends = [r.x + r.width / 2 for r in at.values()]
    ends += [x for route in placement.routes for x, _ in route]
    width = max(ends, default=0) + PADDING
    height = max((r.y + r.height / 2 for r in at.values()), default=0) + PADDING
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" '
        'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12">',
        f'<defs><marker id="{tip}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#889"/></marker></defs>',
        "<style>.arrow { fill: none; stroke: #99a }</style>",
        f'<g marker-end="url(#{tip})">',
    ]
    labels: dict[tuple[str, str], dict[str, None]] = {}
    for a in view.arrows:
        labels.setdefault((a.start, a.end), {})[a.label] = None
    routes = {(a.start, a.end): r for a, r in zip(view.arrows, placement.routes, strict=True)}
    parts += [_arrow(Arrow(*ends, "\n".join(labels[ends])), r) for ends, r in routes.items()]
    parts += ["</g>", *(_box(box, at[box.id]) for box in view.boxes)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _arrow(arrow: Arrow, route: Sequence[Point]) -> str:
    """A smooth line through the points, vertical at each."""
    (x, y), *rest = route
    path = [f"M{x:.1f} {y:.1f}"]
    for right, down in rest:
        if abs(right - x) < 0.05:
            path.append(f"V{down:.1f}")
        else:
            bend = (down - y) / 2
            path.append(
                f"C{x:.1f} {y + bend:.1f} {right:.1f} {down - bend:.1f} {right:.1f} {down:.1f}"
            )
        x, y = right, down
    ends = f'data-start="{arrow.start}" data-end="{arrow.end}"'
    title = f"<title>{escape(arrow.label)}</title>"
    return f'<path class="arrow" {ends} d="{"".join(path)}">{title}</path>'


def _box(box: Box, r: Rectangle) -> str:
    left, top = r.x - r.width / 2, r.y - r.height / 2
    hint = "\n".join(filter(None, (box.title, *box.lines, box.source)))
    lines = [
        f'<g class="box {box.kind}" data-id="{box.id}"><title>{escape(hint)}</title>',
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{r.width:.1f}" height="{r.height:.1f}" '
        f'rx="5" fill="{COLOURS[box.kind]}" stroke="#667"/>',
    ]
    for k, text in enumerate(box.shown):
        weight = ' font-weight="bold"' if k == 0 else ' fill="#444"'
        y = top + LINE * (k + 1)
        lines.append(
            f'<text x="{r.x:.1f}" y="{y:.1f}" text-anchor="middle"{weight}>{escape(text)}</text>'
        )
    return "".join([*lines, "</g>"])


def dot(view: View) -> str:
    """The view in Graphviz' language."""
    lines = [
        f"digraph {json.dumps(view.name)} {{",
        '  node [shape=box, style="rounded,filled", fontname=monospace];',
    ]
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
