"""The meaning of convolutions, in NumPy: tap by tap over a padded image."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ops.convolutions.axes import Line

Array = np.ndarray[Any, np.dtype[Any]]

#: The dtypes in which floats of so many bytes are summed.
_WIDER = {2: np.float32, 4: np.float64}


def missing_tensor(
    role: str,
    known: Mapping[str, Array],
    lines: Sequence[Line],
    shape: tuple[int, ...],
    groups: int,
) -> Array:
    """The tensor of a role, of this shape, as a sum over products of the other two.

    Sums of floats are taken in a wider dtype and rounded once; integers wrap.
    """
    dtype = next(iter(known.values())).dtype
    wide: Any = dtype if dtype.kind in "iu" else _WIDER.get(dtype.itemsize, dtype)
    arrays = {r: a.astype(wide) for r, a in known.items()} | {role: np.zeros(shape, wide)}
    spatial = {r: a.shape[2:] for r, a in arrays.items()}
    split = {r: _split_groups(a, r, groups) for r, a in arrays.items()}
    frames = [_Frame(line, *(spatial[r][k] for r in "xwy")) for k, line in enumerate(lines)]
    inside: Any = (..., *(frame.image for frame in frames))
    padded = np.zeros((*split["x"].shape[:3], *(frame.length for frame in frames)), wide)
    padded[inside] = split["x"]
    with np.errstate(all="ignore"):
        for tap in itertools.product(*map(range, spatial["w"])):
            at: Any = (..., *(f.seen(k) for f, k in zip(frames, tap, strict=True)))
            _add(role, padded[at], split["w"], tap, split["y"])
        result = padded[inside] if role == "x" else split[role]
        return result.reshape(shape).astype(dtype)


def _add(role: str, seen: Array, w: Array, tap: tuple[int, ...], y: Array) -> None:
    """What one tap adds to the role's array."""
    at: Any = (..., *tap)
    if role == "y":
        y += np.einsum("ngi...,goi->ngo...", seen, w[at])
    elif role == "x":
        seen += np.einsum("ngo...,goi->ngi...", y, w[at])
    else:
        flat = (*seen.shape[:3], -1)
        w[at] = np.einsum("ngis,ngos->goi", _flat(seen), _flat(y)) if 0 not in flat[:3] else 0


def _flat(x: Array) -> Array:
    return x.reshape((*x.shape[:3], int(np.prod(x.shape[3:]))))


def _split_groups(x: Array, role: str, groups: int) -> Array:
    """A view with an axis for groups: (g, o, i, ...) of kernels, else (n, g, channels, ...)."""
    if role == "w":
        return x.reshape((groups, x.shape[0] // groups, *x.shape[1:]))
    return x.reshape((x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))


class _Frame:
    """One axis of an image, spread out, with room for every tap at every position."""

    def __init__(self, line: Line, size: int, taps: int, out: int):
        stride, dilation, before, spread = line
        assert isinstance(before, int), "sizes are known when a reference runs"
        self.out, self.stride, self.dilation, self.shift = out, stride, dilation, max(0, -before)
        start = before + self.shift
        end = start + max((size - 1) * spread, 0)
        last = max(out - 1, 0) * stride + max(taps - 1, 0) * dilation
        self.length = max(last + self.shift, end) + 1
        self.image = _stretch(start, size, spread)

    def seen(self, tap: int) -> slice:
        """The elements that a tap sees at all positions."""
        return _stretch(tap * self.dilation + self.shift, self.out, self.stride)


def _stretch(start: int, count: int, step: int) -> slice:
    """`count` places from a start on."""
    return slice(start, start + max((count - 1) * step + 1, 0), step)
