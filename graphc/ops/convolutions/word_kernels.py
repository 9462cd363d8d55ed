"""Kernels of narrow numbers, laid out as words: neighbouring summands side by side, as many as the
machine's dot-product instructions take.
"""

from __future__ import annotations

import numpy as np

from graphc.ir.dtypes import DType, bfloat16, int8, int16, uint8
from graphc.ops.convolutions.packed import panel_of
from graphc.ops.literal import aligned_copy

#: How many numbers of images and kernels of these dtypes are in a word of 32 bits.
GROUPS: dict[tuple[DType, DType], int] = {
    (uint8, int8): 4,
    (int8, int8): 4,
    (int8, uint8): 4,
    (int16, int16): 2,
    (bfloat16, bfloat16): 2,
}
#: What is added to images of int8 where the kernels are too: one operand's bytes are unsigned.
OFFSET = 128


def word_kernels(w: np.ndarray, channels_first: bool, group: int) -> np.ndarray:
    """Kernels (O, C, *taps) as (O / width, words, width, group). The summands come in lines, of the
    channels under a tap or, if `channels_first`, of a row of taps; zeros fill a line's last word.
    """
    width = panel_of(w.shape[0])
    lines = w if channels_first else np.moveaxis(w, 1, -1)
    size, more = lines.shape[-1], -lines.shape[-1] % group
    whole = np.pad(lines.reshape((w.shape[0], -1, size)), ((0, 0), (0, 0), (0, more)))
    words = whole.reshape((w.shape[0] // width, width, -1, group))
    return aligned_copy(words.transpose(0, 2, 1, 3))


def words_shape(shape: tuple[int, ...], channels_first: bool, group: int) -> tuple[int, ...]:
    """The shape of such kernels."""
    width, outputs, (channels, *taps) = panel_of(shape[0]), shape[0], shape[1:]
    lines, size = taps[0] * taps[1], channels
    if channels_first:
        lines, size = channels * taps[0], taps[1]
    return (outputs // width, lines * -(-size // group), width, group)


def kernels_of_words(
    array: np.ndarray, shape: tuple[int, ...], channels_first: bool, group: int
) -> np.ndarray:
    """The kernels of this shape of which these are the words."""
    outputs, channels, *taps = shape
    order = (outputs, channels, *taps) if channels_first else (outputs, *taps, channels)
    lines = array.transpose(0, 2, 1, 3).reshape((*order[:-1], -1))[..., : order[-1]]
    return aligned_copy(lines if channels_first else np.moveaxis(lines, -1, 1))


def offsets(w: np.ndarray) -> np.ndarray:
    """What OFFSET, added to all that kernels (O, C, *taps) see, adds to each sum, negated."""
    return aligned_copy(-OFFSET * w.sum(axis=tuple(range(1, w.ndim)), dtype=np.int32))


def offsets_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of `offsets`."""
    return shape[:1]
