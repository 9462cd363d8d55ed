"""The results as a picture: for every workload, each peer's time relative to graphc's."""

import math
from xml.sax.saxutils import escape

import workloads

# One colour a peer, told apart by people who see fewer colours too.
COLOURS = {
    "torch": "#e69f00",
    "torch_compile": "#d55e00",
    "jax": "#0072b2",
    "pytensor": "#cc79a7",
    "tinygrad": "#7f7f7f",
    "onnxruntime": "#009e73",
}
ROW, LEFT, WIDTH, TOP, RIGHT = 22, 168, 640, 96, 96
LEAST, MOST = 0.25, 64  # the axis; what lies beyond is drawn at its end
STYLE = """
text { font: 12px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #24292f }
.title { font-size: 17px; font-weight: 600 }
.small { font-size: 11px; fill: #57606a }
.head { font-weight: 600 }
.grid { stroke: #d8dee4; stroke-width: 1 }
.one { stroke: #24292f; stroke-width: 1.5 }
.span { stroke: #afb8c1; stroke-width: 2 }
.dot { stroke: #ffffff; stroke-width: 1.2 }
.back { fill: #ffffff }
.slow { fill: #fff1ee }
"""


def place(ratio):
    """Where a ratio lies on the logarithmic axis."""
    share = math.log(min(max(ratio, LEAST), MOST) / LEAST) / math.log(MOST / LEAST)
    return LEFT + WIDTH * share


def text(x, y, content, kind="", anchor="start"):
    where = f'x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}"'
    return f"<text {where}>{escape(content)}</text>"


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def dot(ratio, y, peer, label):
    """A peer's mark, with its figures where a browser shows them; an arrow off the axis."""
    colour, x = COLOURS.get(peer.partition("@")[0], "#000000"), place(ratio)
    title = f'fill="{colour}" class="dot"><title>{escape(label)}</title>'
    if LEAST <= ratio <= MOST:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" {title}</circle>'
    tip = 7 if ratio > MOST else -7
    points = f"{x + tip:.1f},{y:.1f} {x - tip / 2:.1f},{y - 6:.1f} {x - tip / 2:.1f},{y + 6:.1f}"
    return f'<polygon points="{points}" {title}</polygon>'


def legend(peers):
    x, marks = LEFT, []
    for peer in peers:
        name = peer.partition("@")[0]
        marks += [
            f'<circle cx="{x + 6}" cy="58" r="5.5" fill="{COLOURS.get(name, "#000000")}"/>',
            text(x + 16, 62, name),
        ]
        x += 34 + 7 * len(name)
    return marks


def axis(bottom):
    """Lines at powers of two, and what they stand for."""
    marks, ratio = [], LEAST
    while ratio <= MOST:
        x, label = place(ratio), f"{ratio:g}x" if ratio >= 1 else f"1/{1 / ratio:g}"
        marks.append(line(x, TOP - 4, x, bottom, "one" if ratio == 1 else "grid"))
        marks += [text(x, y, label, "small", "middle") for y in (TOP - 10, bottom + 15)]
        ratio *= 2
    return marks


def row(name, ratios, y):
    """A workload: its name, its peers' marks, and the ratio to the fastest."""
    marks = [text(LEFT - 12, y + 4, name, "", "end")]
    if ratios:
        least, most = min(ratios.values()), max(ratios.values())
        marks.append(line(place(least), y, place(most), y, "span"))
        marks.append(text(LEFT + WIDTH + 14, y + 4, f"{least:.2f}", "head" if least >= 1 else ""))
        ordered = sorted(ratios.items(), key=lambda item: -item[1])
        marks += [dot(r, y, peer, f"{name}, {peer}: {r:.2f}") for peer, r in ordered]
    return marks


def svg(report):
    """The chart of a report.Report, as SVG text."""
    groups = [
        (title, [w for w in names if w in report.rows])
        for title, names in (("core", workloads.CORE), ("added", workloads.ADDED))
    ]
    groups = [(title, names) for title, names in groups if names]
    peers = report.others()
    y, body = TOP + ROW / 2, []
    for title, names in groups:
        body.append(text(12, y + 4, title, "head"))
        for w in names:
            y += ROW
            body += row(w, report.relative(w), y)
        y += ROW
    bottom = y - ROW / 2
    width, height = LEFT + WIDTH + RIGHT, bottom + 42
    one = place(1)
    head = [
        text(12, 28, "Time of a call, relative to graphc's", "title"),
        text(LEFT + WIDTH + 14, TOP - 26, "fastest peer", "small"),
        text(LEFT, bottom + 34, "the peer is faster", "small"),
        text(LEFT + WIDTH, bottom + 34, "graphc is faster", "small", "end"),
    ]
    shade = (
        f'<rect x="{LEFT}" y="{TOP - 4}" width="{one - LEFT:.1f}" '
        f'height="{bottom - TOP + 4:.1f}" class="slow"/>'
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" '
            f'width="{width}" height="{height:.0f}" role="img">',
            f"<style>{STYLE}</style>",
            f'<rect width="{width}" height="{height:.0f}" class="back"/>',
            shade,
            *axis(bottom),
            *head,
            *legend(peers),
            *body,
            "</svg>\n",
        ]
    )
