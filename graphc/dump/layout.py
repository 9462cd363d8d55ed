"""Places the boxes of a view and the arrows between them.

Layers by longest path; an arrow that passes layers has a joint in each; order within a layer by the
places of neighbours, in sweeps (Sugiyama, Tagawa, Toda 1981); then each layer is moved as near to
its neighbours as its widths allow, which is an isotonic regression (pool adjacent violators).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from graphc.dump.views import Box, View
from graphc.ir.record import dataclass

CHARACTER, LINE, PADDING = 7.25, 16.0, 10.0
GAP_X, GAP_Y = 26.0, 44.0
JOINT = 4.0
SWEEPS = 8
MOST_JOINTS = 20_000

Point = tuple[float, float]


@dataclass(frozen=True)
class Rectangle:
    """A box's place: centre, width and height, in pixels."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Placement:
    """A rectangle for every box; for every arrow of the view the points that it runs through."""

    boxes: Mapping[str, Rectangle]
    routes: tuple[tuple[Point, ...], ...]


def place(view: View) -> Placement:
    """The places of everything; arrows run downwards."""
    boxes = {box.id: box for box in view.boxes}
    depth = _depths(view)
    chains = _chains(view, depth)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for name in [*boxes, *dict.fromkeys(n for c in chains.values() for n in c[1:-1])]:
        layers[depth[name]].append(name)
    above, below = _neighbours(chains.values())
    _order(layers, above, below)
    widths = {name: size_of(boxes[name])[0] if name in boxes else JOINT for name in depth}
    x = _columns(layers, widths, above, below)
    y, heights = _rows(layers, boxes)
    found = {b: Rectangle(x[b], y[depth[b]], *size_of(box)) for b, box in boxes.items()}
    half = {b: found[b].height / 2 for b in found}
    routes = []
    for arrow in view.arrows:
        first, *joints, last = chains[arrow.start, arrow.end]
        points = [(x[first], y[depth[first]] + half[first])]
        for joint in joints:
            middle, tall = y[depth[joint]], heights[depth[joint]] / 2
            points += [(x[joint], middle - tall), (x[joint], middle + tall)]
        routes.append((*points, (x[last], y[depth[last]] - half[last])))
    return Placement(found, tuple(routes))


def size_of(box: Box) -> tuple[float, float]:
    """Width and height that hold the box's text."""
    longest = max(len(line) for line in box.shown)
    return longest * CHARACTER + 2 * PADDING, len(box.shown) * LINE + PADDING


def _depths(view: View) -> dict[str, int]:
    """The layer of every box; what comes from outside lies just above its first reader."""
    before: dict[str, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    for arrow in view.arrows:
        before[arrow.end].append(arrow.start)
        after[arrow.start].append(arrow.end)
    depth: dict[str, int] = {}
    for box in view.boxes:
        depth[box.id] = max((depth[b] + 1 for b in before[box.id]), default=0)
    for box in view.boxes:
        if box.kind in ("input", "variable", "constant") and after[box.id]:
            depth[box.id] = min(depth[b] for b in after[box.id]) - 1
    return depth


def _chains(view: View, depth: dict[str, int]) -> dict[tuple[str, str], list[str]]:
    """For each pair that an arrow joins, the boxes and joints in between; joints get their depths.
    Without joints where there would be too many.
    """
    pairs = dict.fromkeys((a.start, a.end) for a in view.arrows)
    wanted = sum(depth[b] - depth[a] - 1 for a, b in pairs)
    chains: dict[tuple[str, str], list[str]] = {}
    for a, b in pairs:
        joints = []
        for d in range(depth[a] + 1, depth[b]) if wanted <= MOST_JOINTS else ():
            joints.append(f"{a}>{b}:{d}")
            depth[joints[-1]] = d
        chains[a, b] = [a, *joints, b]
    return chains


_Links = dict[str, list[str]]


def _neighbours(chains: Iterable[Sequence[str]]) -> tuple[_Links, _Links]:
    above: _Links = defaultdict(list)
    below: _Links = defaultdict(list)
    for chain in chains:
        for a, b in pairwise(chain):
            above[b].append(a)
            below[a].append(b)
    return above, below


def _order(layers: list[list[str]], above: _Links, below: _Links) -> None:
    """Sweeps down and up; each box goes to the mean place of its neighbours."""
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = above if down else below
        at = {b: (k + 0.5) / len(layer) for layer in layers for k, b in enumerate(layer)}
        for layer in layers if down else reversed(layers):
            wish = {b: _mean([at[n] for n in neighbours[b]], at[b]) for b in layer}
            layer.sort(key=wish.__getitem__)
            at.update({b: (k + 0.5) / len(layer) for k, b in enumerate(layer)})


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _columns(
    layers: Sequence[Sequence[str]], widths: Mapping[str, float], above: _Links, below: _Links
) -> dict[str, float]:
    """The x of every box and joint: near its neighbours, without overlap, none below 0."""
    x: dict[str, float] = {}
    for layer in layers:
        x.update(_spread(layer, [0.0] * len(layer), widths))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        both = sweep >= SWEEPS - 2
        links = [above] * (down or both) + [below] * (both or not down)
        for layer in layers if down else reversed(layers):
            wishes = [_mean([x[n] for link in links for n in link[b]], x[b]) for b in layer]
            x.update(_spread(layer, wishes, widths))
    left = min((x[b] - widths[b] / 2 for b in x), default=0.0)
    return {b: value - left + PADDING for b, value in x.items()}


def _spread(
    layer: Sequence[str], wishes: Sequence[float], widths: Mapping[str, float]
) -> dict[str, float]:
    """The places nearest to the wishes (in least squares) at which nothing overlaps."""
    offsets: list[float] = []
    for k, b in enumerate(layer):
        gap = GAP_X if widths[b] > JOINT or (k and widths[layer[k - 1]] > JOINT) else GAP_X / 2
        step = (widths[layer[k - 1]] + widths[b]) / 2 + gap if k else 0.0
        offsets.append((offsets[-1] if k else 0.0) + step)
    blocks: list[tuple[float, int]] = []
    for wish, offset in zip(wishes, offsets, strict=True):
        total, count = wish - offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / count:
            before, members = blocks.pop()
            total, count = total + before, count + members
        blocks.append((total, count))
    levels = [total / count for total, count in blocks for _ in range(count)]
    return {b: v + o for b, v, o in zip(layer, levels, offsets, strict=True)}


def _rows(
    layers: Sequence[Sequence[str]], boxes: Mapping[str, Box]
) -> tuple[list[float], list[float]]:
    """The y of every layer's middle, and its height."""
    heights = [
        max((size_of(boxes[b])[1] for b in layer if b in boxes), default=0.0) for layer in layers
    ]
    middles: list[float] = []
    top = PADDING
    for height in heights:
        middles.append(top + height / 2)
        top += height + GAP_Y
    return middles, heights
