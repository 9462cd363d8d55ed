"""Changes of images (N, C, H, W) that keep what they show, and random policies of them.

Maps of the plane are 3 x 3 matrices for `warp`; they are joined by products, the last one first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.control import cond, switch
from graphc.ir.dims import Dim
from graphc.ir.node import Tensor
from graphc.ops.axes import swapaxes
from graphc.ops.cast import astype
from graphc.ops.convert import TensorLike, as_tensor, cast
from graphc.ops.creation import meshgrid
from graphc.ops.extent import extent
from graphc.ops.indexing.slicing import flip
from graphc.ops.joining import stack
from graphc.ops.layout import broadcast_to, reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.linear.einsum import einsum
from graphc.ops.randomness.choosing import randint
from graphc.ops.randomness.distributions import bernoulli, uniform
from graphc.ops.randomness.generator import KeyLike, split
from graphc.ops.resampling import grid_sample
from graphc.ops.select import where
from graphc.ops.source import constant, iota
from graphc.ops.statistics import mean
from graphc.ops.trigonometric import cos, sin

GREY = (0.299, 0.587, 0.114)  # what red, green and blue give to brightness
Change = Callable[[Tensor, Tensor], Tensor]


def warp(x: Tensor, maps: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Images of this size (None: that of x) whose pixel at p is x at map(p), 0 outside.

    maps: (N, 3, 3), or (3, 3) for all, of points (column, row, 1), where -1 and 1 are the centres
    of the first and last pixels; results are divided by their third coordinate.
    """
    height, width = size or (x.shape[2], x.shape[3])
    v, u = meshgrid(_ramp(height, maps), _ramp(width, maps), indexing="ij")
    points = stack([reshape(a, -1) for a in (u, v, u * 0 + 1)])
    moved = matmul(maps, points)
    moved = broadcast_to(moved, (x.shape[0], *moved.shape[-2:]))
    places = [reshape(moved[:, k] / moved[:, 2], (x.shape[0], height, width)) for k in range(2)]
    return grid_sample(x, stack(places, axis=-1))


def _ramp(count: Dim, like: Tensor) -> Tensor:
    """-1 to 1 in equal steps."""
    last = extent(count - 1, like.dtype)
    return (cast(iota((count,)), like.dtype) * 2 - last) / last


def _matrix(entries: Sequence[Any], like: Tensor) -> Tensor:
    parts = [as_tensor(e) if isinstance(e, Tensor) else constant(e, like.dtype) for e in entries]
    return reshape(stack([cast(p, like.dtype) for p in parts]), (3, 3))


def rotation(angle: Tensor) -> Tensor:
    """A turn by an angle in radians about the centre."""
    c, s = cos(angle), sin(angle)
    return _matrix((c, s, 0, -s, c, 0, 0, 0, 1), angle)


def stretch(across: Tensor, down: Tensor) -> Tensor:
    """Reads steps of these sizes: below 1 the image grows; both alike are a zoom."""
    return _matrix((across, 0, 0, 0, down, 0, 0, 0, 1), across)


def shear(slope: Tensor) -> Tensor:
    """Moves rows across, the more the further down."""
    return _matrix((1, slope, 0, 0, 1, 0, 0, 0, 1), slope)


def translation(across: Tensor, down: Tensor) -> Tensor:
    """Reads this far beside, 2 being the whole image."""
    return _matrix((1, 0, across, 0, 1, down, 0, 0, 1), across)


def perspective(across: Tensor, down: Tensor) -> Tensor:
    """Divides places by 1 + across * column + down * row."""
    return _matrix((1, 0, 0, 0, 1, 0, across, down, 1), across)


def lens(x: Tensor, strength: Tensor) -> Tensor:
    """Radial distortion: the pixel at p shows x at p (1 + strength |p|²), corners at (±1, ±1)."""
    v, u = meshgrid(_ramp(x.shape[2], x), _ramp(x.shape[3], x), indexing="ij")
    factor = 1 + strength * (u * u + v * v)
    places = stack([u * factor, v * factor], axis=-1)
    return grid_sample(x, broadcast_to(places, (x.shape[0], *places.shape)))


def random_flip(x: Tensor, key: KeyLike, rate: float = 0.5) -> Tensor:
    """Each image left to right with this probability."""
    turned = uniform(key, (x.shape[0], 1, 1, 1)) < rate
    return where(turned, flip(x, 3), x)


def quarter_turns(x: Tensor, turns: Tensor) -> Tensor:
    """Each square image turned counter-clockwise by its number of quarter turns (N,), 0 to 3."""
    turned = [x, flip(swapaxes(x, 2, 3), 2), flip(flip(x, 2), 3), swapaxes(flip(x, 2), 2, 3)]
    which = reshape(turns, (-1, 1, 1, 1))
    for k in range(1, 4):
        x = where(which == k, turned[k], x)
    return x


def random_crop(x: Tensor, key: KeyLike, size: tuple[int, int]) -> Tensor:
    """A part of this size of the batch, at a random place."""
    from graphc.ops.indexing.dynamic_slicing import dynamic_slice

    below, beside = split(key, 2)[0], split(key, 2)[1]
    starts = [
        randint(k, 0, d - s + 1) for k, d, s in zip((below, beside), x.shape[2:], size, strict=True)
    ]
    zero = constant(0, "int64")
    return dynamic_slice(x, (zero, zero, *starts), (*x.shape[:2], *size))


def brightness(x: Tensor, by: TensorLike) -> Tensor:
    """Every channel moved by the same amount."""
    return x + by


def contrast(x: Tensor, factor: TensorLike) -> Tensor:
    """Distances from each image's mean times a factor."""
    middle = mean(x, (1, 2, 3), keepdims=True)
    return middle + (x - middle) * factor


def saturation(x: Tensor, factor: TensorLike) -> Tensor:
    """Distances of colours from grey times a factor."""
    grey = _mixed(x, np.tile(GREY, (3, 1)))
    return grey + (x - grey) * factor


def hue(x: Tensor, angle: Tensor) -> Tensor:
    """Colours turned about the axis of greys by an angle in radians."""
    third, cross = np.full((3, 3), 1 / 3), np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    c, s = cos(angle), sin(angle)
    whole = constant(np.eye(3), x.dtype) * c + constant(third, x.dtype) * (1 - c)
    turn = whole + constant(cross / math.sqrt(3), x.dtype) * s
    return einsum("oc,nchw->nohw", turn, x)


def _mixed(x: Tensor, colours: Any) -> Tensor:
    return einsum("oc,nchw->nohw", constant(colours, x.dtype), x)


def threshold(x: Tensor, level: TensorLike) -> Tensor:
    """1 where a channel is above the level, else 0."""
    return astype(x > level, x.dtype)


def with_background(x: Tensor, mask: Tensor, background: Tensor) -> Tensor:
    """x where the mask (N, 1, H, W) holds, another picture elsewhere."""
    return where(mask, x, background)


def auto_augment(
    x: Tensor,
    key: Tensor,
    changes: Sequence[Change],
    places: Tensor,
    chances: Tensor,
    magnitudes: Tensor,
) -> Tensor:
    """x after a random sub-policy, the rows of three arrays (sub-policies, steps): for each step
    the place of a change, the probability that it is made, and the magnitude handed to it (Cubuk
    et al., 2019). The arrays may be arguments: one compilation serves every policy.
    """
    pick, *keys = (split(key, 1 + _steps(places))[k] for k in range(1 + _steps(places)))
    row = randint(pick, 0, places.shape[0])
    for step, k in enumerate(keys):
        made = bernoulli(k, chances[row, step])
        size, place = magnitudes[row, step], places[row, step]
        x = cond(made, _one_of(changes, place, size), lambda x: x, x)
    return x


def _steps(places: Tensor) -> int:
    count = places.shape[1]
    assert isinstance(count, int), "the steps of a sub-policy are known"
    return count


def _one_of(changes: Sequence[Change], place: Tensor, size: Tensor) -> Callable[[Tensor], Any]:
    return lambda x: switch(place, [lambda x, f=f: f(x, size) for f in changes], x)


def rand_augment(
    x: Tensor, key: Tensor, changes: Sequence[Change], count: int, magnitude: Tensor
) -> Tensor:
    """x after `count` random changes, all of one magnitude (Cubuk, Zoph, Shlens and Le, 2020)."""
    for k in range(count):
        place = randint(split(key, count)[k], 0, len(changes))
        x = _one_of(changes, place, magnitude)(x)
    return x
