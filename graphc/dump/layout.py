"""Places the boxes of a view: layers by longest path, order within a layer by the places of neighbours (Sugiyama et al., 1981)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphc.dump.views import Box, View

CHARACTER, LINE, PADDING = 7.2, 16.0, 10.0
GAP_X, GAP_Y = 28.0, 54.0
SWEEPS = 8


@dataclass(frozen=True)
class Rectangle:
    """A box's place: centre, width and height, in pixels."""

    x: float
    y: float
    width: float
    height: float


def place(view: View) -> dict[str, Rectangle]:
    """A rectangle for every box; arrows run downwards."""
    layers = _layers(view)
    _order(layers, view)
    return _coordinates(layers, {box.id: box for box in view.boxes}, view)


def size_of(box: Box) -> tuple[float, float]:
    """Width and height that hold the box's text."""
    longest = max(len(line) for line in (box.title, *box.lines))
    return longest * CHARACTER + 2 * PADDING, (1 + len(box.lines)) * LINE + PADDING


def _layers(view: View) -> list[list[str]]:
    depth = {box.id: 0 for box in view.boxes}
    for box in view.boxes:
        for arrow in view.arrows:
            if arrow.end == box.id:
                depth[box.id] = max(depth[box.id], depth[arrow.start] + 1)
    below: dict[str, int] = {}
    for arrow in view.arrows:
        below[arrow.start] = min(below.get(arrow.start, depth[arrow.end]), depth[arrow.end])
    for box in view.boxes:
        if box.kind in ("input", "variable", "constant") and box.id in below:
            depth[box.id] = below[box.id] - 1
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for box in view.boxes:
        layers[depth[box.id]].append(box.id)
    return layers


def _order(layers: list[list[str]], view: View) -> None:
    """Sweeps down and up; each box goes to the mean place of its neighbours in the layers already ordered."""
    above: dict[str, list[str]] = {box.id: [] for box in view.boxes}
    below: dict[str, list[str]] = {box.id: [] for box in view.boxes}
    for arrow in view.arrows:
        above[arrow.end].append(arrow.start)
        below[arrow.start].append(arrow.end)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = above if down else below
        place_of = _fractions(layers)
        for layer in layers if down else reversed(layers):
            layer.sort(key=lambda box: _mean([place_of[n] for n in neighbours[box]], place_of[box]))
            place_of.update(_fractions([layer]))


def _fractions(layers: Sequence[Sequence[str]]) -> dict[str, float]:
    return {box: (k + 0.5) / len(layer) for layer in layers for k, box in enumerate(layer)}


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _coordinates(layers: Sequence[Sequence[str]], boxes: Mapping[str, Box], view: View) -> dict[str, Rectangle]:
    sizes = {name: size_of(box) for name, box in boxes.items()}
    widths = [sum(sizes[b][0] + GAP_X for b in layer) for layer in layers]
    widest = max(widths, default=0)
    found: dict[str, Rectangle] = {}
    y = PADDING
    for layer, width in zip(layers, widths, strict=True):
        height = max((sizes[b][1] for b in layer), default=0)
        x = (widest - width) / 2 + GAP_X / 2
        for b in layer:
            found[b] = Rectangle(x + sizes[b][0] / 2, y + height / 2, sizes[b][0], sizes[b][1])
            x += sizes[b][0] + GAP_X
        y += height + GAP_Y
    return found
