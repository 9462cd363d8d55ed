"""The axes of images, kernels and results: channels split into groups, taps along spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from graphc.ir.dims import Dim, floordiv, mod
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.ir.types import TensorType
from graphc.ops.convolutions.windows import Step
from graphc.ops.layout import reshape, transpose

#: What the channel axes of each tensor count: samples, groups, channels in and out within a group.
LETTERS = {"x": "ngi", "w": "goi", "y": "ngo"}
_NAMES = {"n": "samples", "i": "input channels within a group", "o": "output channels"}


class Line(NamedTuple):
    """How taps lie along one axis: tap k of position o sees element (o * stride + k * dilation -
    before) / spread of the image, if there is one.
    """

    stride: int = 1
    dilation: int = 1
    before: Dim = 0
    spread: int = 1

    def steps(self, role: str) -> Step:
        """The step of the windows whose sum over taps gives the tensor of a role."""
        if role == "x":
            return (self.spread, -self.dilation, self.before, self.stride)
        move, reach = (self.stride, self.dilation) if role == "y" else (self.dilation, self.stride)
        return (move, reach, -self.before, self.spread)


def letter_sizes(takes: Sequence[str], inputs: Sequence[TensorType], groups: Dim) -> dict[str, Dim]:
    """How many samples, groups, and channels within a group there are; raises ShapeError where the
    operands disagree.
    """
    sizes: dict[str, Dim] = {"g": groups}
    for role, x in zip(takes, inputs, strict=True):
        for letter, d in zip(LETTERS[role].replace("g", ""), _within(role, x, groups), strict=True):
            if sizes.setdefault(letter, d) != d:
                raise ShapeError(
                    f"{sizes[letter]} {_NAMES[letter]} against {d}: {inputs[0]} and {inputs[1]}"
                )
    return sizes


def _within(role: str, x: TensorType, groups: Dim) -> tuple[Dim, Dim]:
    """The lengths of the two channel axes, without the groups."""
    joint = 0 if role == "w" else 1
    if mod(x.shape[joint], groups) != 0:
        raise ShapeError(f"{x.shape[joint]} channels cannot be divided into {groups} groups")
    each = floordiv(x.shape[joint], groups)
    return (each, x.shape[1]) if role == "w" else (x.shape[0], each)


def channels(sizes: dict[str, Dim], role: str) -> tuple[Dim, Dim]:
    """The lengths of the first two axes of a role."""
    if role == "w":
        return sizes["g"] * sizes["o"], sizes["i"]
    return sizes["n"], sizes["g"] * sizes[LETTERS[role][2]]


def lettered(x: Tensor, sizes: dict[str, Dim], role: str) -> Tensor:
    """x with an axis for each letter in front, less the groups if there is one."""
    letters = [c for c in LETTERS[role] if c != "g" or sizes["g"] != 1]
    return reshape(x, (*(sizes[c] for c in letters), *x.shape[2:]))


def joined(x: Tensor, sizes: dict[str, Dim], role: str, letter: str, size: Dim) -> Tensor:
    """x, whose first axis is a batch, with that axis before and as a part of a letter's."""
    letters = LETTERS[role]
    split = reshape(x, (size, *(sizes[c] for c in letters), *x.shape[3:]))
    place = letters.index(letter)
    order = (*range(1, place + 1), 0, *range(place + 1, split.ndim))
    grown = {**sizes, letter: size * sizes[letter]}
    return reshape(transpose(split, order), (*channels(grown, role), *x.shape[3:]))


def parted(x: Tensor, sizes: dict[str, Dim], role: str, letter: str, size: Dim) -> Tensor:
    """The reverse of `joined`."""
    letters = LETTERS[role]
    place = letters.index(letter)
    axes: list[Dim] = [sizes[c] for c in letters]
    split = reshape(x, (*axes[:place], size, *axes[place:], *x.shape[2:]))
    order = (place, *(k for k in range(split.ndim) if k != place))
    return reshape(transpose(split, order), (size, *channels(sizes, role), *x.shape[2:]))
