"""Selective search: boxes that may hold objects, from regions of one colour that are joined step by
step (Uijlings et al., 2013). Plain NumPy, before or beside a graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.record import dataclass

Array = np.ndarray[Any, Any]
COLOURS, SLOPES, LEVELS = 25, 8, 10  # bins of colours, of directions, of strengths of slopes


def over_segment(image: Array, scale: float = 1.0, least: int = 20) -> Array:
    """Numbers of regions (H, W) of an image (H, W, C), from 0 on, in the order of their first
    pixels: Felzenszwalb and Huttenlocher (2004).

    Neighbouring pixels are joined, the most similar ones first, unless their difference exceeds
    those within both of their regions by more than `scale` over the region's size; then regions of
    fewer than `least` pixels join a neighbour.
    """
    height, width = image.shape[:2]
    first, second, weights = _edges(image)
    parent = np.arange(height * width)
    size, inner = np.ones(height * width, int), np.zeros(height * width)
    order = np.argsort(weights, kind="stable")
    for k in order:
        a, b = _root(parent, first[k]), _root(parent, second[k])
        if a != b and weights[k] <= min(inner[a] + scale / size[a], inner[b] + scale / size[b]):
            _join(parent, size, a, b)
            inner[min(a, b)] = weights[k]
    for k in order:
        a, b = _root(parent, first[k]), _root(parent, second[k])
        if a != b and min(size[a], size[b]) < least:
            _join(parent, size, a, b)
    roots = np.array([_root(parent, k) for k in range(height * width)])
    return np.unique(roots, return_inverse=True)[1].reshape(height, width)


def _edges(image: Array) -> tuple[Array, Array, Array]:
    """Both pixels of every pair of neighbours, and the distance of their colours."""
    numbers = np.arange(image.shape[0] * image.shape[1]).reshape(image.shape[:2])
    pairs = [((slice(None), slice(None, -1)), (slice(None), slice(1, None)))]
    pairs.append(((slice(None, -1), slice(None)), (slice(1, None), slice(None))))
    first = np.concatenate([numbers[a].ravel() for a, _ in pairs])
    second = np.concatenate([numbers[b].ravel() for _, b in pairs])
    distances = [np.linalg.norm(image[a] - image[b], axis=-1).ravel() for a, b in pairs]
    return first, second, np.concatenate(distances)


def _root(parent: Array, k: int) -> int:
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return int(k)


def _join(parent: Array, size: Array, a: int, b: int) -> None:
    low, high = min(a, b), max(a, b)
    parent[high] = low
    size[low] += size[high]


@dataclass(frozen=True)
class Region:
    """Some joined regions: pixels, corners (x0, y0, x1, y1), and how often each colour and each
    slope occurs.
    """

    size: int
    box: tuple[int, int, int, int]
    colours: Array
    slopes: Array

    def joined(self, other: Region) -> Region:
        """Both as one."""
        total = self.size + other.size
        a, b = self.size / total, other.size / total
        box = _around(self.box, other.box)
        colours = a * self.colours + b * other.colours
        return Region(total, box, colours, a * self.slopes + b * other.slopes)

    def likeness(self, other: Region, pixels: int) -> float:
        """How similar both are in colour and in texture, how small, and how well they fill the box
        around them: from 0 to 4.
        """
        common = np.minimum(self.colours, other.colours).sum()
        common += np.minimum(self.slopes, other.slopes).sum()
        x0, y0, x1, y1 = _around(self.box, other.box)
        total = self.size + other.size
        return float(common + 1 - total / pixels + 1 - ((x1 - x0) * (y1 - y0) - total) / pixels)


def _around(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, int, int, int]:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def selective_search(image: Array, scale: float = 1.0, least: int = 20, most: int = 2000) -> Array:
    """At most `most` distinct corner boxes (B, 4) of an image (H, W, C) with values from 0 to 1:
    those of all regions, the last ones joined first. The same image gives the same boxes.
    """
    numbers = over_segment(np.asarray(image, float), scale, least)
    regions = dict(enumerate(_regions(np.asarray(image, float), numbers)))
    pairs = {
        pair: regions[pair[0]].likeness(regions[pair[1]], numbers.size)
        for pair in _touching(numbers)
    }
    boxes = [region.box for region in regions.values()]
    while pairs:
        a, b = max(pairs, key=lambda pair: (pairs[pair], -pair[0], -pair[1]))
        new = len(boxes)
        regions[new] = regions.pop(a).joined(regions.pop(b))
        boxes.append(regions[new].box)
        near = {k for pair in pairs if {a, b} & set(pair) for k in pair} - {a, b}
        pairs = {pair: v for pair, v in pairs.items() if not {a, b} & set(pair)}
        for k in sorted(near):
            pairs[k, new] = regions[k].likeness(regions[new], numbers.size)
    distinct = list(dict.fromkeys(reversed(boxes)))[:most]
    return np.array(distinct, np.int64)


def _touching(numbers: Array) -> list[tuple[int, int]]:
    """The pairs of regions with pixels side by side, in order."""
    sides = [(numbers[:, :-1], numbers[:, 1:]), (numbers[:-1], numbers[1:])]
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], 1) for a, b in sides])
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    return [(int(a), int(b)) for a, b in np.unique(pairs, axis=0)]


def _regions(image: Array, numbers: Array) -> list[Region]:
    """The regions of a numbered image."""
    down, across = np.gradient(image, axis=(0, 1))
    turn = (np.arctan2(down, across) / (2 * np.pi) % 1 * SLOPES).astype(int) % SLOPES
    strength = np.minimum(np.hypot(down, across), 1) * (LEVELS - 1e-9)
    slopes = turn * LEVELS + strength.astype(int)
    colours = (np.clip(image, 0, 1) * (COLOURS - 1e-9)).astype(int)
    found = []
    for k in range(numbers.max() + 1):
        rows, columns = np.nonzero(numbers == k)
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        pixels = (rows, columns)
        whole = tuple(int(v) for v in box)
        counts = _counts(colours[pixels], COLOURS), _counts(slopes[pixels], SLOPES * LEVELS)
        found.append(Region(len(rows), whole, *counts))  # type: ignore[arg-type]
    return found


def _counts(values: Array, bins: int) -> Array:
    """How often each value occurs in each channel (pixels, C), as shares of all."""
    channels = values.shape[1]
    flat = (values + bins * np.arange(channels)).ravel()
    counts: Array = np.bincount(flat, minlength=bins * channels)
    shares: Array = counts / flat.size
    return shares
